import type { EpochMs } from "../kernel/clock.ts";
import type { BusName, Offset, SubscriptionId } from "../kernel/ids.ts";

/**
 * The rows of consumer state, what became of which offset for each subscription, and the store of
 * them. A part of the engine port (engine.ts, the door); what the rows mean: spec/consumer-state.md.
 */

/** The counters of P2 that are stored; parked and dead are rows, the others follow from these. */
export interface StoredCounters {
  readonly delivered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly expired: number;
  readonly skipped: number;
}

/**
 * One row per subscription, written only in a commit in which it changed. Its position is
 * max(start, the group's) unless it lags behind the group, in which case `position` says where.
 */
export interface SubscriptionState {
  readonly subscription: SubscriptionId;
  readonly generation: number;
  /** First offset of this generation. */
  readonly start: Offset;
  /** Undefined while it reads with the group. */
  readonly position: Offset | undefined;
  readonly counters: StoredCounters;
  /** Offsets below the position that passed the filter and are neither settled nor parked. */
  readonly unsettled: readonly Offset[];
  /** Small JSON text for what delivery wants kept besides: holds, reasons, earlier totals. */
  readonly details: string;
}

/** An event that waits for a retry. */
export interface ParkedState {
  readonly subscription: SubscriptionId;
  readonly offset: Offset;
  readonly dueAt: EpochMs;
  /** Attempts made so far that counted. */
  readonly attempts: number;
  /** When the first attempt was made; maxAge runs from here. */
  readonly firstAttemptAt: EpochMs;
  /** How long maxAge has stood still so far. */
  readonly pausedMs: number;
  /** JSON text: why it failed last. */
  readonly lastError: string;
}

export interface DeadLetterState {
  readonly subscription: SubscriptionId;
  /** Unique within the subscription; the broker makes it. */
  readonly letter: string;
  readonly offset: Offset;
  readonly generation: number;
  readonly time: EpochMs;
  /** Why: `rejected`, `expired-retries`, `attempts`, `transform` … */
  readonly reason: string;
  /** Of the event, so that letters can be searched; undefined in letters of earlier versions. */
  readonly eventType: string | undefined;
  readonly eventSource: string | undefined;
  /** JSON text: attempts and the transformed request. */
  readonly details: string;
}

/** Members that are undefined do not matter; the others must all hold. */
export interface LetterFilter {
  /** Made at or after. */
  readonly since: EpochMs | undefined;
  /** Made before. */
  readonly before: EpochMs | undefined;
  readonly reason: string | undefined;
  readonly eventType: string | undefined;
  readonly eventSource: string | undefined;
  readonly generation: number | undefined;
  readonly offset: Offset | undefined;
}

/** A place in the order of dead letters; it stays valid when the letter there is deleted. */
export interface LetterPlace {
  readonly time: EpochMs;
  readonly letter: string;
}

/** One try of a delivery, as the attempts log keeps it. */
export interface AttemptState {
  readonly subscription: SubscriptionId;
  readonly time: EpochMs;
  readonly offset: Offset;
  readonly eventId: string;
  readonly outcome: string;
  readonly status: number | undefined;
  /** JSON text: what else is told of it. */
  readonly details: string;
}

export interface StoredAttempt extends AttemptState {
  /** Grows within the subscription in the order of commits. */
  readonly sequence: number;
}

/** Members that are undefined do not matter; the others must all hold. */
export interface AttemptQuery {
  readonly subscription: SubscriptionId;
  readonly eventId: string | undefined;
  readonly offset: Offset | undefined;
  readonly outcome: string | undefined;
  /** Both inclusive. */
  readonly status: { readonly from: number; readonly to: number } | undefined;
  readonly since: EpochMs | undefined;
  readonly before: EpochMs | undefined;
  /** Only attempts with a lower sequence. */
  readonly below: number | undefined;
  readonly limit: number;
}

