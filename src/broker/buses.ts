import type { Bus, Retention } from "../api/api.ts";
import type { BusDelivery } from "../delivery/delivery.ts";
import type { Engine, EventLog, Lease } from "../engine/engine.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { BusName } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import { Deduplications } from "./deduplications.ts";
import type { Deduplicator } from "./deduplicator.ts";
import { DelayedQueue } from "./delayed-queue.ts";
import { openingMoment } from "./retention-age.ts";
import type { OpeningMoment } from "./retention-age.ts";
import { rollAfterMs, rollBytes } from "./retention-rules.ts";
import { throwIfAny } from "./object-reader.ts";
import type { BusInput } from "./resource-schemas.ts";
import { checkName, readBusInput } from "./resource-schemas.ts";
import type { ChangeQueue, Entry, ListQuery, Precondition } from "./resource-table.ts";
import { ResourceTable } from "./resource-table.ts";
import { UnreadGuard } from "./unread-guard.ts";

/** A bus while the broker runs: its log, and what delivers from it. */
export interface RunningBus {
  readonly name: BusName;
  readonly log: EventLog;
  readonly lease: Lease;
  readonly delivery: BusDelivery;
  /** Events that wait for their time. */
  readonly delayed: DelayedQueue;
  /** The door to the log while deduplication is on; changes with the settings of the bus. */
  deduplicator: Deduplicator | undefined;
  /** Refuses publishes rather than let unread events expire, where the bus says so. */
  readonly unread: UnreadGuard;
  readonly opened: OpeningMoment;
}

interface StoredBus extends Omit<BusInput, "deduplication" | "retention"> {
  readonly retention: StoredRetention;
  /** Absent in what versions without deduplication stored. */
  readonly deduplication?: BusInput["deduplication"];
  readonly created: string;
  readonly updated: string;
  /** Set first when a bus is deleted, so that a crash half-way ends in a deleted bus. */
  readonly isGoing?: true;
}

/** Versions without keepUnread stored none. */
type StoredRetention = Omit<Retention, "keepUnread"> & Partial<Retention>;

export interface BusesOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly changes: ChangeQueue;
  readonly createDelivery: (bus: BusName, log: EventLog, lease: Lease) => BusDelivery;
  /** What else uses a bus; deletes it when the bus goes with everything (`cascade`). */
  readonly dependents: (bus: BusName) => Dependents;
}

export interface Dependents {
  readonly names: readonly string[];
  delete(): Promise<void>;
}

export interface Versioned<Value> {
  readonly value: Value;
  readonly revision: number;
}

export interface Page<Value> {
  readonly items: readonly Value[];
  /** The id to go on after, when there are more. */
  readonly next: string | undefined;
}

/** The buses: resources in the store, logs in the engine, deliveries while running. */
export class Buses {
  readonly #options: BusesOptions;
  readonly #table: ResourceTable<StoredBus>;
  readonly #deduplications: Deduplications;
  readonly #running: Map<string, RunningBus> = new Map<string, RunningBus>();
  readonly #stopping: AbortController = new AbortController();

  constructor(options: BusesOptions) {
    this.#options = options;
    this.#table = new ResourceTable(options.engine.resources, "bus");
    this.#deduplications = new Deduplications(options);
  }

  /** Opens the log of every bus; deliveries start when their subscriptions are known. */
  async open(): Promise<void> {
    await this.#table.load();
    for (const { id, value } of this.#table.values()) {
      if (value.isGoing === true) await this.#finishDeletion(id);
      else this.#running.set(id, await this.#openBus(id));
    }
  }

  /** The hot door: one Map lookup. */
  running(name: string): RunningBus | undefined {
    return this.#running.get(name);
  }

  require(name: string): RunningBus {
    const bus = this.#running.get(name);
    if (bus === undefined) throw new BrokerError("bus_not_found", `there is no bus '${name}'`);
    return bus;
  }

  all(): Iterable<RunningBus> {
    return this.#running.values();
  }

  get(name: string): Versioned<Bus> {
    const entry = this.#table.get(name);
    if (entry === undefined) throw new BrokerError("bus_not_found", `there is no bus '${name}'`);
    return present(entry);
  }

  list(query: ListQuery): Page<Bus> {
    const { entries, hasMore } = this.#table.page(query);
    const items = entries.map((entry) => present(entry).value);
    return { items, next: hasMore ? entries.at(-1)?.id : undefined };
  }

