/** The limit for publish-to-delivered: node:http in, undici out, nothing stored. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const consumer = process.argv[2] ?? "";
const pool = new Pool(consumer, { connections: 64, pipelining: 1, allowH2: false });

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const headers: string[] = [];
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      const name = request.rawHeaders[index] ?? "";
      if (name.startsWith("ce-") || name === "content-type") {
        headers.push(name, request.rawHeaders[index + 1] ?? "");
      }
    }
    const body = Buffer.concat(chunks);
    pool.dispatch(
      { path: "/", method: "POST", headers, body },
      {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd() {
          response.writeHead(204);
          response.end();
        },
        onResponseError() {
          response.writeHead(502);
          response.end();
        },
      },
    );
  });
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`);
});
process.on("SIGTERM", () => process.exit(0));
