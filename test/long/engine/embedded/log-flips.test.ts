import assert from "node:assert/strict";
import { test } from "node:test";
import { flipBits, tearTail } from "../../../engine/embedded/flip-kit.ts";

const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 1_000_000);

test(`10 000 flipped bits are all detected and give no wrong byte (F7, P1, seed ${seed})`, async () => {
  const { flips, places } = await flipBits(seed, 10_000);
  assert.equal(flips, 10_000);
  assert.equal(places.size, 5);
});

test("a tail torn at every byte of its last three records (F6, P1)", async () => {
  assert((await tearTail(["truncated", "zeroed", "garbage"], 1)) > 1000);
});
