import type {
  DelayedEvent,
  DelayedQuery,
  DelayedStore,
  EventLog,
  Lease,
} from "../engine/engine.ts";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { Deduplicator } from "./deduplicator.ts";
import type { Appended } from "./delayed-append.ts";
import { bytesOf } from "./delayed-append.ts";
import { DelayedFiring } from "./delayed-firing.ts";
import { DelayedIds } from "./delayed-id.ts";
import { DelayedIntake } from "./delayed-intake.ts";
import { DelayedRows } from "./delayed-rows.ts";
import type { PublishCallback, PublishOutcome } from "./publish-outcome.ts";
import type { UnreadGuard } from "./unread-guard.ts";

export interface DelayedQueueOptions {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly lease: Lease;
  readonly store: DelayedStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly unread: UnreadGuard;
  /** The door to the log while the bus deduplicates. */
  readonly deduplicator: () => Deduplicator | undefined;
}

/** An event of a publish of which at least one is to wait. */
export interface NewDelayed {
  readonly payload: Uint8Array;
  readonly hops: number;
  /** Undefined: to be appended as soon as the whole publish is durable. */
  readonly dueAt: EpochMs | undefined;
}

export interface DelayedCounts {
  readonly waiting: number;
  /** Of the events that wait, in stored form. */
  readonly bytes: number;
  readonly fired: number;
  readonly duplicates: number;
}

interface MixedBatch {
  readonly events: readonly DelayedEvent[];
  readonly isDelayed: readonly boolean[];
  readonly settled: PublishCallback;
}

/**
 * The delayed events of one bus, from publish to log: a broker has one for each bus whose lease it
 * holds. The parts: DelayedIntake gathers publishes, DelayedRows keeps what waits, DelayedFiring
 * appends what is due. spec/state-database.md tells the life of a delayed event.
 */
export class DelayedQueue {
  readonly #options: DelayedQueueOptions;
  readonly #ids: DelayedIds;
  readonly #rows: DelayedRows;
  readonly #firing: DelayedFiring;
  readonly #intake: DelayedIntake;
  /** Taken in and not yet stored. */
  #arriving = 0;
  #arrivingBytes = 0;
  #isStopped = false;

