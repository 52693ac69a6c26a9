/** Counts what arrives. GET /count answers the number so far and the time of the last, in ms. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

let count = 0;
let lastAt = 0;

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.end(JSON.stringify({ count, lastAt }));
    return;
  }
  request.resume();
  request.on("end", () => {
    count++;
    lastAt = Date.now();
    response.writeHead(204);
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`);
});
process.on("SIGTERM", () => process.exit(0));
