import type { Clock, Disposable } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { BusName } from "../../kernel/ids.ts";
import type {
  ConsumerStateStore,
  DelayedStore,
  Engine,
  EngineHealth,
  EventLog,
  Leases,
  ResourceStore,
} from "../engine.ts";
import { LocalLeases } from "../local-leases.ts";
import { MemoryDelayed } from "./memory-delayed.ts";
import { MemoryLog } from "./memory-log.ts";
import { MemoryResources } from "./memory-resources.ts";
import { MemoryState } from "./memory-state.ts";

export interface MemoryEngineOptions {
  readonly clock: Clock;
  /** Records a segment; trim cuts there. Default 1 000. */
  readonly segmentRecords?: number;
}

export function createMemoryEngine(options: MemoryEngineOptions): Engine {
  return new MemoryEngine(options);
}

/** Everything in memory, gone with the process: for tests and for trying things out. */
class MemoryEngine implements Engine {
  readonly #options: MemoryEngineOptions;
  readonly #logs = new Map<BusName, MemoryLog>();
  readonly #state = new MemoryState(() => this.#assertOpen());
  readonly #leases = new LocalLeases(this.#state);
  readonly #delayed = new MemoryDelayed(() => this.#assertOpen());
  readonly resources: ResourceStore = new MemoryResources(() => this.#assertOpen());
  readonly consumerState: ConsumerStateStore = this.#state;
  readonly delayed: DelayedStore = this.#delayed;
  readonly leases: Leases = this.#leases;
  #isClosed = false;

  constructor(options: MemoryEngineOptions) {
    this.#options = options;
  }

  open(): Promise<EngineHealth> {
    return Promise.resolve({
      engine: "memory",
      durability: "memory",
      fsync: "never",
      writable: true,
      reason: "events are kept in memory only and are lost when the process ends",
    });
  }

  async log(bus: BusName): Promise<EventLog> {
    await Promise.resolve();
    this.#assertOpen();
    const present = this.#logs.get(bus);
    if (present !== undefined) return present;
    const { clock, segmentRecords = 1000 } = this.#options;
    const log = new MemoryLog({ bus, clock, segmentRecords });
    this.#logs.set(bus, log);
    this.#state.addBus(bus);
    this.#delayed.addBus(bus);
    return log;
  }

  async deleteLog(bus: BusName): Promise<void> {
    this.#assertOpen();
    const log = this.#logs.get(bus);
    if (log === undefined) return;
    this.#logs.delete(bus);
    this.#leases.drop(bus);
    this.#state.deleteBus(bus);
    this.#delayed.deleteBus(bus);
    await log.close(new BrokerError("bus_not_found", `bus '${bus}' was deleted`));
  }

  onHealth(_listener: (health: EngineHealth) => void): Disposable {
    // The health of memory never changes.
    return { dispose: () => undefined };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#leases.close();
    const reason = new BrokerError("stopping", "the engine is closed");
    await Promise.all([...this.#logs.values()].map((log) => log.close(reason)));
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new BrokerError("stopping", "the engine is closed");
  }
}
