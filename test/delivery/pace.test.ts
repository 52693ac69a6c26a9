import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createAdaptivePace,
  limitOf,
  onSucceeded,
  onTimedOut,
} from "../../src/delivery/adaptive-pace.ts";
import type { AdaptivePace } from "../../src/delivery/adaptive-pace.ts";
import { createPace, inFlightMax, onHold } from "../../src/delivery/pace.ts";
import type { PaceInput } from "../../src/delivery/pace.ts";
import { causeOf } from "../../src/delivery/retry-policy.ts";
import { limits } from "../../src/kernel/limits.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { answered, refused } from "./harness.ts";

const random = new SeededRandom(5);

function at(now: number): PaceInput {
  const retry = { maxAttempts: undefined, maxAgeMs: 1e9, minDelayMs: 1000, maxDelayMs: 600_000 };
  return { now, startedAt: now, retry, random };
}

interface Rounds {
  readonly now?: number;
  readonly latencyMs?: number;
  readonly concurrency?: number;
  /** How much of what is allowed is in flight. */
  readonly use?: number;
}

/** So many round trips; answers what was allowed before each. */
function rounds(pace: AdaptivePace, count: number, options: Rounds = {}): number[] {
  const { now = 0, latencyMs = 10, concurrency = 64, use = 1 } = options;
  return Array.from({ length: count }, () => {
    const max = limitOf(pace, concurrency, now);
    const inFlight = Math.max(1, Math.floor(max * use));
    for (let one = 0; one < inFlight; one += 1) {
      onSucceeded(pace, { now, latencyMs, concurrency, inFlight });
    }
    return max;
  });
}

test("sending starts at one request and doubles with each round trip up to the concurrency", () => {
  assert.deepEqual(rounds(createAdaptivePace(), 8), [1, 2, 4, 8, 16, 32, 64, 64]);
});

test("after a minute without a success sending starts at one request again", () => {
  const pace = createAdaptivePace();
  rounds(pace, 8);
  assert.equal(limitOf(pace, 64, limits.slowStartAfterMs - 1), 64);
  assert.equal(limitOf(pace, 64, limits.slowStartAfterMs), 1);
  assert.deepEqual(rounds(pace, 3, { now: limits.slowStartAfterMs }), [1, 2, 4]);
});

test("a window that is not in use does not grow", () => {
  const pace = createAdaptivePace();
  rounds(pace, 4);
  rounds(pace, 100, { use: 0.1 });
  assert.equal(limitOf(pace, 64, 0), 16);
});

test("a timeout halves the window once a burst; then it grows by one with each window", () => {
  const pace = createAdaptivePace();
  rounds(pace, 8);
  for (let one = 0; one < 20; one += 1) onTimedOut(pace, 5, 10);
  assert.equal(limitOf(pace, 64, 10), 32);
  assert.deepEqual(rounds(pace, 4, { now: 10 }), [32, 32, 33, 34]);
  onTimedOut(pace, 11, 12);
  assert.equal(limitOf(pace, 64, 12), 17);
});

test("429 halves what is aimed at and goes on from one, once for a burst of answers", () => {
  const pace = createPace();
  rounds(pace.adaptive, 8);
  for (let one = 0; one < 30; one += 1) onHold(pace, 1000, at(10));
  assert.equal(inFlightMax(pace, 64, 500), 0);
  const now = 1010;
  assert.equal(inFlightMax(pace, 64, now), 1);
  assert.deepEqual(rounds(pace.adaptive, 7, { now }), [1, 2, 4, 8, 16, 32, 32]);
});

test("a queue on the far side makes the window shrink, and its end makes it grow", () => {
  const pace = createAdaptivePace();
  rounds(pace, 12);
  rounds(pace, 20, { latencyMs: 500 });
  const small = limitOf(pace, 64, 0);
  assert(small < 32, `${small} in flight at latencies of fifty times the usual`);
  rounds(pace, 100);
  assert(limitOf(pace, 64, 0) > small + 20);
});

test("a consumer that is always slow, and one whose latencies differ widely, has all it may have", () => {
  for (const latencyOf of [() => 2000, () => random.next() * 200]) {
    const pace = createAdaptivePace();
    for (let one = 0; one < 5000; one += 1) {
      const inFlight = limitOf(pace, 64, 0);
      onSucceeded(pace, { now: 0, latencyMs: latencyOf(), concurrency: 64, inFlight });
    }
    assert(limitOf(pace, 64, 0) >= 60, String(limitOf(pace, 64, 0)));
  }
});

test("answers that were under way when a hold began belong to the same hold", () => {
  const pace = createPace();
  for (let count = 0; count < 64; count += 1) onHold(pace, undefined, at(0));
  assert.equal(pace.holdsInRow, 1);
  assert(pace.heldUntil <= 2000);
  onHold(pace, undefined, at(pace.heldUntil));
  assert.equal(pace.holdsInRow, 2);
});

test("Retry-After of nothing holds for the shortest retry wait, not for nothing", () => {
  const pace = createPace();
  onHold(pace, 0, at(0));
  assert.equal(pace.heldUntil, 1000);
});

test("connection errors, timeouts, 502, 503 and 504 are the endpoint's fault, other answers may be the event's", () => {
  assert(refused.outcome === "retry");
  assert.equal(causeOf(refused), "connection");
  assert.equal(causeOf({ ...refused, failure: "timeout" }), "connection");
  for (const status of [502, 503, 504]) {
    const outcome = answered(status);
    assert(outcome.outcome === "retry");
    assert.equal(causeOf(outcome), "connection");
  }
  for (const status of [404, 408, 409, 425, 500]) {
    const outcome = answered(status);
    assert(outcome.outcome === "retry");
    assert.equal(causeOf(outcome), "answer");
  }
});
