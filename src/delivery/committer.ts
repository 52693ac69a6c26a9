import type {
  AttemptState,
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
import type { AttemptLog } from "./attempt-log.ts";
import type { Consumer } from "./consumer.ts";
import { heirOf } from "./generations.ts";
import { commitEnded } from "./key-order.ts";
import { replayRowOf } from "./replay.ts";
import type { Replay } from "./replay.ts";
import { parkedRowOf, rowOf } from "./stored-rows.ts";

export interface CommitterOptions {
  readonly bus: BusName;
  readonly store: ConsumerStateStore;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly attemptLog: AttemptLog;
  /** The group's position at this moment. */
  readonly position: () => Offset;
  /** The end of one of its events is durable: the next one of that key may go. */
  readonly onReleased: (consumer: Consumer) => void;
  /** A commit succeeded; what was stalled may go on. */
  readonly onCommitted: () => void;
  /** Another holder has the bus: nothing may be attempted or stored any more. */
  readonly onFenced: (error: BrokerError) => void;
}

interface Unfinished {
  readonly consumers: readonly Consumer[];
  readonly retries: ReadonlyMap<Consumer, readonly Offset[]>;
  readonly letters: readonly DeadLetterState[];
  readonly deletedLetters: readonly LetterName[];
  readonly deleted: readonly SubscriptionId[];
  readonly rescued: readonly RescuedRecord[];
  readonly attempts: readonly AttemptState[];
  readonly replays: readonly Replay[];
  readonly deletedReplays: readonly ReplayName[];
  readonly since: number | undefined;
  readonly sequence: number;
}

interface LetterName {
  readonly subscription: SubscriptionId;
  readonly letter: string;
}

interface ReplayName {
  readonly subscription: SubscriptionId;
  readonly replay: string;
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
  #deletedLetters: LetterName[] = [];
  #deleted: SubscriptionId[] = [];
  #rescued: RescuedRecord[] = [];
  #deletedReplays: ReplayName[] = [];
  /** Letters whose deletion may not show yet in what was just read from the store. */
  readonly #goneLetters: Set<string> = new Set();
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
    // Work that was under way when it was removed or sought must not write its old row again.
    if (consumer.isClosed) return;
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

  deleteLetter({ subscription, letter }: LetterName): void {
    this.#deletedLetters.push({ subscription, letter });
    this.#goneLetters.add(letter);
  }

  /** Whether a letter that the store has just shown is to be deleted, or was a moment ago. */
  isLetterDeleted({ letter }: LetterName): boolean {
    return this.#goneLetters.has(letter);
  }

  deleteReplay(name: ReplayName): void {
    this.#deletedReplays.push(name);
  }

  /** The event of a letter waits again. A letter that is not stored yet never will be. */
  withdrawLetter(name: LetterName): void {
    this.#letters = this.#letters.filter(({ letter }) => letter !== name.letter);
    this.deleteLetter(name);
  }

  /** The next generation takes the place of one that was closed; its row replaces the old one. */
  succeeded(old: Consumer, next: Consumer): void {
    this.#consumers.delete(old);
    this.changed(next);
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
    this.#options.attemptLog.forget(consumer.plan.id);
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
      this.#stored(unfinished, changes);
    } catch (error) {
      this.#failed(unfinished, toBrokerError(error));
    }
  }

  #snapshot(): { readonly unfinished: Unfinished; readonly changes: ConsumerChanges } {
    const parked: ParkedState[] = [];
    const unparked: { subscription: SubscriptionId; offset: Offset }[] = [];
    const retries = new Map<Consumer, readonly Offset[]>();
    for (const consumer of this.#consumers) {
      consumer.lanes?.commitBegins();
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
      deletedLetters: this.#deletedLetters,
      deleted: this.#deleted,
      rescued: this.#rescued,
      attempts: this.#options.attemptLog.take(),
      replays: this.#changedReplays(),
      deletedReplays: this.#deletedReplays,
      since: this.#uncommittedSince,
      sequence: this.#sequence,
    };
    const changes: ConsumerChanges = {
      position: this.#options.position(),
      subscriptions: unfinished.consumers.map(rowOf),
      parked,
      unparked,
      deadLetters: this.#letters,
      deletedLetters: this.#deletedLetters,
      deletedSubscriptions: this.#deleted,
      attempts: unfinished.attempts,
      replays: unfinished.replays.map(replayRowOf),
      deletedReplays: this.#deletedReplays,
      rescued: this.#rescued,
    };
    this.#consumers = new Set();
    this.#letters = [];
    this.#deletedLetters = [];
    this.#deleted = [];
    this.#rescued = [];
    this.#deletedReplays = [];
    this.#commitSince = this.#uncommittedSince;
    this.#uncommittedSince = undefined;
    return { unfinished, changes };
  }

  #stored(unfinished: Unfinished, changes: ConsumerChanges): void {
    this.#committing = undefined;
    this.#commitSince = undefined;
    this.#failuresInRow = 0;
    this.#positionStored = changes.position;
    this.#forgetGone(changes.deletedLetters);
    this.#sayDropped();
    const done = this.#waiters.filter((waiter) => waiter.sequence <= unfinished.sequence);
    this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > unfinished.sequence);
    for (const waiter of done) waiter.resolve();
    for (const consumer of unfinished.consumers) {
      if (!consumer.isClosed && commitEnded(consumer)) this.#options.onReleased(consumer);
    }
    this.#scheduleRest();
    this.#options.onCommitted();
  }

  /** Not in this turn: an answer that was read before the commit may still be on its way. */
  #forgetGone(letters: readonly LetterName[]): void {
    if (letters.length === 0) return;
    setImmediate(() => {
      for (const { letter } of letters) this.#goneLetters.delete(letter);
    });
  }

  #sayDropped(): void {
    const { bus, logger, attemptLog } = this.#options;
    const dropped = attemptLog.takeDropped();
    if (dropped === 0) return;
    logger.warn({ bus, dropped }, "attempts were not logged (attemptsUncommittedMax)");
  }

  #changedReplays(): Replay[] {
    const changed: Replay[] = [];
    for (const { replays } of this.#consumers) {
      if (replays.size === 0) continue;
      for (const replay of replays.values()) {
        if (!replay.isChanged) continue;
        replay.isChanged = false;
        changed.push(replay);
      }
    }
    return changed;
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
      // After a seek the next generation has to see to it that no old row stays behind.
      const heir = heirOf(consumer);
      for (const offset of offsets) heir.changedRetries.add(offset);
    }
    const deleted = new Set(this.#deletedLetters.map(({ letter }) => letter));
    // Withdrawn while the commit that was to store it was under way.
    const kept = unfinished.letters.filter(({ letter }) => !deleted.has(letter));
    this.#letters = [...kept, ...this.#letters];
    this.#deletedLetters = [...unfinished.deletedLetters, ...this.#deletedLetters];
    this.#deleted = [...unfinished.deleted, ...this.#deleted];
    this.#rescued = [...unfinished.rescued, ...this.#rescued];
    this.#deletedReplays = [...unfinished.deletedReplays, ...this.#deletedReplays];
    for (const replay of unfinished.replays) replay.isChanged = true;
    this.#options.attemptLog.takeBack(unfinished.attempts);
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
