import type {
  ConsumerChanges,
  ConsumerStateStore,
  DeadLetterState,
  Lease,
  ParkedState,
  RescuedRecord,
} from "../engine/engine.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import { toBrokerError } from "../kernel/errors.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { BusName, Offset, SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Consumer } from "./consumer.ts";
import { parkedRowOf, rowOf } from "./stored-rows.ts";

export interface CommitterOptions {
  readonly bus: BusName;
  readonly store: ConsumerStateStore;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The group's position at this moment. */
  readonly position: () => Offset;
  /** A commit succeeded; what was stalled may go on. */
  readonly onCommitted: () => void;
  /** Another holder has the bus: nothing may be attempted or stored any more. */
  readonly onFenced: (error: BrokerError) => void;
}

interface Unfinished {
  readonly consumers: readonly Consumer[];
  readonly retries: ReadonlyMap<Consumer, readonly Offset[]>;
  readonly letters: readonly DeadLetterState[];
  readonly deleted: readonly SubscriptionId[];
  readonly rescued: readonly RescuedRecord[];
  readonly since: number | undefined;
  readonly sequence: number;
}

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Stores what changed, one commit for the whole bus: at most one each stateCommitIntervalMs, at
 * once when the last one is longer ago. A snapshot is taken in one turn, so it is consistent:
 * everything below the group's position is settled or listed. A commit that fails is made again
 * with whatever changed since; results that stay uncommitted too long stop new attempts.
 *
 * States: idle → scheduled (timer) → committing → idle; closed from any, by stop or fencing.
 */
