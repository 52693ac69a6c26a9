import assert from "node:assert/strict";
import { test } from "node:test";
import { expiredByAge, expiredByBytes } from "../../src/broker/retention.ts";
import type { SegmentFacts } from "../../src/engine/engine.ts";
import { createMemoryEngine } from "../../src/engine/engines.ts";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { startHttpBroker } from "../support/http-broker.ts";

const HOUR = 3_600_000;

function segments(...times: readonly number[]): SegmentFacts[] {
  return times.map((time, index) => ({
    first: index * 10,
    next: index * 10 + 10,
    bytes: 100,
    firstTime: time - 5,
    lastTime: time,
  }));
}

test("a segment goes when its last event is older than maxAge", () => {
  const list = segments(1000, 2000, 3000);
  const hour = { maxAge: "1h", maxBytes: null };
  assert.equal(expiredByAge(list, hour, 1000 + HOUR), 0);
  assert.equal(expiredByAge(list, hour, 1001 + HOUR), 10);
  assert.equal(expiredByAge(list, hour, 5000 + HOUR), 30);
  assert.equal(expiredByAge(list, { maxAge: null, maxBytes: null }, 1e15), 0);
});

test("segments go, oldest first, until the rest has maxBytes; the last one stays", () => {
  const list = segments(1, 2, 3);
  assert.equal(expiredByBytes(list, { maxAge: null, maxBytes: 300 }), 0);
  assert.equal(expiredByBytes(list, { maxAge: null, maxBytes: 299 }), 10);
  assert.equal(expiredByBytes(list, { maxAge: null, maxBytes: 1 }), 20);
});

async function brokerWithOldEvents(clock: FakeClock): Promise<HttpBroker> {
  const engine = createMemoryEngine({ clock, segmentRecords: 10 });
  const broker = await startHttpBroker({ parts: { clock, engine } });
  await broker.broker.buses.put("aging", { retention: { maxAge: "1h" } }, {});
  return broker;
}

async function publish(broker: HttpBroker, count: number): Promise<void> {
  const bus = broker.broker.buses.require("aging");
  const event = { specversion: "1.0", id: "1", source: "/s", type: "t" };
  const answer = await broker.fetch("POST", "/v1/buses/aging/events", {
    headers: { "content-type": "application/cloudevents-batch+json" },
    body: Array.from({ length: count }, () => event),
  });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(bus.log.bounds().next >= count);
}

test("events older than maxAge leave the bus by themselves", async () => {
  const clock = new FakeClock();
  await using broker = await brokerWithOldEvents(clock);
  for (let round = 0; round < 5; round++) await publish(broker, 10);
  const { log } = broker.broker.buses.require("aging");
  await clock.advanceAsync(2 * HOUR);
  await publish(broker, 10);
  await clock.advanceAsync(limits.retentionIntervalMs);
  await broker.broker.retention.run();
  assert.equal(log.bounds().first, 50);
});

test("a wall clock that jumps by years deletes one segment a minute, not everything", async () => {
  const clock = new FakeClock();
  await using broker = await brokerWithOldEvents(clock);
  for (let round = 0; round < 6; round++) await publish(broker, 10);
  const { log } = broker.broker.buses.require("aging");
  clock.jumpWall(10 * 365 * 24 * HOUR);
  await broker.broker.retention.run();
  assert.equal(log.bounds().first, 0, "nothing at once");
  await clock.advanceAsync(limits.clockDisagreementMsMax);
  await broker.broker.retention.run();
  assert.equal(log.bounds().first, 10);
  await broker.broker.retention.run();
  assert.equal(log.bounds().first, 10, "the next one has to wait for its minute");
});

test("maxBytes is held whatever the clocks say", async () => {
  const clock = new FakeClock();
  await using broker = await brokerWithOldEvents(clock);
  await broker.broker.buses.put("aging", { retention: { maxAge: null, maxBytes: 1 } }, {});
  for (let round = 0; round < 5; round++) await publish(broker, 10);
  await broker.broker.retention.run();
  assert.equal(broker.broker.buses.require("aging").log.bounds().first, 40);
});
