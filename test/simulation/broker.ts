import { createBusDelivery } from "../../src/delivery/delivery.ts";
import type { BusDelivery } from "../../src/delivery/delivery.ts";
import { BusLogs } from "../../src/engine/embedded/bus-logs.ts";
import { EmbeddedState } from "../../src/engine/embedded/embedded-state.ts";
import { LogDirectories } from "../../src/engine/embedded/log-directories.ts";
import { LogShare } from "../../src/engine/embedded/log-share.ts";
import type { SegmentedLog } from "../../src/engine/embedded/log.ts";
import { openLog } from "../../src/engine/embedded/log.ts";
import { LocalLeases } from "../../src/engine/local-leases.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import type { FsyncMode } from "../../src/engine/engine.ts";
import type { Disk } from "../../src/engine/engines.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { SimulatedConsumer } from "./consumer.ts";
import type { Life } from "./life.ts";
import type { Connection } from "./state.ts";

export const bus = "orders";
export const logsRoot = "/data/logs";

export interface BrokerOptions {
  readonly life: Life;
  readonly number: number;
  readonly disk: Disk;
  readonly connection: Connection;
  readonly seed: number;
  readonly segmentBytesMax: number;
  readonly rollAfterMs: number;
  readonly fsync: FsyncMode;
  readonly consumers: ReadonlyMap<string, SimulatedConsumer>;
  readonly onGone: (subscription: string) => void;
}

/** One life of the broker, put together from the production parts that store and deliver. */
export class Broker {
  readonly options: BrokerOptions;
  readonly log: SegmentedLog;
  readonly delivery: BusDelivery;
  readonly state: EmbeddedState;
  readonly #logs: BusLogs;

  private constructor(parts: Omit<Broker, "stop"> & { readonly logs: BusLogs }) {
    this.options = parts.options;
    this.log = parts.log;
    this.delivery = parts.delivery;
    this.state = parts.state;
    this.#logs = parts.logs;
  }

  static async start(options: BrokerOptions): Promise<Broker> {
    const { life, number, consumers, connection, seed } = options;
    const random = new SeededRandom(seed);
    let log: SegmentedLog | undefined;
    const open = async (_bus: string, directory: string): Promise<SegmentedLog> => {
      log = await openLog({ ...logOptions(options, random), directory });
      return log;
    };
    const directories = new LogDirectories({
      root: logsRoot,
      database: connection,
      disk: options.disk,
      logger: silentLogger,
      random,
    });
    await directories.tidyUp();
    const logs = new BusLogs({ directories, open, onHealth: () => undefined });
    await logs.log(bus);
    if (log === undefined) throw new Error("the log is opened by now");
    const state = new EmbeddedState(() => connection);
    const lease = await new LocalLeases(state).acquire(bus, new AbortController().signal);
    const delivery = createBusDelivery({
      bus,
      log,
      consumerState: state,
      lease,
      clock: life,
      random,
      logger: silentLogger,
      onGone: (subscription) => {
        if (!life.isOver) options.onGone(subscription);
      },
      onAttempt: (notice) => {
        if (!life.isOver) consumers.get(notice.subscription)?.noticed(notice, number);
      },
    });
    for (const consumer of consumers.values()) consumer.delivery = delivery;
    await delivery.start([...consumers.values()].map((consumer) => consumer.plan(life)));
    return new Broker({ options, log, delivery, state, logs });
  }

  /** In the order of the process's own stop. */
  async stop(): Promise<void> {
    await this.delivery.stop(500);
    await this.#logs.close();
  }
}

function logOptions(
  options: BrokerOptions,
  random: SeededRandom,
): Omit<Parameters<typeof openLog>[0], "directory"> {
  const { disk, life, segmentBytesMax, rollAfterMs, fsync } = options;
  return {
    bus,
    disk,
    clock: life,
    logger: silentLogger,
    fsync,
    segmentBytesMax,
    rollAfterMs,
    share: new LogShare(),
    random,
  };
}
