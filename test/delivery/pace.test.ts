import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createPace,
  inFlightMax,
  isFailing,
  onAnswer,
  onConnectionFailure,
  onHold,
  onSuccess,
} from "../../src/delivery/pace.ts";
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

test("five connection failures in a row slow a subscription down, an answer of any kind ends it", () => {
  const pace = createPace();
  for (let count = 1; count <= 4; count += 1) {
    assert.deepEqual(onConnectionFailure(pace, at(0)), { began: false });
    assert.equal(inFlightMax(pace, 64, 0), 64);
  }
  assert.deepEqual(onConnectionFailure(pace, at(0)), { began: true });
  assert.equal(inFlightMax(pace, 64, 0), limits.failingInFlightMax);
  onAnswer(pace);
  assert(!isFailing(pace));
});

test("a burst of failures lets the probe delay grow once; it never exceeds a minute", () => {
  const pace = createPace();
  for (let count = 0; count < 64; count += 1) onConnectionFailure(pace, at(0));
  assert(pace.nextProbeAt >= 1000 && pace.nextProbeAt <= 2000);
  for (let probe = 0; probe < 30; probe += 1) {
    const before = pace.nextProbeAt;
    onConnectionFailure(pace, at(before));
    assert(pace.nextProbeAt - before <= limits.probeDelayMsMax);
  }
});

test("after a time of failing sending starts at one request and doubles with each round trip", () => {
  const pace = createPace();
  for (let count = 0; count < 5; count += 1) onConnectionFailure(pace, at(0));
  assert.deepEqual(onSuccess(pace, 64), { recovered: true });
  const rounds: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    const max = inFlightMax(pace, 64, 0);
    rounds.push(max);
    for (let count = 0; count < max; count += 1) onSuccess(pace, 64);
  }
  assert.deepEqual(rounds, [2, 4, 8, 16, 32, 64]);
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
