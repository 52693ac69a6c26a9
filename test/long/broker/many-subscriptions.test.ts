import assert from "node:assert/strict";
import { test } from "node:test";
import { withManySubscriptions } from "../../support/many-subscriptions.ts";

test("ten thousand subscriptions on one bus take memory, not work per event (F18)", async (t) => {
  const figures = await withManySubscriptions({
    subscriptions: 10_000,
    matching: 100,
    eventsPerSecond: 1000,
    seconds: 10,
  });
  t.diagnostic(JSON.stringify(figures));
  assert(figures.rssBytes < 1_000_000_000, `${figures.rssBytes} bytes of memory`);
  assert(figures.addMs < 50, `adding one took ${figures.addMs} ms`);
  assert(figures.removeMs < 50, `removing one took ${figures.removeMs} ms`);
  assert(figures.restartMs < 10_000, `a restart took ${figures.restartMs} ms`);
  assert(figures.createMs < 60_000, `creating took ${figures.createMs} ms`);
  assert(figures.deleteBusMs < 10_000, `deleting the bus took ${figures.deleteBusMs} ms`);
});
