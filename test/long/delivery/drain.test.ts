import assert from "node:assert/strict";
import { test } from "node:test";
import { drainAfterAnHour } from "../../delivery/drain.ts";

test("F13: a million events that waited for an hour drain at the sink's capacity, none lost", async () => {
  const { probesInHour, drainedMs, idealMs } = await drainAfterAnHour(1_000_000);
  assert(probesInHour >= 60 && probesInHour <= 200, `${probesInHour} probes in an hour`);
  assert(drainedMs <= idealMs * 1.05, `drained in ${drainedMs} ms, ideal ${idealMs} ms`);
});
