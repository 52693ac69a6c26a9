import assert from "node:assert/strict";
import { test } from "node:test";
import { seedRange, simulateAll } from "../simulation/seeds.ts";

const range = seedRange(10_000);

test("P1, P2, F3: 10 000 seeds and more than 20 000 crashes break no promise", async (context) => {
  const sums = await simulateAll(range);
  context.diagnostic(JSON.stringify(sums));
  if (sums.runs >= 10_000) assert(sums.deaths > 20_000);
});
