import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ExpiredRanges } from "../../src/delivery/expired-ranges.ts";
import { Fifo } from "../../src/delivery/fifo.ts";
import { Stillness } from "../../src/delivery/stillness.ts";
import { TimeHeap } from "../../src/delivery/time-heap.ts";
import { limits } from "../../src/kernel/limits.ts";

test("a heap by time gives its items back in the order of time", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(1000), { nil: undefined })), (steps) => {
      const heap = new TimeHeap<{ readonly at: number }>();
      const model: number[] = [];
      for (const at of steps) {
        if (at !== undefined) {
          heap.push({ at });
          model.push(at);
          continue;
        }
        model.sort((left, right) => left - right);
        assert.equal(heap.peek()?.at, model[0]);
        assert.equal(heap.pop()?.at, model.shift());
      }
      assert.equal(heap.size, model.length);
    }),
  );
});

test("a queue gives its items back in order, however many come and go", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1500, max: 1500 }), { maxLength: 20 }), (steps) => {
      const queue = new Fifo<number>();
      let pushed = 0;
      let shifted = 0;
      for (const step of steps) {
        for (let count = 0; count < step; count += 1) queue.push(pushed++);
        for (let count = 0; count < -step && shifted < pushed; count += 1) {
          assert.equal(queue.shift(), shifted++);
        }
        assert.equal(queue.size, pushed - shifted);
      }
      assert.deepEqual(
        queue.drain(),
        Array.from({ length: pushed - shifted }, (_, index) => shifted + index),
      );
      assert.equal(queue.shift(), undefined);
    }),
  );
});

test("stillness sums up pauses and holds once, however they overlap", () => {
  const stillness = new Stillness();
  const never = Number.POSITIVE_INFINITY;
  stillness.advance(0, 0);
  stillness.advance(10, 40); // held from 10 until 40
  stillness.advance(20, 40);
  stillness.advance(20, never); // paused at 20
  stillness.advance(60, never);
  stillness.advance(60, 40); // resumed at 60, long after the hold
  stillness.advance(90, 40);
  assert.equal(stillness.totalMs, 50);
  stillness.advance(100, 110);
  stillness.advance(500, 110);
  assert.equal(stillness.totalMs, 60);
});

test("expired ranges that touch become one, and only so many are kept", () => {
  const ranges = new ExpiredRanges();
  ranges.add({ from: 0, to: 9, reason: "trimmed" });
  ranges.add({ from: 10, to: 19, reason: "trimmed" });
  ranges.add({ from: 20, to: 20, reason: "damaged" });
  assert.deepEqual(ranges.list, [
    { from: 0, to: 19, reason: "trimmed" },
    { from: 20, to: 20, reason: "damaged" },
  ]);
  for (let from = 100; from < 1000; from += 2) ranges.add({ from, to: from, reason: "damaged" });
  assert.equal(ranges.list.length, limits.expiredRangesMax);
  assert.equal(ranges.list.at(-1)?.from, 998);
});
