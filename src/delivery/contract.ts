import type {
  Attempt,
  CircuitStatus,
  Counters,
  GenerationTotals,
  SubscriptionStateName,
} from "../api/api.ts";
import type { OpenSink, SinkRequest } from "../connector/sink.ts";
import type { ConsumerStateStore, EventLog, Lease } from "../engine/engine.ts";
import type { CompiledFilter } from "../filter/filter.ts";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import type { BusName, Offset, SubscriptionId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { CompiledTransformer } from "../transform/transformer.ts";
import type { Circuits } from "./circuits.ts";
import type { LetterWork } from "./letter-work.ts";
import type { OrderingPlan } from "./ordering.ts";

/** A subscription as delivery needs it: everything parsed, compiled and opened. */
export interface SubscriptionPlan {
  readonly id: SubscriptionId;
  /** Grows with each change; attempts and letters record it. */
  readonly revision: number;
  /** First offset of generation 1: config.start as resolved at creation. */
  readonly startOffset: Offset;
  readonly filter: CompiledFilter;
  readonly transformer: CompiledTransformer | undefined;
  /** Owned by the broker, which closes it after the subscription was replaced or removed. */
  readonly sink: OpenSink;
  readonly concurrency: number;
  /** Attempts a second; 0 = no limit. */
  readonly rateLimit: number;
  /** Those with the same one share a circuit; undefined = one of its own. */
  readonly circuitKey: string | undefined;
  /** Undefined = in no order. */
  readonly ordering?: OrderingPlan | undefined;
  readonly timeoutMs: number;
  readonly retry: RetryPlan;
  readonly deadLetter: boolean;
  readonly paused: boolean;
}

/** Keys whose first event only an operator can move (`ordering.onFailure: "block"`). */
export interface BlockedKeys {
  readonly count: number;
  /** The first of them, as they were blocked. */
  readonly heads: readonly {
    readonly offset: Offset;
    readonly key: string;
    readonly reason: string;
    readonly since: string;
    /** How many events of the key wait behind it. */
    readonly behind: number;
  }[];
}

/** What an operator decides about the blocked head of a key. */
export type BlockedDecision = "skip" | "retry" | "dead-letter";

export interface RetryPlan {
  readonly maxAttempts: number | undefined;
  readonly maxAgeMs: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** The waits one after the other; the last one goes on. Otherwise they grow at random. */
  readonly delaysMs?: readonly number[] | undefined;
}

export interface DeliveryStatus {
  readonly state: SubscriptionStateName;
  readonly reason: string | null;
  readonly generation: number;
  readonly start: Offset;
  readonly position: Offset;
  readonly next: Offset;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly counters: Counters;
  readonly circuit: CircuitStatus;
  readonly blocked: BlockedKeys;
  readonly lastErrors: readonly Attempt[];
  readonly expiredRanges: readonly {
    readonly from: Offset;
    readonly to: Offset;
    readonly reason: string;
  }[];
  readonly previous: readonly GenerationTotals[];
}

/** What one finished attempt came to; for metrics, the demo consumer and tests. */
export interface AttemptNotice {
  readonly subscription: SubscriptionId;
  readonly attempt: Attempt;
}

export interface BusDeliveryOptions {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly consumerState: ConsumerStateStore;
  readonly lease: Lease;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A sink answered 410: the broker sets config.paused durably and calls update. */
  readonly onGone: (subscription: SubscriptionId) => void;
  readonly onAttempt?: (notice: AttemptNotice) => void;
  /** Shared by all buses of a process; without one no circuit is shared beyond this bus. */
  readonly circuits?: Circuits;
  /** Shared by all buses of a process; without one the bus has limits.bufferedBytesTotalMax. */
  readonly budget?: BufferBudget;
  /** Opens the other sink of a redrive, as it was described to `letters.redrive`. */
  readonly openSink?: (description: unknown) => OpenSink;
}

/** Where an event is for one subscription, and what that needs to be explained. */
export interface EventPlace {
  readonly plan: SubscriptionPlan;
  readonly generation: number;
  readonly start: Offset;
  /** Where it is in the present generation. */
  readonly where:
    | { readonly place: "beforeStart" }
    | { readonly place: "pending"; readonly why: string; readonly position: Offset }
    | { readonly place: "waiting"; readonly why: string }
    | { readonly place: "inFlight"; readonly attempt: number }
    | {
        readonly place: "parked";
        readonly dueAt: EpochMs;
        readonly attempts: number;
        readonly why: string;
      }
    | {
        readonly place: "expired";
        readonly from: Offset;
        readonly to: Offset;
        readonly reason: string;
      }
    /** Delivered, dead, discarded, skipped or filtered. */
    | { readonly place: "settled" };
  /** Attempts that a delivery remembers by itself; empty otherwise. */
  readonly history: readonly Attempt[];
  readonly counters: Counters;
  /** Closed generations that covered it. */
  readonly previous: readonly GenerationTotals[];
}

/** What a dead letter keeps as `details`, JSON text. */
export interface DeadLetterDetails {
  readonly attempts: readonly Attempt[];
  readonly request: SinkRequest | null;
  readonly revision: number;
}

/** A subscription and the first offset that nobody has read for it yet. */
export interface UnreadMark {
  readonly subscription: SubscriptionId;
  readonly offset: Offset;
}

/** How many bytes of events all subscriptions together hold in memory; one number to share. */
export interface BufferBudget {
  bytes: number;
  readonly bytesMax: number;
}

/** Delivers the events of one bus to all its subscriptions. */
export interface BusDelivery {
  /**
   * Loads the consumer state and starts with these subscriptions. Once. The list is complete: the
   * state of a subscription that is not in it (deleted just before a crash) is deleted.
   */
  start(subscriptions: readonly SubscriptionPlan[]): Promise<void>;
  /** Begins at plan.startOffset; resolves when its state is durable. */
  add(plan: SubscriptionPlan): Promise<void>;
  /** Applies to the next attempt; never loses the position. Attempts under way go on. */
  update(plan: SubscriptionPlan): void;
  /** Stops attempting at once and deletes its state; resolves when that is durable. */
  remove(subscription: SubscriptionId): Promise<void>;
  status(subscription: SubscriptionId): DeliveryStatus;
  /** What is done with dead letters after they were made. */
  readonly letters: LetterWork;
  /** What is known of one event of the bus, for one subscription. Reads no disk. */
  placeOf(subscription: SubscriptionId, offset: Offset): EventPlace;
  /**
   * Closes the generation of the subscription and begins the next one at `goal`, or at the oldest
   * offset that may still be read. Sends at once; resolves when the change is durable, in one commit.
   */
  seek(subscription: SubscriptionId, goal: Offset): Promise<void>;
  /**
   * Moves the blocked head of a key: its successors go on, or it is tried again with a retry policy
   * begun anew. False when nothing is blocked at that offset. Resolves when that is durable.
   */
  unblock(
    subscription: SubscriptionId,
    offset: Offset,
    decision: BlockedDecision,
  ): Promise<boolean>;
  /** The lowest offset that some subscription has not yet seen or settled. */
  lowestUnsettled(): Offset;
  /** Who has read least; undefined without subscriptions. */
  lowestUnread(): UnreadMark | undefined;
  /**
   * The greatest `lag.events` of all subscriptions, undefined without any: a few additions for
   * each, so that it may be asked now and then of ten thousand.
   */
  lagEventsMax(): number | undefined;
  /**
   * Retention's half of the bargain: expires what is unread below `before`, names and rescues what
   * is still wanted, and resolves when that is durable, with the offset up to which the caller may
   * then trim the log: `before`, or less with `keepUnread`, so that nothing unread expires.
   */
  prepareTrim(before: Offset, options?: { readonly keepUnread: boolean }): Promise<Offset>;
  /** No new attempts; waits for those under way up to `drainMs`, commits, lets go. Idempotent. */
  stop(drainMs: number): Promise<void>;
}
