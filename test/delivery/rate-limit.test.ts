import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RateLimit } from "../../src/delivery/rate-limit.ts";
import { limits } from "../../src/kernel/limits.ts";
import { delivered, deliveredOffsets, offsets, ScriptedSink, World } from "./harness.ts";

test("no rate is no limit", () => {
  const rate = new RateLimit();
  for (let count = 0; count < 10_000; count += 1) {
    assert(rate.mayTake(0));
    rate.take(0);
  }
});

test("in any stretch of time no more go out than the rate and its burst allow", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 }),
      (perSecond, pauses) => {
        const rate = new RateLimit();
        rate.setRate(perSecond);
        const burst = Math.max(1, (perSecond * limits.rateBurstMs) / 1000);
        let now = 1000;
        let taken = 0;
        for (const pauseMs of pauses) {
          now += pauseMs;
          while (rate.mayTake(now)) {
            rate.take(now);
            taken += 1;
          }
          const most = burst + ((now - 1000) * perSecond) / 1000;
          assert(taken <= most + 0.01, `${taken} of ${most} after ${now} ms`);
          assert(rate.nextAt(now) > now);
        }
        assert(rate.mayTake(rate.nextAt(now)), "the time it names is the time");
      },
    ),
    { numRuns: 300 },
  );
});

test("a rate limit is kept, whole and even, and lets nothing be made up for after a pause", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { rateLimit: 20 });
  await world.publish(100);
  await world.run(2000, 10);
  const first = sink.sent.length;
  assert(first >= 38 && first <= 43, `${first} in two seconds`);
  world.update("s", { paused: true });
  await world.run(10_000, 100);
  world.update("s", { paused: false });
  await world.run(1000, 10);
  const second = sink.sent.length - first;
  assert(second >= 19 && second <= 23, `${second} in the second after the pause`);
  await world.run(5000, 10);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 99));
  const gaps = sink.sent.slice(45).map(({ at }, index) => at - (sink.sent[44 + index]?.at ?? 0));
  assert(Math.max(...gaps) <= 70 && Math.min(...gaps) >= 30, `${Math.min(...gaps)}`);
  await world.stop();
});

test("waiting for the rate limit is no attempt: neither the timeout nor a retry's time suffers", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ attempt }) => (attempt === 1 ? "hang" : delivered));
  await world.subscribe("s", sink, { rateLimit: 1, timeoutMs: 100 });
  await world.publish(3);
  await world.run(500, 10);
  assert.equal(sink.sent.length, 1);
  const { inFlight, pending } = world.status("s").counters;
  assert.deepEqual([inFlight, pending], [1, 2]);
  await world.stop();
});

test("a changed rate limit applies to the next attempt, also to none", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { rateLimit: 1 });
  await world.publish(500);
  await world.run(5000, 100);
  assert(sink.sent.length >= 5 && sink.sent.length <= 7, `${sink.sent.length}`);
  world.update("s", { rateLimit: 0 });
  await world.run(500, 10);
  assert.equal(sink.sent.length, 500);
  await world.stop();
});
