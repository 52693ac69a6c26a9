import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { BrokerError } from "../kernel/errors.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** Rejects with `cannot_listen` when the address is taken, or not this machine's. */
export function listen(server: Server, { host, port }: ListenOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "another process listens there" : cause.message;
      const detail = `cannot listen on ${host}:${port}: ${why}; choose another --port or --host`;
      reject(new BrokerError("cannot_listen", detail, { cause }));
    });
    server.listen({ host, port, backlog: 1024 }, () => resolve(server.address() as AddressInfo));
  });
}

/**
 * Asks before the broker starts: opening the engine and stopping it again is much work for a port
 * that is taken, and its log would bury the reason.
 */
export async function assertCanListen(options: ListenOptions): Promise<void> {
  const probe = createServer();
  await listen(probe, options);
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}
