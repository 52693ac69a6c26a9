/** A real HTTP consumer that remembers what it was sent and answers as the test says. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Consumer extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** How often each ce-id came. */
  readonly idCounts: ReadonlyMap<string, number>;
  /** The status of all answers from now on. */
  answerWith(status: number): void;
}

export async function startConsumer(port = 0): Promise<Consumer> {
  const received: Received[] = [];
  const idCounts = new Map<string, number>();
  let status = 204;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (status < 300) {
        const id = String(request.headers["ce-id"]);
        idCounts.set(id, (idCounts.get(id) ?? 0) + 1);
        received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      }
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    received,
    idCounts,
    answerWith: (next) => (status = next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
