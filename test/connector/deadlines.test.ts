import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import type { Deadline } from "../../src/connector/deadlines.ts";
import { Deadlines, unarmed } from "../../src/connector/deadlines.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

function deadline(onDeadline: () => void): Deadline {
  return { dueAt: 0, next: undefined, previous: undefined, slot: unarmed, onDeadline };
}

test("each deadline fires once, not early and at most two ticks late, unless disarmed", () => {
  const entry = fc.record({
    startMs: fc.integer({ min: 0, max: 60_000 }),
    delayMs: fc.integer({ min: 0, max: 120_000 }),
    isDisarmed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 40 }), (entries) => {
      const clock = new FakeClock();
      const wheel = new Deadlines(clock);
      const late: number[] = [];
      for (const { startMs, delayMs, isDisarmed } of entries) {
        clock.after(startMs, () => {
          const now = clock.monotonic();
          const each = deadline(() => late.push(clock.monotonic() - now - delayMs));
          wheel.arm(each, now, delayMs);
          if (isDisarmed) wheel.disarm(each);
        });
      }
      clock.advance(200_000);
      assert.equal(late.length, entries.filter((each) => !each.isDisarmed).length);
      for (const lateMs of late) assert.ok(lateMs >= 0 && lateMs <= 100, `${lateMs} ms late`);
      assert.equal(wheel.armed, 0);
      assert.equal(clock.timers, 0, "an idle wheel has no timer");
    }),
    { numRuns: 50 },
  );
});

test("a deadline may arm itself again and disarm its neighbour while firing", () => {
  const clock = new FakeClock();
  const wheel = new Deadlines(clock);
  let fired = 0;
  const neighbour = deadline(() => assert.fail("it was disarmed"));
  const again: Deadline = deadline(() => {
    fired += 1;
    wheel.disarm(neighbour);
    if (fired === 1) wheel.arm(again, clock.monotonic(), 100);
  });
  wheel.arm(neighbour, 0, 100);
  wheel.arm(again, 0, 100);
  clock.advance(1000);
  assert.equal(fired, 2);
});
