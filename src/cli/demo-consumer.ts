import { createServer } from "node:http";
import type { IncomingMessage, Server as NodeServer } from "node:http";
import { systemErrorCode } from "../kernel/errors.ts";

export interface DemoConsumer {
  readonly url: string;
  close(): Promise<void>;
}

/** Enough for any notification; what is longer is cut, it is only shown. */
const SHOWN_BYTES_MAX = 64 * 1024;

/**
 * A consumer to look at: an HTTP server that takes whatever is pushed and shows it. When the wanted
 * port is taken it listens on any other.
 */
export async function startDemoConsumer(
  port: number,
  show: (text: string) => void,
): Promise<DemoConsumer> {
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        response.writeHead(204).end();
        show(describe(request, body));
      },
      // The broker gave up on the request; it will come again, and nobody waits for an answer.
      () => response.destroy(),
    );
  });
  const bound = await listen(server, port);
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listen(server: NodeServer, port: number): Promise<number> {
  try {
    return await listenOn(server, port);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "EADDRINUSE") throw thrown;
    return listenOn(server, 0);
  }
}

function listenOn(server: NodeServer, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (bytes < SHOWN_BYTES_MAX) chunks.push(chunk);
    bytes += chunk.length;
  }
  return Buffer.concat(chunks).toString("utf8").slice(0, SHOWN_BYTES_MAX);
}

function describe(request: IncomingMessage, body: string): string {
  const type = request.headers["ce-type"] ?? "an event";
  const offset = request.headers["millrace-offset"] ?? "?";
  return `${String(type)} (offset ${String(offset)})\n    ${notificationOf(body)}`;
}

/** The text of a notification, or the body as it is. */
function notificationOf(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== "object" || value === null) return body;
    for (const name of ["slackMsg", "text", "message"]) {
      const text: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
      if (typeof text === "string") return text;
    }
    return body;
  } catch {
    // Not JSON: plain text and anything else are shown as they came.
    return body;
  }
}
