import type { Socket } from "node:net";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import type { buildConnector } from "undici";

import type { Clock } from "../../kernel/clock.ts";
import type { SinkTarget } from "../allowed-sinks.ts";
import { bareHost } from "../allowed-sinks.ts";
import type { NetworkGuard } from "../network-guard.ts";
import { AddressRefused } from "../network-guard.ts";

const tcpKeepAliveDelayMs = 60_000;

/** The connection did not come about in time. */
export class ConnectTimedOut extends Error {
  override readonly name = "ConnectTimedOut";
  readonly code = "MILLRACE_CONNECT_TIMEOUT";
}

/** The connection was closed before it could be used; undici retires the client for this code. */
class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
  readonly code = "ECONNRESET";
}

export interface ConnectorOptions {
  readonly guard: NetworkGuard;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/**
 * Opens the connections of one sink, each to an address that the guard has checked. It is written
 * on node:net and node:tls rather than on undici's own connector so that connections that are only
 * being made can be given up when the sink closes.
 */
export class GuardedConnector {
  readonly #options: ConnectorOptions;
  readonly #connecting: Set<Socket> = new Set<Socket>();
  /** The last TLS session, so that the next handshake is a short one. */
  #session: Buffer | undefined;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  readonly connect = (options: buildConnector.Options, callback: buildConnector.Callback): void => {
    const { guard, clock, timeoutMs } = this.#options;
    const isTls = options.protocol === "https:";
    const usualPort = isTls ? 443 : 80;
    const target: SinkTarget = {
      host: bareHost(options.hostname),
      port: options.port === "" ? usualPort : Number(options.port),
    };
    // A literal is never looked up, so no lookup would judge it; and the policy may have changed
    // since the subscription was made.
    const objection = guard.objectionToTarget(target);
    if (objection !== undefined) {
      queueMicrotask(() => callback(new AddressRefused(objection), null));
      return;
    }
    const socket = isTls ? this.#openTls(target) : this.#openTcp(target);
    socket.setNoDelay(true).setKeepAlive(true, tcpKeepAliveDelayMs);
    this.#connecting.add(socket);
    const timer = clock.after(timeoutMs, () => {
      socket.destroy(new ConnectTimedOut(`no connection within ${timeoutMs} ms`));
    });
    let isPending = true;
    const settle = (error: Error | undefined): void => {
      if (!isPending) return;
      isPending = false;
      timer.dispose();
      this.#connecting.delete(socket);
      if (error === undefined) callback(null, socket);
      else callback(error, null);
    };
    socket.once(isTls ? "secureConnect" : "connect", () => settle(this.#inspect(socket, target)));
    socket.on("error", settle);
    socket.once("close", () => settle(new ConnectionLost("closed while connecting")));
  };

  /** Gives up whatever is being connected. */
  close(): void {
    for (const socket of this.#connecting)
      socket.destroy(new ConnectionLost("the sink is closing"));
  }

  #openTcp(target: SinkTarget): Socket {
    return connectTcp({
      ...target,
      lookup: this.#options.guard.lookupFor(target),
      autoSelectFamily: true,
    });
  }

  #openTls(target: SinkTarget): Socket {
    const socket = connectTls({
      ...target,
      lookup: this.#options.guard.lookupFor(target),
      // The certificate must be that of the name in the URL, wherever the address came from.
      ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
      ALPNProtocols: ["http/1.1"],
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
    socket.on("session", (session) => {
      this.#session = session;
    });
    return socket;
  }

  /** The last look: where has the socket really arrived? */
  #inspect(socket: Socket, target: SinkTarget): Error | undefined {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return new ConnectionLost("closed as soon as it was open");
    const objection = this.#options.guard.objectionToAddress(remoteAddress, target);
    if (objection === undefined) return undefined;
    const refused = new AddressRefused(objection);
    socket.destroy(refused);
    return refused;
  }
}
