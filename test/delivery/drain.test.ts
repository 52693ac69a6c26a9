import assert from "node:assert/strict";
import { test } from "node:test";
import { drainAfterAnHour } from "./drain.ts";

test("F13: after an hour of outage a backlog drains at the sink's capacity, with one probe at a time until then", async () => {
  const { probesInHour, drainedMs, idealMs } = await drainAfterAnHour(10_000);
  assert(probesInHour >= 60 && probesInHour <= 200, `${probesInHour} probes in an hour`);
  assert(drainedMs <= idealMs * 1.1 + 500, `drained in ${drainedMs} ms, ideal ${idealMs} ms`);
});