  put(
    name: string,
    body: unknown,
    precondition: Precondition,
  ): Promise<Versioned<Bus> & { readonly isNew: boolean }> {
    const violations: Violation[] = [];
    checkName("bus", name, violations);
    const input = readBusInput(name, body, violations);
    throwIfAny(`bus '${name.slice(0, limits.nameLengthMax)}'`, violations);
    return this.#options.changes.run(async () => {
      this.#table.check(name, precondition);
      const before = this.#table.get(name);
      if (before === undefined && this.#table.size >= limits.busesMax) {
        throw new BrokerError(
          "overloaded",
          `there are ${limits.busesMax} buses already (busesMax)`,
        );
      }
      const updated = new Date(this.#options.clock.now()).toISOString();
      const created = before?.value.created ?? updated;
      const value = { ...input, created, updated };
      const entry = await this.#deduplications.change(
        this.#running.get(name),
        input.deduplication,
        () => this.#table.put(name, value),
      );
      const running = this.#running.get(name);
      if (running === undefined) await this.#start(name);
      else keep(running, input.retention);
      return { ...present(entry), isNew: before === undefined };
    });
  }

  delete(name: string, options: { readonly cascade: boolean } & Precondition): Promise<Bus> {
    return this.#options.changes.run(async () => {
      const { value } = this.get(name);
      this.#table.check(name, options);
      const dependents = this.#options.dependents(name);
      if (dependents.names.length > 0 && !options.cascade) {
        const list = dependents.names.slice(0, 5).join(", ");
        const more = dependents.names.length > 5 ? ` and ${dependents.names.length - 5} more` : "";
        throw new BrokerError("in_use", `bus '${name}' is used by ${list}${more}`);
      }
      const entry = this.#table.get(name);
      if (entry !== undefined) await this.#table.put(name, { ...entry.value, isGoing: true });
      await dependents.delete();
      const running = this.#running.get(name);
      this.#running.delete(name);
      await running?.delayed.stop();
      running?.deduplicator?.close();
      await running?.delivery.stop(0);
      await running?.lease.release();
      await this.#finishDeletion(name);
      return value;
    });
  }

  /** Deliveries finish what is under way or put it back; nothing new is attempted. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping.abort(new BrokerError("stopping", "the broker is stopping"));
    const buses = [...this.#running.values()];
    const stopped = await Promise.allSettled(buses.map((bus) => bus.delayed.stop()));
    for (const bus of buses) bus.deduplicator?.close();
    const results = await Promise.allSettled(buses.map((bus) => bus.delivery.stop(drainMs)));
    const released = await Promise.allSettled(buses.map((bus) => bus.lease.release()));
    const failures = [...stopped, ...results, ...released].flatMap((each) =>
      each.status === "rejected" ? [each.reason as unknown] : [],
    );
    if (failures.length > 0) throw new AggregateError(failures, "some buses did not stop cleanly");
  }

  retention(name: string): Bus["retention"] | undefined {
    const retention = this.#table.get(name)?.value.retention;
    return retention === undefined ? undefined : wholeRetention(retention);
  }

  async #start(name: string): Promise<void> {
    try {
      const bus = await this.#openBus(name);
      await bus.delivery.start([]);
      this.#running.set(name, bus);
    } catch (error) {
      // A bus that is listed takes events: one whose log does not open was not created.
      await this.#table.delete(name);
      throw error;
    }
  }

  async #openBus(name: string): Promise<RunningBus> {
    const { engine, createDelivery, clock } = this.#options;
    const log = await engine.log(name);
    const lease = await engine.leases.acquire(name, this.#stopping.signal);
    const deduplication = this.#table.get(name)?.value.deduplication ?? null;
    const deduplicator = await this.#deduplications.open(name, log, deduplication);
    const delivery = createDelivery(name, log, lease);
    const unread = new UnreadGuard({ bus: name, log, delivery, clock });
    const now = { wall: clock.now(), monotonic: clock.monotonic() };
    const opened = openingMoment(log.segments(), now);
    const delayed = new DelayedQueue({
      ...this.#options,
      bus: name,
      log,
      lease,
      store: engine.delayed,
      unread,
      deduplicator: () => bus.deduplicator,
    });
    const bus: RunningBus = { name, log, lease, delivery, delayed, deduplicator, unread, opened };
    const retention = this.retention(name);
    if (retention !== undefined) keep(bus, retention);
    await delayed.open();
    return bus;
  }

  async #finishDeletion(name: string): Promise<void> {
    await this.#options.engine.deleteLog(name);
    await this.#table.delete(name);
  }
}

/** Tells the parts of a running bus what it is to keep. */
function keep({ log, unread }: RunningBus, retention: Retention): void {
  log.setRollAfter(rollAfterMs(retention));
  log.setRollBytes(rollBytes(retention));
  unread.change(retention);
}

function wholeRetention(retention: StoredRetention): Retention {
  return { ...retention, keepUnread: retention.keepUnread ?? false };
}

function present(entry: Entry<StoredBus>): Versioned<Bus> {
  const { description, retention, deduplication = null, created, updated } = entry.value;
  return {
    value: {
      name: entry.id,
      description,
      retention: wholeRetention(retention),
      deduplication,
      created,
      updated,
    },
    revision: entry.revision,
  };
}
