import type { Attempt } from "../api/api.ts";
import type { FailureFacts } from "../connector/sink.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";

export interface AttemptFacts {
  readonly startedAt: EpochMs;
  readonly offset: Offset;
  readonly eventId: string;
  readonly attempt: number;
}

export function deliveredAttempt(
  facts: AttemptFacts,
  outcome: { readonly status: number | undefined; readonly latencyMs: number },
): Attempt {
  return {
    time: new Date(facts.startedAt).toISOString(),
    offset: facts.offset,
    eventId: facts.eventId,
    attempt: facts.attempt,
    outcome: "delivered",
    status: outcome.status ?? null,
    latencyMs: outcome.latencyMs,
    error: null,
    response: null,
  };
}

export interface FailedAttemptKind {
  readonly outcome: "retry" | "dead" | "discarded";
  readonly counted: boolean;
}

export function failedAttempt(
  facts: AttemptFacts,
  failure: Omit<FailureFacts, "failure">,
  kind: FailedAttemptKind,
): Attempt {
  return {
    time: new Date(facts.startedAt).toISOString(),
    offset: facts.offset,
    eventId: facts.eventId,
    attempt: facts.attempt,
    outcome: kind.outcome,
    ...(kind.counted ? {} : { counted: false }),
    status: failure.status ?? null,
    latencyMs: failure.latencyMs,
    error: failure.error,
    response: failure.response ?? null,
  };
}

/** Parked events in large numbers remember less each: see historyMax. */
const manyParked = 500;
const historyOfMany = 3;

/** How many attempts each parked event remembers, given how many are parked beside it. */
export function historyMax(parked: number): number {
  return parked > manyParked ? historyOfMany : limits.deadLetterAttemptsMax;
}

/**
 * The attempts a delivery remembers: the first, which shows how it began, and the latest. Only the
 * newest keeps its response, or ten thousand parked events would hold megabytes of error pages.
 */
export function withAttempt(
  history: readonly Attempt[],
  attempt: Attempt,
  attemptsMax: number,
): readonly Attempt[] {
  const earlier = history.map((one) => (one.response === null ? one : { ...one, response: null }));
  const last = earlier.at(-1);
  // Failures of one kind share one string instead of each holding its own copy.
  const error = last !== undefined && last.error === attempt.error ? last.error : attempt.error;
  const all = [...earlier, { ...attempt, error }];
  const [first] = all;
  if (all.length <= attemptsMax || first === undefined) return all;
  return [first, ...all.slice(all.length - attemptsMax + 1)];
}
