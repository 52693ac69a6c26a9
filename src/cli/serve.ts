import type { Broker } from "../broker/broker.ts";
import type { BrokerConfig } from "../broker/config.ts";

export interface Server {
  readonly url: string;
  close(): Promise<void>;
}

/** What the process door hands in: http is a neighbour of cli, so cli cannot import it. */
export interface ServeHooks {
  startHttpServer(
    broker: Broker,
    options: { readonly host: string; readonly port: number },
  ): Promise<Server>;
  /** Rejects when the address cannot be listened on. */
  assertCanListen(options: { readonly host: string; readonly port: number }): Promise<void>;
  /** Resolves with the signal's name when the process is asked to stop. */
  untilAskedToStop(): Promise<string>;
  /** The line on standard output that says where the broker listens. */
  announce(line: string): void;
}

/**
 * Runs a broker until the process is asked to stop. `whileServing` runs once it accepts requests;
 * what it returns is closed first.
 */
export async function serve(
  config: BrokerConfig,
  hooks: ServeHooks,
  whileServing: (server: Server) => Promise<() => Promise<void>> = nothingMore,
): Promise<void> {
  const stopping = hooks.untilAskedToStop();
  await hooks.assertCanListen(config);
  // Loaded here, as wherever the command line needs it: most commands do not, and start faster.
  const { createBroker } = await import("../broker/broker.ts");
  const broker = await createBroker(config);
  try {
    const server = await hooks.startHttpServer(broker, config);
    try {
      hooks.announce(`listening on ${server.url}`);
      const { durability, fsync } = broker.health();
      if (durability === "os") hooks.announce(unsafeWords[fsync]);
      const close = await whileServing(server);
      await stopping;
      await close();
    } finally {
      await server.close();
    }
  } finally {
    await broker.stop();
  }
}

/** Nobody runs unsafe without knowing. */
const unsafeWords: Readonly<Record<BrokerConfig["fsync"], string>> = {
  always: "",
  interval:
    "fsync is 'interval': a power cut can lose the events of the last second, although they were acknowledged",
  never:
    "fsync is 'never': a power cut can lose events that the system had not written yet, although they were acknowledged",
};

function nothingMore(): Promise<() => Promise<void>> {
  return Promise.resolve(() => Promise.resolve());
}
