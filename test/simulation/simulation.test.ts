import assert from "node:assert/strict";
import { test } from "node:test";
import { seedRange, simulateAll } from "./seeds.ts";
import { simulate } from "./simulation.ts";

const range = seedRange(200);
const last = range.first + range.count - 1;

test(`P1, P2, P3, P5: whatever crashes and fails, what was promised holds (seeds ${range.first} to ${last})`, async (context) => {
  const sums = await simulateAll(range);
  context.diagnostic(JSON.stringify(sums));
  // A storm in which nothing dies and nothing comes twice would prove nothing.
  if (sums.runs < 50) return;
  assert(sums.deaths > 3 * sums.runs);
  assert(sums.sends > 20 * sums.runs);
  assert(sums.repeats > sums.runs);
  assert(sums.orderChecks > 20 * sums.runs);
  assert(sums.isolations > sums.runs);
});

test("a seed replays exactly, down to the last call to the disk", async () => {
  for (const seed of [range.first, 4711, 2 ** 40 + 17]) {
    const once = await simulate(seed);
    const again = await simulate(seed);
    assert.deepEqual(again, once);
  }
  const [one, other] = [await simulate(1), await simulate(2)];
  assert.notEqual(one.digest, other.digest);
});
