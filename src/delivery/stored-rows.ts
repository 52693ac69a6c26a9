import type { Attempt } from "../api/api.ts";
import type { ParkedState, SubscriptionState } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { Consumer } from "./consumer.ts";
import type { BufferBudget, SubscriptionPlan } from "./contract.ts";
import type { FailureCause, RetryFacts } from "./entry.ts";
import type { ExpiredRange } from "./expired-ranges.ts";

/** What a subscription's row keeps besides its numbers; absent members have their plain value. */
interface ConsumerDetails {
  readonly stillMs?: number;
  readonly stillSince?: EpochMs;
  readonly heldUntil?: EpochMs;
  readonly holdsInRow?: number;
  readonly isGone?: true;
  readonly expiredRanges?: readonly ExpiredRange[];
}

/** What a parked row keeps as `lastError`. */
interface ParkedDetails {
  readonly cause: FailureCause;
  /** The stillness clock at the writing of the row; pausedMs is relative to it. */
  readonly stillMs: number;
  readonly appendedAt: EpochMs;
  readonly attempts: readonly Attempt[];
}

/** The consumer's row as of this moment. What has failed before has rows of its own. */
export function rowOf(consumer: Consumer): SubscriptionState {
  const { counts } = consumer;
  return {
    subscription: consumer.plan.id,
    generation: consumer.generation,
    start: consumer.start,
    position: consumer.readNext,
    counters: {
      delivered: counts.delivered,
      dead: counts.dead,
      discarded: counts.discarded,
      expired: counts.expired,
      skipped: counts.skipped,
    },
    unsettled: [...consumer.open.keys()],
    details: detailsOf(consumer),
  };
}

function detailsOf(consumer: Consumer): string {
  const { pace, stillness, expiredRanges } = consumer;
  const isPlain =
    stillness.totalMs === 0 &&
    stillness.since === undefined &&
    pace.heldUntil === 0 &&
    !consumer.isGone &&
    expiredRanges.list.length === 0;
  if (isPlain) return "{}";
  const details: ConsumerDetails = {
    ...(stillness.totalMs > 0 ? { stillMs: stillness.totalMs } : {}),
    ...(stillness.since === undefined ? {} : { stillSince: stillness.since }),
    ...(pace.heldUntil > 0 ? { heldUntil: pace.heldUntil, holdsInRow: pace.holdsInRow } : {}),
    ...(consumer.isGone ? { isGone: true } : {}),
    ...(expiredRanges.list.length > 0 ? { expiredRanges: expiredRanges.list } : {}),
  };
  return JSON.stringify(details);
}

export function parkedRowOf(consumer: Consumer, offset: Offset, retry: RetryFacts): ParkedState {
  const stillMs = consumer.stillness.totalMs;
  const details: ParkedDetails = {
    cause: retry.cause,
    stillMs,
    appendedAt: retry.appendedAt,
    attempts: retry.history,
  };
  return {
    subscription: consumer.plan.id,
    offset,
    dueAt: Math.round(retry.dueAt),
    attempts: retry.attempts,
    firstAttemptAt: Math.round(retry.firstAttemptAt),
    pausedMs: Math.round(stillMs - retry.stillMsAtFirst),
    lastError: JSON.stringify(details),
  };
}

export interface LoadedConsumer {
  readonly plan: SubscriptionPlan;
  readonly budget: BufferBudget;
  readonly row: SubscriptionState;
  readonly parked: readonly ParkedState[];
}

export function loadConsumer(loaded: LoadedConsumer): Consumer {
  const { row } = loaded;
  const consumer = new Consumer({
    plan: loaded.plan,
    generation: row.generation,
    start: row.start,
    budget: loaded.budget,
  });
  Object.assign(consumer.counts, row.counters);
  consumer.readNext = row.position;
  for (const offset of row.unsettled) consumer.loadedUnsettled(offset);
  for (const parked of loaded.parked) consumer.loadedRetry(parked.offset, retryOf(parked));
  loadDetails(consumer, JSON.parse(row.details) as ConsumerDetails);
  return consumer;
}

function loadDetails(consumer: Consumer, details: ConsumerDetails): void {
  consumer.stillness.totalMs = details.stillMs ?? 0;
  consumer.stillness.since = details.stillSince;
  consumer.pace.heldUntil = details.heldUntil ?? 0;
  consumer.pace.holdsInRow = details.holdsInRow ?? 0;
  consumer.isGone = details.isGone ?? false;
  for (const range of details.expiredRanges ?? []) consumer.expiredRanges.add(range);
}

function retryOf(parked: ParkedState): RetryFacts {
  const details = JSON.parse(parked.lastError) as ParkedDetails;
  return {
    attempts: parked.attempts,
    firstAttemptAt: parked.firstAttemptAt,
    stillMsAtFirst: details.stillMs - parked.pausedMs,
    appendedAt: details.appendedAt,
    dueAt: parked.dueAt,
    cause: details.cause,
    history: details.attempts,
  };
}
