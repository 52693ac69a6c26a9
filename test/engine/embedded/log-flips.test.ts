import assert from "node:assert/strict";
import { test } from "node:test";
import { flipBits, tearTail } from "./flip-kit.ts";

test("a flipped bit anywhere is detected, gives no wrong byte and costs one event at most (P1)", async () => {
  const { places } = await flipBits(1, 300);
  assert.deepEqual(
    [...places.keys()].toSorted(),
    ["active", "closing marker", "footer", "header", "sealed"],
    "every kind of place is hit",
  );
});

test("a tail torn, zeroed or garbled loses the torn record only, and the log goes on (P1)", async () => {
  const cases = await tearTail(["truncated", "zeroed", "garbage"], 7);
  assert(cases > 150, `${cases} cases`);
});
