import type { Attempt, Counters, SubscriptionStateName } from "../api/api.ts";
import type { OpenSink, SinkRequest } from "../connector/sink.ts";
import type { ConsumerStateStore, EventLog, Lease } from "../engine/engine.ts";
import type { CompiledFilter } from "../filter/filter.ts";
import type { Clock } from "../kernel/clock.ts";
import type { BusName, Offset, SubscriptionId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { CompiledTransformer } from "../transform/transformer.ts";

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
  readonly timeoutMs: number;
  readonly retry: RetryPlan;
  readonly deadLetter: boolean;
  readonly paused: boolean;
}

export interface RetryPlan {
  readonly maxAttempts: number | undefined;
  readonly maxAgeMs: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
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
  readonly lastErrors: readonly Attempt[];
  readonly expiredRanges: readonly {
    readonly from: Offset;
    readonly to: Offset;
    readonly reason: string;
  }[];
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
  /** Shared by all buses of a process; without one the bus has limits.bufferedBytesTotalMax. */
  readonly budget?: BufferBudget;
}

/** What a dead letter keeps as `details`, JSON text. */
export interface DeadLetterDetails {
  readonly attempts: readonly Attempt[];
  readonly request: SinkRequest | null;
  readonly revision: number;
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
  /**
   * Deletes one dead letter and counts it as discarded (P2) in the same commit; false when there is
   * none of that id. Resolves when that is durable.
   */
  discardLetter?(subscription: SubscriptionId, letter: string): Promise<boolean>;
  /** The lowest offset that some subscription has not yet seen or settled. */
  lowestUnsettled(): Offset;
  /**
   * Retention's half of the bargain: expires what is unread below `before`, names and rescues what
   * is still wanted, and resolves when that is durable. The caller then calls log.trim(before).
   */
  prepareTrim(before: Offset): Promise<void>;
  /** No new attempts; waits for those under way up to `drainMs`, commits, lets go. Idempotent. */
  stop(drainMs: number): Promise<void>;
}