  constructor(options: DelayedQueueOptions) {
    this.#options = options;
    this.#ids = new DelayedIds(options.random);
    this.#rows = new DelayedRows({ ...options, onChange: () => this.#firing.schedule() });
    this.#firing = new DelayedFiring({ ...options, rows: this.#rows });
    this.#intake = new DelayedIntake({
      store: (events) => {
        this.#firing.markBeforeFirst();
        return this.#rows.add(events);
      },
    });
  }

  /** Learns what waits. Firing begins by itself, once what a crash left is sorted out. */
  async open(): Promise<void> {
    await this.#rows.open();
    this.#options.lease.lost.addEventListener("abort", () => this.#firing.halt(), { once: true });
    this.#firing.start();
  }

  get counts(): DelayedCounts {
    const { fired, duplicates } = this.#firing;
    return { waiting: this.#rows.count, bytes: this.#rows.bytes, fired, duplicates };
  }

  /** Retention keeps what a restart needs to know that an event was appended. */
  get neededFrom(): Offset {
    return this.#firing.neededFrom;
  }

  /** Takes the events of one publish, all or none; at least one of them is to wait. */
  add(given: readonly NewDelayed[], settled: PublishCallback): void {
    const refusal = this.#refusal(given);
    if (refusal !== undefined) {
      queueMicrotask(() => settled(refusal, 0));
      return;
    }
    const now = Math.floor(this.#options.clock.now());
    const events = given.map((each) => this.#eventOf(each, now));
    const isDelayed = given.map(({ dueAt }) => dueAt !== undefined);
    const isMixed = isDelayed.includes(false);
    if (isMixed) this.#rows.hold(events);
    const bytes = bytesOf(given);
    this.#arriving += events.length;
    this.#arrivingBytes += bytes;
    this.#intake.add(events, (failure) => {
      this.#arriving -= events.length;
      this.#arrivingBytes -= bytes;
      if (failure !== undefined) settled(failure, 0);
      else if (isMixed) this.#appendImmediate({ events, isDelayed, settled });
      else settled(undefined, 0, outcomeOf(events, isDelayed, undefined));
    });
  }

  async list(query: DelayedQuery): Promise<readonly DelayedEvent[]> {
    return this.#options.store.list(this.#options.bus, query);
  }

  get(id: string): Promise<DelayedEvent | undefined> {
    return this.#options.store.get(this.#options.bus, id);
  }

  /** Whether it is in the log, although its row may still be there. */
  isAppended(id: string): boolean {
    return this.#firing.isAppended(id);
  }

  /** The event, which will not be appended; undefined when there is none, or it has been. */
  async cancel(id: string): Promise<DelayedEvent | undefined> {
    await this.#firing.whenRecovered();
    return this.#rows.cancel(id, () => this.#firing.whenDecided());
  }

  /** Takes nothing more and finishes what is on its way. What waits stays in the store. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#intake.whenIdle();
    await this.#firing.stop();
  }

  #eventOf({ payload, hops, dueAt }: NewDelayed, now: EpochMs): DelayedEvent {
    const due = dueAt ?? now;
    // The stored form is a view of a slab shared with other events, which a long wait must not keep.
    const own = new Uint8Array(payload);
    return { id: this.#ids.next(due, now), dueAt: due, createdAt: now, hops, payload: own };
  }

  /**
   * A batch of which some events are due now. All its rows are stored, so that a crash leaves all or
   * nothing of it. Those due now are appended at once; when that fails the batch is taken back.
   */
  #appendImmediate(batch: MixedBatch): void {
    const { events, isDelayed, settled } = batch;
    const immediate = events.filter((_, index) => isDelayed[index] === false);
    this.#firing.append(immediate, (appended) => {
      if (!appended.ok) {
        void this.#takeBack(batch, appended.failure);
        return;
      }
      this.#rows.release(events.filter((_, index) => isDelayed[index] === true));
      settled(undefined, 0, outcomeOf(events, isDelayed, appended));
    });
  }

  async #takeBack({ events, settled }: MixedBatch, failure: BrokerError): Promise<void> {
    const notTakenBack = await this.#rows.takeBack(events);
    if (notTakenBack === undefined) {
      settled(failure, 0);
      return;
    }
    // Its rows may be there still, and then the whole batch is published after all.
    const detail = `the batch could not be taken back after: ${failure.message}`;
    settled(new BrokerError("outcome_unknown", detail, { cause: notTakenBack }), 0);
  }

  #refusal(events: readonly NewDelayed[]): BrokerError | undefined {
    const { bus } = this.#options;
    if (this.#isStopped) return new BrokerError("stopping", `bus '${bus}' is closing`);
    const { count, bytes } = this.#rows;
    const moreBytes = bytesOf(events) + this.#arrivingBytes;
    if (moreBytes > limits.appendQueueBytesMax) {
      const what = `${this.#arrivingBytes} bytes of delayed events are waiting to be stored`;
      return overloaded(bus, what, `${limits.appendQueueBytesMax} (appendQueueBytesMax)`);
    }
    if (count + this.#arriving + events.length > limits.delayedEventsMax) {
      const what = `${count} delayed events wait for their time`;
      return overloaded(bus, what, `${limits.delayedEventsMax} (delayedEventsMax)`);
    }
    if (bytes + moreBytes > limits.delayedBytesMax) {
      const what = `delayed events of ${bytes} bytes wait for their time`;
      return overloaded(bus, what, `${limits.delayedBytesMax} bytes (delayedBytesMax)`);
    }
    return undefined;
  }
}

function outcomeOf(
  events: readonly DelayedEvent[],
  isDelayed: readonly boolean[],
  appended: (Appended & { readonly ok: true }) | undefined,
): PublishOutcome {
  const offsets: (Offset | null)[] = [];
  const delayed: (string | null)[] = [];
  const duplicates: number[] = [];
  let place = 0;
  for (const [index, { id }] of events.entries()) {
    const waits = isDelayed[index] === true;
    delayed.push(waits ? id : null);
    offsets.push(waits ? null : (appended?.offsets[place] ?? null));
    if (waits) continue;
    if (appended?.duplicates.includes(place) === true) duplicates.push(index);
    place += 1;
  }
  return { offsets, delayed, duplicates };
}

function overloaded(bus: BusName, what: string, most: string): BrokerError {
  const detail = `bus '${bus}': ${what}; at most ${most} may`;
  return new BrokerError("overloaded", detail, { retryAfterSeconds: 1 });
}
