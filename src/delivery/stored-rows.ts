import type { Attempt, GenerationTotals } from "../api/api.ts";
import type {
  ParkedState,
  ReplayState,
  StoredAttempt,
  SubscriptionState,
} from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { reopen } from "./circuit.ts";
import { attemptOf } from "./attempt-log.ts";
import { Consumer } from "./consumer.ts";
import type { BufferBudget, SubscriptionPlan } from "./contract.ts";
import { createDelivery } from "./entry.ts";
import type { BlockedFacts, FailureCause, RetryFacts } from "./entry.ts";
import { keyUnknown } from "./ordering.ts";
import { loadReplay } from "./replay.ts";
import type { Replay } from "./replay.ts";
import type { ExpiredRange } from "./expired-ranges.ts";
import type { Ending } from "./recent-endings.ts";

/** What a subscription's row keeps besides its numbers; absent members have their plain value. */
interface ConsumerDetails {
  readonly stillMs?: number;
  readonly stillSince?: EpochMs;
  readonly heldUntil?: EpochMs;
  readonly holdsInRow?: number;
  readonly isGone?: true;
  /** Why the circuit is not closed. */
  readonly circuit?: string;
  /** Given up since the last success: offset and letter, null where none is kept. */
  readonly recent?: readonly (readonly [Offset, string | null])[];
  /** Came back from being given up, which happens once. */
  readonly spared?: readonly Offset[];
  readonly expiredRanges?: readonly ExpiredRange[];
  /** Totals of the generations before this one, the latest first. */
  readonly previous?: readonly GenerationTotals[];
}

/** What a parked row keeps as `lastError`. */
interface ParkedDetails {
  readonly cause: FailureCause;
  /** The stillness clock at the writing of the row; pausedMs is relative to it. */
  readonly stillMs: number;
  readonly appendedAt: EpochMs;
  readonly attempts: readonly Attempt[];
  readonly replay?: string;
  /** Of ordered subscriptions: the key as a number, and the path by which it was found. */
  readonly key?: number;
  readonly by?: string;
  readonly blocked?: BlockedFacts;
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
  const { pace, stillness, expiredRanges, circuit, endings } = consumer;
  const recent = endings.recent(circuit.row);
  const spared = endings.spared();
  const isPlain =
    !consumer.isCut &&
    recent.length === 0 &&
    spared.length === 0 &&
    stillness.totalMs === 0 &&
    stillness.since === undefined &&
    pace.heldUntil === 0 &&
    !consumer.isGone &&
    expiredRanges.list.length === 0 &&
    consumer.previous.length === 0;
  if (isPlain) return "{}";
  const details: ConsumerDetails = {
    ...(stillness.totalMs > 0 ? { stillMs: stillness.totalMs } : {}),
    ...(stillness.since === undefined ? {} : { stillSince: stillness.since }),
    ...(pace.heldUntil > 0 ? { heldUntil: pace.heldUntil, holdsInRow: pace.holdsInRow } : {}),
    ...(consumer.isGone ? { isGone: true } : {}),
    ...(consumer.isCut ? { circuit: circuit.reason ?? "" } : {}),
    ...(recent.length > 0 ? { recent: recent.map(recentRowOf) } : {}),
    ...(spared.length > 0 ? { spared } : {}),
    ...(expiredRanges.list.length > 0 ? { expiredRanges: expiredRanges.list } : {}),
    ...(consumer.previous.length > 0 ? { previous: consumer.previous } : {}),
  };
  return JSON.stringify(details);
}

function recentRowOf({ delivery, letter }: Ending): [Offset, string | null] {
  return [delivery.offset, letter ?? null];
}

export function parkedRowOf(consumer: Consumer, offset: Offset, retry: RetryFacts): ParkedState {
  const stillMs = consumer.stillness.totalMs;
  const { by } = consumer.lanes ?? {};
  const key = consumer.retries.get(offset)?.key ?? keyUnknown;
  const details: ParkedDetails = {
    cause: retry.cause,
    stillMs,
    appendedAt: retry.appendedAt,
    attempts: retry.history,
    ...(retry.replay === undefined ? {} : { replay: retry.replay }),
    ...(by === undefined || key === keyUnknown ? {} : { by, key }),
    ...(retry.blocked === undefined ? {} : { blocked: retry.blocked }),
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
  readonly replays: readonly ReplayState[];
  /** The latest first. */
  readonly failures: readonly StoredAttempt[];
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
  for (const replay of loaded.replays.map(loadReplay).toSorted(byAge)) {
    consumer.replays.set(replay.id, replay);
  }
  consumer.lastErrors = loaded.failures.map(attemptOf);
  for (const offset of row.unsettled) consumer.loadedUnsettled(offset);
  for (const parked of loaded.parked) {
    const details = JSON.parse(parked.lastError) as ParkedDetails;
    // A key that was found by another path is no key: the ordering was changed just before the stop.
    const key = details.by === consumer.lanes?.by ? details.key : undefined;
    consumer.loadedRetry(parked.offset, retryOf(parked, details), key);
  }
  loadDetails(consumer, JSON.parse(row.details) as ConsumerDetails);
  return consumer;
}

function byAge(left: Replay, right: Replay): number {
  return left.created - right.created;
}

function loadDetails(consumer: Consumer, details: ConsumerDetails): void {
  consumer.stillness.totalMs = details.stillMs ?? 0;
  consumer.stillness.since = details.stillSince;
  consumer.pace.heldUntil = details.heldUntil ?? 0;
  consumer.pace.holdsInRow = details.holdsInRow ?? 0;
  consumer.isGone = details.isGone ?? false;
  if (details.circuit !== undefined) reopen(consumer.circuit, details.circuit);
  for (const [offset, letter] of details.recent ?? []) {
    const delivery = createDelivery(offset, undefined);
    delivery.state = letter === null ? "discarded" : "dead";
    consumer.endings.ended({ delivery, letter: letter ?? undefined, row: consumer.circuit.row });
  }
  for (const offset of details.spared ?? []) {
    consumer.endings.spare(offset);
    // Once tried: the first probe after a restart is something new, if there is anything.
    consumer.probes.tried(offset);
  }
  consumer.previous = details.previous ?? [];
  for (const range of details.expiredRanges ?? []) consumer.expiredRanges.add(range);
}

function retryOf(parked: ParkedState, details: ParkedDetails): RetryFacts {
  return {
    attempts: parked.attempts,
    firstAttemptAt: parked.firstAttemptAt,
    stillMsAtFirst: details.stillMs - parked.pausedMs,
    appendedAt: details.appendedAt,
    dueAt: parked.dueAt,
    cause: details.cause,
    history: details.attempts,
    replay: details.replay,
    blocked: details.blocked,
    row: -1,
    attemptsOfRow: 0,
  };
}
