import type { Outcome } from "../connector/sink.ts";
import { backoffDelayMs } from "../kernel/backoff.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Random } from "../kernel/random.ts";
import type { RetryPlan } from "./contract.ts";
import type { FailureCause } from "./entry.ts";

export type RetryOutcome = Extract<Outcome, { readonly outcome: "retry" }>;

/** Why a delivery ended without success; stored with the letter, shown to people. */
export type EndReason =
  /** The consumer's answer says that it will never take it. */
  | "rejected"
  /** retry.maxAttempts were made. */
  | "retries-exhausted"
  /** retry.maxAge has passed since the first attempt. */
  | "too-old"
  /** The transformer could not make an event of it. */
  | "transform";

export type RetryVerdict =
  | { readonly verdict: "park"; readonly dueAt: EpochMs }
  | { readonly verdict: "end"; readonly reason: EndReason };

export interface RetryInput {
  readonly plan: RetryPlan;
  /** Counted attempts, this one included. */
  readonly attempts: number;
  /** Since the first attempt, without the time in which maxAge stood still. */
  readonly ageMs: number;
  readonly now: EpochMs;
  readonly random: Random;
}

/** What follows a failure that may be repeated. */
export function afterFailure(outcome: RetryOutcome, input: RetryInput): RetryVerdict {
  const { plan, attempts, ageMs, now } = input;
  if (plan.maxAttempts !== undefined && attempts >= plan.maxAttempts) {
    return { verdict: "end", reason: "retries-exhausted" };
  }
  if (ageMs >= plan.maxAgeMs) return { verdict: "end", reason: "too-old" };
  // The last retry comes when maxAge is over, not before: a consumer has the whole time to return.
  const backoffMs = Math.min(nextWaitMs(plan, attempts, input.random), plan.maxAgeMs - ageMs);
  const askedMs = Math.min(outcome.retryAfterMs ?? 0, limits.retryAfterMsMax);
  return { verdict: "park", dueAt: now + Math.max(backoffMs, askedMs) };
}

function nextWaitMs(plan: RetryPlan, attempts: number, random: Random): number {
  const { delaysMs } = plan;
  const listedMs = delaysMs?.[Math.min(attempts, delaysMs.length) - 1];
  if (listedMs === undefined) return backoffDelayMs(plan, attempts, random);
  // A little later each, so that what failed together does not come back together.
  return listedMs * (1 + LISTED_DELAY_SPREAD * random.next());
}

const LISTED_DELAY_SPREAD = 0.1;

/** Statuses with which a proxy says that nobody is behind it. */
const unreachableStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

export function causeOf(outcome: RetryOutcome): FailureCause {
  switch (outcome.failure) {
    case "connect":
    case "timeout":
    case "address":
      return "connection";
    case "status":
      return outcome.status !== undefined && unreachableStatuses.has(outcome.status)
        ? "connection"
        : "answer";
    case "protocol":
    case "response":
      return "answer";
  }
}