export class Committer {
  readonly #options: CommitterOptions;
  #consumers: Set<Consumer> = new Set();
  #letters: DeadLetterState[] = [];
  #deleted: SubscriptionId[] = [];
  #rescued: RescuedRecord[] = [];
  #positionStored: Offset | undefined;
  /** Monotonic time of the oldest result that is in no finished commit. */
  #uncommittedSince: number | undefined;
  #commitSince: number | undefined;
  #lastStart = Number.NEGATIVE_INFINITY;
  #timer: Disposable | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #committing: Promise<void> | undefined;
  #failuresInRow = 0;
  #sequence = 0;
  #waiters: Waiter[] = [];
  #closed: BrokerError | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** The consumer's state differs from what is stored. */
  changed(consumer: Consumer): void {
    if (this.#uncommittedSince === undefined) {
      this.#uncommittedSince = this.#options.clock.monotonic();
    }
    if (this.#consumers.has(consumer)) return;
    this.#consumers.add(consumer);
    this.#schedule(limits.stateCommitIntervalMs);
  }

  addLetter(letter: DeadLetterState): void {
    this.#letters.push(letter);
  }

  /**
   * Only the group moved on and nobody wanted what it passed. After a crash that much is matched
   * again, so this is stored for the sake of bounded work only, and seldom.
   */
  positionMoved(): void {
    this.#schedule(limits.stateUncommittedMsMax);
  }

  delete(consumer: Consumer): void {
    this.#consumers.delete(consumer);
    this.#letters = this.#letters.filter((one) => one.subscription !== consumer.plan.id);
    this.deleteStored(consumer.plan.id);
  }

  deleteStored(subscription: SubscriptionId): void {
    this.#deleted.push(subscription);
    this.#schedule(0);
  }

  /** Resolves when the records are stored; those that nobody names by then are left out. */
  rescue(records: readonly RescuedRecord[]): Promise<void> {
    this.#rescued.push(...records);
    return this.flush();
  }

  /** Resolves when everything that changed until now is durable. */
  flush(): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#sequence += 1;
      this.#waiters.push({ sequence: this.#sequence, resolve, reject });
      this.#schedule(0);
    });
  }

  /** Whether results have been uncommitted for so long that no new attempt may start. */
  get isStalled(): boolean {
    const since = this.#commitSince ?? this.#uncommittedSince;
    if (since === undefined) return false;
    return this.#options.clock.monotonic() - since > limits.stateUncommittedMsMax;
  }

  close(error: BrokerError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#timer?.dispose();
    this.#timer = undefined;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters = [];
  }

  #schedule(delayMs: number): void {
    if (this.#closed !== undefined || this.#committing !== undefined) return;
    const now = this.#options.clock.monotonic();
    // "At once when idle": the interval counts from the start of the last commit.
    const earliest = this.#lastStart + this.#intervalMs();
    const isUrgent = delayMs === 0 && this.#failuresInRow === 0;
    const wanted = delayMs > limits.stateCommitIntervalMs ? now + delayMs : now;
    const at = isUrgent ? now : Math.max(wanted, earliest);
    if (at >= this.#timerAt) return;
    this.#timer?.dispose();
    this.#timerAt = at;
    this.#timer =
      at > now ? this.#options.clock.after(at - now, this.#start) : immediately(this.#start);
  }

  readonly #start = (): void => {
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#committing = this.#commit();
  };

  /** A store that refuses commits is asked again on a growing interval of at most a second. */
  #intervalMs(): number {
    const { stateCommitIntervalMs } = limits;
    return Math.min(1000, stateCommitIntervalMs * 2 ** Math.min(this.#failuresInRow, 10));
  }

  async #commit(): Promise<void> {
    const { bus, store, lease } = this.#options;
    this.#lastStart = this.#options.clock.monotonic();
    const { unfinished, changes } = this.#snapshot();
    try {
      await store.commit(bus, lease.token, changes);
      this.#succeeded(unfinished, changes);
    } catch (error) {
      this.#failed(unfinished, toBrokerError(error));
    }
  }

  #snapshot(): { readonly unfinished: Unfinished; readonly changes: ConsumerChanges } {
    const parked: ParkedState[] = [];
    const unparked: { subscription: SubscriptionId; offset: Offset }[] = [];
    const retries = new Map<Consumer, readonly Offset[]>();
    for (const consumer of this.#consumers) {
      if (consumer.changedRetries.size === 0) continue;
      const offsets = [...consumer.changedRetries];
      consumer.changedRetries.clear();
      retries.set(consumer, offsets);
      for (const offset of offsets) {
        const retry = consumer.retries.get(offset)?.retry;
        if (retry === undefined) unparked.push({ subscription: consumer.plan.id, offset });
        else parked.push(parkedRowOf(consumer, offset, retry));
      }
    }
    const unfinished: Unfinished = {
      consumers: [...this.#consumers],
      retries,
      letters: this.#letters,
      deleted: this.#deleted,
      rescued: this.#rescued,
      since: this.#uncommittedSince,
      sequence: this.#sequence,
    };
    const changes: ConsumerChanges = {
      position: this.#options.position(),
      subscriptions: unfinished.consumers.map(rowOf),
      parked,
      unparked,
      deadLetters: this.#letters,
      deletedLetters: [],
      deletedSubscriptions: this.#deleted,
      rescued: this.#rescued,
    };
    this.#consumers = new Set();
    this.#letters = [];
    this.#deleted = [];
    this.#rescued = [];
    this.#commitSince = this.#uncommittedSince;
    this.#uncommittedSince = undefined;
    return { unfinished, changes };
  }

  #succeeded(unfinished: Unfinished, changes: ConsumerChanges): void {
    this.#committing = undefined;
    this.#commitSince = undefined;
    this.#failuresInRow = 0;
    this.#positionStored = changes.position;
    const done = this.#waiters.filter((waiter) => waiter.sequence <= unfinished.sequence);
    this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > unfinished.sequence);
    for (const waiter of done) waiter.resolve();
    this.#scheduleRest();
    this.#options.onCommitted();
  }

  #failed(unfinished: Unfinished, error: BrokerError): void {
    this.#committing = undefined;
    if (error.code === "fenced") {
      this.close(error);
      this.#options.onFenced(error);
      return;
    }
    this.#failuresInRow += 1;
    this.#options.logger.error(
      { bus: this.#options.bus, code: error.code, error: error.message },
      "consumer state could not be stored; it is tried again",
    );
    this.#takeBack(unfinished);
    this.#scheduleRest();
  }

  #takeBack(unfinished: Unfinished): void {
    for (const consumer of unfinished.consumers) {
      if (!consumer.isClosed) this.#consumers.add(consumer);
    }
    for (const [consumer, offsets] of unfinished.retries) {
      for (const offset of offsets) consumer.changedRetries.add(offset);
    }
    this.#letters = [...unfinished.letters, ...this.#letters];
    this.#deleted = [...unfinished.deleted, ...this.#deleted];
    this.#rescued = [...unfinished.rescued, ...this.#rescued];
    this.#uncommittedSince = unfinished.since ?? this.#uncommittedSince;
    this.#commitSince = undefined;
  }

  #scheduleRest(): void {
    const isUrgent = this.#waiters.length > 0 || this.#deleted.length > 0;
    if (isUrgent) this.#schedule(0);
    else if (this.#consumers.size > 0) this.#schedule(limits.stateCommitIntervalMs);
    else if (this.#options.position() !== this.#positionStored) this.positionMoved();
  }
}

/**
 * At the end of this turn, so that all results of the turn go in one commit. Unlike a timer of the
 * clock it keeps the process alive: the last commit at a stop must not be missed.
 */
function immediately(callback: () => void): Disposable {
  const immediate = setImmediate(callback);
  return { dispose: () => clearImmediate(immediate) };
}
