/** An operator puts back an older copy of the logs, or of the state: the broker opens and goes on. */
import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { DeadLetter, SubscriptionStatus } from "../../src/api/api.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { binaryHeaders, startHttpBroker } from "../support/http-broker.ts";
import { temporaryDirectory } from "../support/broker-process.ts";
import { startConsumer } from "../support/consumer.ts";

function start(dataDir: string): Promise<HttpBroker> {
  const keyDirectory = `${dataDir}-config/keys`;
  const config = { engine: "embedded", dataDir, keyDirectory, allowPrivateSinks: true } as const;
  return startHttpBroker({ config });
}

async function publish(broker: HttpBroker, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const headers = binaryHeaders({ "ce-id": id });
    const answer = await broker.fetch("POST", "/v1/buses/b/events", { headers, body: id });
    assert.equal(answer.status, 202, answer.text);
  }
}

async function statusOf(broker: HttpBroker): Promise<SubscriptionStatus> {
  return (await broker.fetch("GET", "/v1/subscriptions/s/status")).json<SubscriptionStatus>();
}

async function untilSettled(broker: HttpBroker): Promise<SubscriptionStatus> {
  for (let round = 0; round < 500; round += 1) {
    const status = await statusOf(broker);
    if (status.lag.events === 0) return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return assert.fail("the events were not delivered in time");
}

test("after an older copy of the logs was put back the broker opens and delivers what is new", async () => {
  await using directory = await temporaryDirectory();
  await using consumer = await startConsumer();
  const dataDir = directory.path;
  const copy = `${dataDir}-copy`;
  await using first = await start(dataDir);
  await first.fetch("PUT", "/v1/buses/b", { body: {} });
  const body = { bus: "b", protocol: "HTTP", sink: consumer.url, config: { start: 0 } };
  await first.fetch("PUT", "/v1/subscriptions/s", { body });
  await publish(first, ["a0", "a1", "a2"]);
  await untilSettled(first);
  await first.stop();
  await cp(join(dataDir, "logs"), copy, { recursive: true });

  await using second = await start(dataDir);
  await publish(second, ["b3"]);
  await untilSettled(second);
  consumer.answerWith(400);
  await publish(second, ["b4"]);
  await untilSettled(second);
  consumer.answerWith(204);
  await second.stop();
  await rm(join(dataDir, "logs"), { recursive: true });
  await cp(copy, join(dataDir, "logs"), { recursive: true });
  await rm(copy, { recursive: true });

  await using third = await start(dataDir);
  const restored = await statusOf(third);
  assert.deepEqual([restored.generation, restored.start, restored.next], [2, 3, 3]);
  assert.equal(restored.previous[0]?.reason, "log-lost");
  assert.equal(restored.previous[0]?.counters.delivered, 4);
  await publish(third, ["c3", "c4"]);
  const status = await untilSettled(third);
  assert.equal(status.counters.delivered, 2);
  assert.equal(consumer.idCounts.get("c3"), 1);
  const [letter] = (await third.fetch("GET", "/v1/subscriptions/s/dead-letters")).json<
    DeadLetter[]
  >();
  assert.equal(letter?.attempts[0]?.eventId, "b4");
  assert.equal(letter?.event, null, "the event at its offset is another one now");
});

test("after an older copy of the state was put back events are delivered again, none is lost", async () => {
  await using directory = await temporaryDirectory();
  await using consumer = await startConsumer();
  const dataDir = directory.path;
  const copy = `${dataDir}-state.db`;
  await using first = await start(dataDir);
  await first.fetch("PUT", "/v1/buses/b", { body: {} });
  const body = { bus: "b", protocol: "HTTP", sink: consumer.url, config: { start: 0 } };
  await first.fetch("PUT", "/v1/subscriptions/s", { body });
  await publish(first, ["a0", "a1"]);
  await untilSettled(first);
  await first.stop();
  await cp(join(dataDir, "state.db"), copy);

  await using second = await start(dataDir);
  await publish(second, ["b2", "b3"]);
  await untilSettled(second);
  await second.stop();
  for (const name of ["state.db", "state.db-wal", "state.db-shm"]) {
    await rm(join(dataDir, name), { force: true });
  }
  await cp(copy, join(dataDir, "state.db"));
  await rm(copy);

  await using third = await start(dataDir);
  const status = await untilSettled(third);
  assert.deepEqual([status.generation, status.counters.delivered], [1, 4]);
  assert.deepEqual(
    ["a0", "a1", "b2", "b3"].map((id) => consumer.idCounts.get(id)),
    [1, 1, 2, 2],
  );
});
