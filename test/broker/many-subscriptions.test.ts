import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { startHttpBroker } from "../support/http-broker.ts";
import { withManySubscriptions } from "../support/many-subscriptions.ts";

test("five hundred subscriptions deliver, list, survive a restart and go with their bus (F18)", async () => {
  const figures = await withManySubscriptions({
    subscriptions: 500,
    matching: 100,
    eventsPerSecond: 200,
    seconds: 1,
  });
  assert(figures.rssBytes < 1_000_000_000, `${figures.rssBytes} bytes of memory`);
});

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

test("a subscription that has nothing to do takes less than 20 KB (F18)", async () => {
  await using server = await startHttpBroker({
    buses: ["many"],
    config: { allowPrivateSinks: true },
  });
  const create = (number: number): Promise<unknown> =>
    server.broker.subscriptions.create({
      bus: "many",
      protocol: "HTTP",
      sink: "http://127.0.0.1:9/",
      filters: [{ exact: { type: `com.example.kind${number}` } }],
    });
  for (let number = 0; number < 100; number += 1) await create(number);
  const before = heapBytes();
  const count = 1000;
  await Promise.all(Array.from({ length: count }, (_, number) => create(100 + number)));
  const each = (heapBytes() - before) / count;
  assert(each < 20_000, `${each} bytes for each`);
});

test("a bus that is deleted while many subscriptions are created takes all of them along", async () => {
  await using server = await startHttpBroker({
    buses: ["many"],
    config: { allowPrivateSinks: true },
  });
  const { subscriptions, buses } = server.broker;
  const body = { bus: "many", protocol: "HTTP", sink: "http://127.0.0.1:9/" };
  const creating = Array.from({ length: 300 }, () => subscriptions.create(body));
  // What comes after them waits for them, so that none is left behind on a bus that is gone.
  const deleting = buses.delete("many", { cascade: true });
  const late = subscriptions.create(body);
  await Promise.all(creating);
  await deleting;
  await assert.rejects(late, { code: "invalid_resource" });
  assert.equal(subscriptions.count(), 0);
});
