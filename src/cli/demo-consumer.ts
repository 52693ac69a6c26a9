import { createServer } from "node:http";
import type { IncomingMessage, Server as NodeServer } from "node:http";
import { systemErrorCode } from "../kernel/errors.ts";
import { UsageError } from "./command.ts";

export interface DemoConsumer {
  readonly url: string;
  close(): Promise<void>;
}

const USUAL_PORT = 8081;

/** Enough for any notification; what is longer is cut, it is only shown. */
const SHOWN_BYTES_MAX = 64 * 1024;

/**
 * A consumer to look at: an HTTP server that takes whatever is pushed and says so. A port that was
 * asked for must be free; without one it takes its usual port, or says why it takes any other.
 */
export async function startDemoConsumer(
  port: number | undefined,
  say: (text: string) => void,
): Promise<DemoConsumer> {
  const server = createServer((request, response) => {
    readBody(request).then(
      (body) => {
        response.writeHead(204).end();
        say(`demo consumer received ${describe(request, body)}`);
      },
      // The broker gave up on the request; it will come again, and nobody waits for an answer.
      () => response.destroy(),
    );
  });
  const bound = await (port === undefined ? listenAnywhere(server, say) : listenOn(server, port));
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listenAnywhere(server: NodeServer, say: (text: string) => void): Promise<number> {
  try {
    return await listenOn(server, USUAL_PORT);
  } catch (thrown) {
    if (!(thrown instanceof PortTakenError)) throw thrown;
    const port = await listenOn(server, 0);
    say(`port ${USUAL_PORT} is in use: the demo consumer listens on ${port} (--demo-port chooses)`);
    return port;
  }
}

class PortTakenError extends UsageError {}

function listenOn(server: NodeServer, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const isTaken = systemErrorCode(cause) === "EADDRINUSE";
      const message = `--demo-port ${port} is in use by another process; choose another, or 0 for any`;
      reject(isTaken ? new PortTakenError(message, { cause }) : cause);
    });
    server.listen(port, "127.0.0.1", () => {
      server.removeAllListeners("error");
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
