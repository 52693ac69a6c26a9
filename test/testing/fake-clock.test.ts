import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock, SeededRandom } from "../../src/testing/testing.ts";

test("timers fire in the order of their time, each at its own instant", () => {
  const clock = new FakeClock(1000);
  const fired: [string, number][] = [];
  clock.after(30, () => fired.push(["late", clock.now()]));
  clock.after(10, () => fired.push(["first", clock.now()]));
  clock.after(10, () => fired.push(["second", clock.now()]));
  clock.advance(20);
  assert.deepEqual(fired, [
    ["first", 1010],
    ["second", 1010],
  ]);
  clock.advance(10);
  assert.deepEqual(fired.at(-1), ["late", 1030]);
  assert.equal(clock.monotonic(), 30);
  assert.equal(clock.timers, 0);
});

test("an interval fires until it is disposed, also from within its own callback", () => {
  const clock = new FakeClock();
  let count = 0;
  const interval = clock.every(10, () => {
    count += 1;
    if (count === 3) interval.dispose();
  });
  clock.advance(100);
  assert.equal(count, 3);
  assert.equal(clock.timers, 0);
});

test("a timer that a callback arms within the time advanced fires too", () => {
  const clock = new FakeClock(0);
  const fired: number[] = [];
  clock.after(5, () => clock.after(5, () => fired.push(clock.now())));
  clock.advance(10);
  assert.deepEqual(fired, [10]);
});

test("advanceAsync lets promises run between timers", async () => {
  const clock = new FakeClock(0);
  const fired: number[] = [];
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      clock.after(ms, resolve);
    });
  const worker = (async () => {
    for (let round = 0; round < 3; round += 1) {
      await wait(10);
      fired.push(clock.now());
    }
  })();
  await clock.advanceAsync(30);
  await worker;
  assert.deepEqual(fired, [10, 20, 30]);
});

test("a jump of the wall clock leaves timers and the monotonic clock alone", () => {
  const clock = new FakeClock(1_000_000);
  let fired = false;
  clock.after(10, () => {
    fired = true;
  });
  clock.jumpWall(-500_000);
  assert.equal(clock.now(), 500_000);
  assert.equal(fired, false);
  clock.advance(10);
  assert.equal(fired, true);
  assert.equal(clock.now(), 500_010);
});

test("a disposed timer does not fire, and disposing twice is harmless", () => {
  const clock = new FakeClock();
  const timer = clock.after(1, () => assert.fail("fired"));
  timer.dispose();
  timer.dispose();
  clock.advance(10);
  assert.equal(clock.nextTimerMs, undefined);
});

test("the same seed gives the same numbers and ids, another seed others", () => {
  const draw = (seed: number): unknown[] => {
    const random = new SeededRandom(seed);
    return [random.next(), random.id(), random.integer(1, 6), [...random.bytes(4)]];
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  assert.match(
    new SeededRandom(1).id(),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});

test("the numbers are spread evenly over [0, 1)", () => {
  const random = new SeededRandom(42);
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let draw = 0; draw < 10_000; draw += 1) {
    const bucket = Math.floor(random.next() * 10);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  for (const count of buckets) assert.ok(count > 850 && count < 1150, `bucket of ${count}`);
});