/** A replay that delivery wants kept: what it moves, and how far it is. */
export interface ReplayState {
  readonly subscription: SubscriptionId;
  /** Unique within the subscription; the broker makes it. Sorts by age. */
  readonly replay: string;
  /** JSON text. */
  readonly value: string;
}

/** A record copied out of the log before its segment goes, because a row still names it. */
export interface RescuedRecord {
  readonly offset: Offset;
  readonly time: EpochMs;
  readonly hops: number;
  readonly payload: Uint8Array;
}

export interface LoadedBusState {
  /** Every offset below was matched for every subscription that reads with the group. */
  readonly position: Offset | undefined;
  readonly subscriptions: readonly SubscriptionState[];
  readonly parked: readonly ParkedState[];
  /** In the order of subscription and replay. */
  readonly replays: readonly ReplayState[];
  /** The latest failures of each subscription, newest first, at most limits.lastErrorsMax of each. */
  readonly failures: readonly StoredAttempt[];
}

/** One batch per bus: what changed since the last commit. Applied all or nothing, in this order. */
export interface ConsumerChanges {
  readonly position: Offset | undefined;
  readonly subscriptions: readonly SubscriptionState[];
  /** Replaces the row with the same subscription and offset. */
  readonly parked: readonly ParkedState[];
  readonly unparked: readonly { readonly subscription: SubscriptionId; readonly offset: Offset }[];
  readonly deadLetters: readonly DeadLetterState[];
  readonly deletedLetters: readonly {
    readonly subscription: SubscriptionId;
    readonly letter: string;
  }[];
  readonly deletedSubscriptions: readonly SubscriptionId[];
  /**
   * Joins the attempts log. Of each subscription it keeps at most limits.attemptLogSuccessesMax that
   * were delivered and limits.attemptLogFailuresMax others, of each kind at most
   * limits.attemptLogBytesMax and no older than limits.attemptLogAgeMsMax before the latest; the
   * oldest go first.
   */
  readonly attempts: readonly AttemptState[];
  /** Replaces the one of the same name. */
  readonly replays: readonly ReplayState[];
  readonly deletedReplays: readonly {
    readonly subscription: SubscriptionId;
    readonly replay: string;
  }[];
  /** Kept until no parked row, no letter and no unsettled offset names them any more. */
  readonly rescued: readonly RescuedRecord[];
}

export interface DeadLetterQuery {
  readonly subscription: SubscriptionId;
  /**
   * Letters after this one in the order of (time, letter). Rejects with dead_letter_not_found when
   * it is gone: its place in the order went with it.
   */
  readonly after?: string;
  /** Instead of `after`: letters behind this place, whether there is a letter at it or not. */
  readonly afterPlace?: LetterPlace;
  readonly filter?: LetterFilter;
  readonly limit: number;
}

export interface ConsumerStateStore {
  load(bus: BusName): Promise<LoadedBusState>;
  /** Durable when it resolves. Rejects with `fenced` when the token is no longer the lease's. */
  commit(bus: BusName, leaseToken: number, changes: ConsumerChanges): Promise<void>;
  deadLetters(bus: BusName, query: DeadLetterQuery): Promise<readonly DeadLetterState[]>;
  deadLetter(
    bus: BusName,
    subscription: SubscriptionId,
    letter: string,
  ): Promise<DeadLetterState | undefined>;
  countDeadLetters(
    bus: BusName,
    subscription: SubscriptionId,
    filter: LetterFilter,
  ): Promise<number>;
  /** From the attempts log, newest first. */
  attempts(bus: BusName, query: AttemptQuery): Promise<readonly StoredAttempt[]>;
  /** The rescued records among these offsets. */
  rescued(bus: BusName, offsets: readonly Offset[]): Promise<readonly RescuedRecord[]>;
  /** Offsets in [from, before) that parked rows and letters of any subscription name. */
  named(bus: BusName, from: Offset, before: Offset): Promise<readonly Offset[]>;
}
