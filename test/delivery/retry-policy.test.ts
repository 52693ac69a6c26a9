import assert from "node:assert/strict";
import { test } from "node:test";
import type { RetryPlan } from "../../src/delivery/delivery.ts";
import type { RetryOutcome } from "../../src/delivery/retry-policy.ts";
import { afterFailure } from "../../src/delivery/retry-policy.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const failed: RetryOutcome = {
  outcome: "retry",
  retryAfterMs: undefined,
  status: 500,
  latencyMs: 1,
  error: "answered 500",
  failure: "status",
  response: undefined,
};

const listed: RetryPlan = {
  maxAttempts: 4,
  maxAgeMs: 1_000_000,
  minDelayMs: 1,
  maxDelayMs: 10,
  delaysMs: [1000, 5000, 60_000],
};

/** The wait after the n-th attempt, or why there is none. */
function waitAfter(
  attempts: number,
  change: Partial<RetryPlan> = {},
  facts: { readonly ageMs?: number; readonly retryAfterMs?: number } = {},
): number | string {
  const outcome = { ...failed, retryAfterMs: facts.retryAfterMs };
  const plan = { ...listed, ...change };
  const random = new SeededRandom(attempts);
  const input = { plan, attempts, ageMs: facts.ageMs ?? 0, now: 0, random };
  const verdict = afterFailure(outcome, input);
  return verdict.verdict === "park" ? verdict.dueAt : verdict.reason;
}

test("a list of waits is followed one by one, each up to a tenth longer, then it ends", () => {
  for (const [at, delayMs] of [1000, 5000, 60_000].entries()) {
    const waitMs = waitAfter(at + 1);
    assert.ok(typeof waitMs === "number" && waitMs >= delayMs && waitMs < delayMs * 1.1);
  }
  assert.equal(waitAfter(4), "retries-exhausted");
});

test("waits of a list differ, so that what failed together does not come back together", () => {
  const waits = Array.from({ length: 20 }, (_, seed) => {
    const input = { plan: listed, attempts: 1, ageMs: 0, now: 0, random: new SeededRandom(seed) };
    return JSON.stringify(afterFailure(failed, input));
  });
  assert.ok(new Set(waits).size > 10);
});

test("more attempts than waits repeat the last wait", () => {
  const waitMs = waitAfter(7, { maxAttempts: 10 });
  assert.ok(typeof waitMs === "number" && waitMs >= 60_000 && waitMs < 66_000);
});

test("Retry-After raises a listed wait, and maxAge cuts it", () => {
  assert.equal(waitAfter(1, {}, { retryAfterMs: 9000 }), 9000);
  assert.equal(waitAfter(3, { maxAgeMs: 20_000 }, { ageMs: 15_000 }), 5000);
});
