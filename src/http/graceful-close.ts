import type { Server as HttpServer, ServerResponse } from "node:http";
import { Server as NetServer } from "node:net";
import type { Socket } from "node:net";
import { systemClock } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";

interface Connection {
  bytesRead: number;
  /** For how many sweeps nothing was under way and nothing came. */
  quietSweeps: number;
  isEnded: boolean;
}

const QUIET_SWEEPS = Math.ceil(limits.stopIdleMs / limits.stopSweepIntervalMs);
const LINGER_SWEEPS = Math.ceil(limits.lingerMs / limits.stopSweepIntervalMs);

/**
 * Closes a server without resetting anybody. Node destroys idle connections at once, and with them
 * requests that are on their way on a kept-alive connection. Here the door closes first; what still
 * arrives on open connections is answered (with Connection: close, which ends them); and only a
 * connection on which nothing has come for stopIdleMs is closed from this side.
 */
export class GracefulClose {
  readonly #server: HttpServer;
  readonly #connections: Map<Socket, Connection> = new Map<Socket, Connection>();

  constructor(server: HttpServer) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.#connections.set(socket, { bytesRead: 0, quietSweeps: 0, isEnded: false });
      socket.once("close", () => this.#connections.delete(socket));
    });
  }

  /** Sockets live in real time, whatever clock the broker has. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const server = this.#server;
      for (const [socket, connection] of this.#connections) {
        connection.bytesRead = socket.bytesRead;
        lastOfItsConnection(socket);
      }
      const sweep = systemClock.every(limits.stopSweepIntervalMs, () => this.#sweep());
      const cut = systemClock.after(limits.stopAnswersMs, () => server.closeAllConnections());
      NetServer.prototype.close.call(server, () => {
        sweep.dispose();
        cut.dispose();
        // Stops what Node's own close would have stopped; the door is shut already.
        server.close(() => resolve());
      });
    });
  }

  #sweep(): void {
    for (const [socket, connection] of this.#connections) {
      const isQuiet = answerOn(socket) === undefined && socket.bytesRead === connection.bytesRead;
      connection.bytesRead = socket.bytesRead;
      connection.quietSweeps = isQuiet ? connection.quietSweeps + 1 : 0;
      if (connection.quietSweeps < QUIET_SWEEPS) continue;
      if (!connection.isEnded) {
        connection.isEnded = true;
        socket.end();
      } else if (connection.quietSweeps >= QUIET_SWEEPS + LINGER_SWEEPS) {
        socket.destroy();
      }
    }
  }
}

/** An answer that is still owed says that it is the last one. */
function lastOfItsConnection(socket: Socket): void {
  const response = answerOn(socket);
  if (response !== undefined && !response.headersSent) response.shouldKeepAlive = false;
}

/** Node keeps the response of a request under way at its socket. */
export function answerOn(socket: object): ServerResponse | undefined {
  if (!("_httpMessage" in socket)) return undefined;
  return (socket._httpMessage as ServerResponse | null) ?? undefined;
}
