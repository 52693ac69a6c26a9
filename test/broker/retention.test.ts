import assert from "node:assert/strict";
import { test } from "node:test";
import type { Retention } from "../../src/api/api.ts";
import {
  expiredByBytes,
  expiredByTime,
  rollAfterMs,
  rollBytes,
} from "../../src/broker/retention-rules.ts";
import type { Engine, SegmentFacts } from "../../src/engine/engine.ts";
import { createMemoryEngine } from "../../src/engine/engines.ts";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { temporaryDirectory } from "../support/broker-process.ts";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import { assertProblem, startHttpBroker } from "../support/http-broker.ts";

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

function segments(...times: readonly number[]): SegmentFacts[] {
  return times.map((time, index) => ({
    first: index * 10,
    next: index * 10 + 10,
    bytes: 100,
    firstTime: time - 5,
    lastTime: time,
  }));
}

function retentionOf(given: Partial<Retention>): Retention {
  return { maxAge: null, maxBytes: null, keepUnread: false, ...given };
}

test("a segment goes when its last event is older than maxAge", () => {
  const list = segments(1000, 2000, 3000);
  assert.equal(expiredByTime(list, 1000), 0);
  assert.equal(expiredByTime(list, 1001), 10);
  assert.equal(expiredByTime(list, 5000), 30);
});

test("segments go, oldest first, until the rest has maxBytes; the last one stays", () => {
  const list = segments(1, 2, 3);
  assert.equal(expiredByBytes(list, retentionOf({ maxBytes: 300 })), 0);
  assert.equal(expiredByBytes(list, retentionOf({ maxBytes: 299 })), 10);
  assert.equal(expiredByBytes(list, retentionOf({ maxBytes: 1 })), 20);
});

test("segments are as old as an eighth of maxAge, and at least a second", () => {
  assert.equal(rollAfterMs(retentionOf({ maxAge: "8h" })), HOUR);
  assert.equal(rollAfterMs(retentionOf({ maxAge: "2s" })), 1000);
  assert.equal(rollAfterMs(retentionOf({})), undefined);
});

test("segments are as large as an eighth of maxBytes, and at least a mebibyte", () => {
  assert.equal(rollBytes(retentionOf({ maxBytes: 80_000_000 })), 10_000_000);
  assert.equal(rollBytes(retentionOf({ maxBytes: 1 })), limits.segmentRollBytesMin);
  assert.equal(rollBytes(retentionOf({})), undefined);
});

test("P7: a bus with maxBytes holds little more than that, although segments may be larger", async () => {
  await using directory = await temporaryDirectory();
  await using broker = await startHttpBroker({
    config: { engine: "embedded", dataDir: directory.path },
  });
  await broker.broker.buses.put("small", { retention: { maxAge: null, maxBytes: 2_000_000 } }, {});
  const event = { specversion: "1.0", id: "1", source: "/s", type: "t", data: "x".repeat(50_000) };
  for (let round = 0; round < 10; round++) {
    const answer = await broker.fetch("POST", "/v1/buses/small/events", {
      headers: { "content-type": "application/cloudevents-batch+json" },
      body: Array.from({ length: 10 }, () => event),
    });
    assert.equal(answer.status, 200, answer.text);
  }
  await broker.broker.retention.run();
  const { bytes, first } = broker.broker.buses.require("small").log.bounds();
  assert.ok(bytes <= 2_000_000 && first > 0, `${bytes} bytes are kept, from offset ${first} on`);
});

async function brokerWithOldEvents(clock: FakeClock): Promise<HttpBroker> {
  const engine = createMemoryEngine({ clock, segmentRecords: 10 });
  const broker = await startHttpBroker({ parts: { clock, engine } });
  await broker.broker.buses.put("aging", { retention: { maxAge: "1h" } }, {});
  return broker;
}

function tryToPublish(broker: HttpBroker, count: number): Promise<Answer> {
  const event = { specversion: "1.0", id: "1", source: "/s", type: "t" };
  return broker.fetch("POST", "/v1/buses/aging/events", {
    headers: { "content-type": "application/cloudevents-batch+json" },
    body: Array.from({ length: count }, () => event),
  });
}

async function publish(broker: HttpBroker, count: number): Promise<void> {
  const bus = broker.broker.buses.require("aging");
  const answer = await tryToPublish(broker, count);
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
  assert.equal(broker.broker.buses.require("aging").log.bounds().first, 50);
});

/** Real time of a round: what a step of the virtual clock started has to come to its end. */
async function pass(broker: HttpBroker, clock: FakeClock, durationMs: number): Promise<void> {
  await clock.advanceAsync(durationMs);
  await broker.broker.retention.run();
}

for (const engineName of ["memory", "embedded"] as const) {
  test(`${engineName}: on a trickle bus, and an idle one, an event is gone at most maxAge/4 + 5 s late`, async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    const config = { engine: engineName, dataDir: directory.path };
    await using broker = await startHttpBroker({ config, parts: { clock } });
    const maxAgeMs = 60_000;
    await broker.broker.buses.put("aging", { retention: { maxAge: "60s" } }, {});
    const { log } = broker.broker.buses.require("aging");
    for (let passedMs = 0; passedMs < 4 * maxAgeMs; passedMs += 2000) {
      // A trickle for two minutes, then nothing more comes.
      if (passedMs < 120_000) await publish(broker, 1);
      await pass(broker, clock, 2000);
      const { firstTime = clock.now() } = log.bounds();
      assert.ok(clock.now() - firstTime <= 1.25 * maxAgeMs + 5000, `late after ${passedMs} ms`);
    }
    assert.deepEqual([log.bounds().first, log.bounds().next], [60, 60]);
  });
}

test("the setting of a running bus applies at once", async () => {
  const clock = new FakeClock();
  await using broker = await brokerWithOldEvents(clock);
  const { log } = broker.broker.buses.require("aging");
  await publish(broker, 3);
  await broker.broker.buses.put("aging", { retention: { maxAge: "8s" } }, {});
  for (let passed = 0; passed < 15; passed++) await pass(broker, clock, 1000);
  assert.equal(log.bounds().first, 3);
});

test("F17: a sawtooth of the wall clock neither deletes at once nor reorders nor stalls", async () => {
  const clock = new FakeClock();
  await using broker = await brokerWithOldEvents(clock);
  const { log } = broker.broker.buses.require("aging");
  for (let round = 0; round < 5; round++) await publish(broker, 10);
  let kept = log.bounds().first;
  for (let tooth = 0; tooth < 40; tooth++) {
    clock.jumpWall(tooth % 2 === 0 ? 10 * YEAR : -10 * YEAR);
    await publish(broker, 10);
    await pass(broker, clock, 30_000);
    const { first } = log.bounds();
    assert.ok(first - kept <= 10, "one segment at a time");
    kept = first;
  }
  const { times } = await log.read(log.bounds().first, { records: 1000, bytes: 1e6 });
  assert.deepEqual(
    times,
    times.toSorted((left, right) => left - right),
  );
  // The clock is right again, but the newest events say that they are from the future.
  assert.ok((log.bounds().lastTime ?? 0) > clock.now() + YEAR);
  const { next } = log.bounds();
  for (let step = 0; step < 70; step++) await pass(broker, clock, 60_000);
  assert.equal(log.bounds().first, next, "they are gone when the broker has seen them for maxAge");
});

test("F17: a wall clock that jumps back by days keeps events no longer than it has to", async () => {
  const clock = new FakeClock();
  await using broker = await brokerWithOldEvents(clock);
  const { log } = broker.broker.buses.require("aging");
  await publish(broker, 10);
  clock.jumpWall(-10 * 24 * HOUR);
  await publish(broker, 10);
  await pass(broker, clock, 60_000);
  assert.equal(log.bounds().first, 0);
  for (let step = 0; step < 70; step++) await pass(broker, clock, 60_000);
  assert.equal(log.bounds().first, 20);
});

for (const when of ["while the broker was down", "before it was stopped"]) {
  test(`F17: a clock that jumped ${when} deletes one segment a minute`, async () => {
    const clock = new FakeClock();
    const engine = createMemoryEngine({ clock, segmentRecords: 10 });
    await using first = await startHttpBroker({ parts: { clock, engine: keptOpen(engine) } });
    await first.broker.buses.put("aging", { retention: { maxAge: "1h" } }, {});
    for (let round = 0; round < 6; round++) await publish(first, 10);
    clock.jumpWall(10 * YEAR);
    if (when === "before it was stopped") await publish(first, 15);
    await first.stop();
    await using second = await startHttpBroker({ parts: { clock, engine } });
    const { log } = second.broker.buses.require("aging");
    await publish(second, 1);
    for (let round = 0; round < 20; round++) await pass(second, clock, 2000);
    assert.equal(log.bounds().first, 0, "nothing at once");
    await pass(second, clock, limits.clockDisagreementMsMax);
    assert.equal(log.bounds().first, 10);
  });
}

test("F17: a restart deletes at once what grew too old in the ordinary way", async () => {
  const clock = new FakeClock();
  const engine = createMemoryEngine({ clock, segmentRecords: 10 });
  await using first = await startHttpBroker({ parts: { clock, engine: keptOpen(engine) } });
  await first.broker.buses.put("aging", { retention: { maxAge: "1h" } }, {});
  for (let round = 0; round < 11; round++) {
    await publish(first, 10);
    await clock.advanceAsync(300_000);
  }
  await first.stop();
  clock.advance(120_000);
  await using second = await startHttpBroker({ parts: { clock, engine } });
  const { log } = second.broker.buses.require("aging");
  const { first: before } = log.bounds();
  await clock.advanceAsync(300_000);
  await second.broker.retention.run();
  assert.ok(log.bounds().first - before >= 10, `${before} to ${log.bounds().first}`);
});

/** Memory that outlives a broker. */
function keptOpen(engine: Engine): Engine {
  return {
    open: () => engine.open(),
    log: (bus) => engine.log(bus),
    deleteLog: (bus) => engine.deleteLog(bus),
    resources: engine.resources,
    consumerState: engine.consumerState,
    delayed: engine.delayed,
    leases: engine.leases,
    onHealth: (listener) => engine.onHealth(listener),
    close: () => Promise.resolve(),
  };
}

async function busWithPausedReader(
  retention: object,
): Promise<{ clock: FakeClock; broker: HttpBroker }> {
  const clock = new FakeClock();
  const engine = createMemoryEngine({ clock, segmentRecords: 10 });
  const config = { allowPrivateSinks: true };
  const broker = await startHttpBroker({ config, parts: { clock, engine } });
  await broker.broker.buses.put("aging", { retention }, {});
  const sink = "http://127.0.0.1:9/";
  const body = { bus: "aging", protocol: "HTTP", sink, config: { paused: true } };
  const made = await broker.fetch("PUT", "/v1/subscriptions/slow", { body });
  assert.equal(made.status, 201, made.text);
  return { clock, broker };
}

test("keepUnread: a bus of maxBytes takes no more rather than expire what is unread", async () => {
  const { broker } = await busWithPausedReader({ maxBytes: 1000, keepUnread: true });
  await using _ = broker;
  let answer = await tryToPublish(broker, 10);
  for (let round = 0; answer.status === 200 && round < 100; round++) {
    answer = await tryToPublish(broker, 10);
    await broker.broker.retention.run();
  }
  const { detail } = assertProblem(answer, 507, "bus_full");
  assert.match(detail, /subscription 'slow'/);
  assert.match(detail, /maxBytes is 1000/);
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  const { log } = broker.broker.buses.require("aging");
  assert.ok(log.bounds().bytes < 3000, "one publish more than maxBytes at most");
  const status = await broker.fetch("GET", "/v1/subscriptions/slow/status");
  assert.equal(status.json<{ counters: { expired: number } }>().counters.expired, 0);
});

test("keepUnread: a seek ahead, a deletion or a larger maxBytes opens the bus again", async () => {
  const openings: readonly ((broker: HttpBroker) => Promise<Answer>)[] = [
    (broker) => broker.fetch("POST", "/v1/subscriptions/slow/seek", { body: { to: "latest" } }),
    (broker) => broker.fetch("DELETE", "/v1/subscriptions/slow"),
    (broker) =>
      broker.fetch("PUT", "/v1/buses/aging", {
        body: { retention: { maxBytes: 1_000_000, keepUnread: true } },
      }),
  ];
  for (const open of openings) {
    const { broker, clock } = await busWithPausedReader({ maxBytes: 100, keepUnread: true });
    await using _ = broker;
    await publish(broker, 10);
    assertProblem(await tryToPublish(broker, 1), 507, "bus_full");
    const answer = await open(broker);
    assert.equal(answer.status, 200, answer.text);
    await clock.advanceAsync(limits.busFullRecheckMs);
    await publish(broker, 1);
  }
});

test("keepUnread: an unread event older than maxAge stays, and the bus takes no more", async () => {
  const { broker, clock } = await busWithPausedReader({ maxAge: "1h", keepUnread: true });
  await using _ = broker;
  await publish(broker, 20);
  for (let step = 0; step < 70; step++) await pass(broker, clock, 60_000);
  assert.equal(broker.broker.buses.require("aging").log.bounds().first, 0);
  const { detail } = assertProblem(await tryToPublish(broker, 1), 507, "bus_full");
  assert.match(detail, /subscription 'slow' has not read are older than retention.maxAge, 1h/);
  const seek = { body: { to: "latest" } };
  await broker.fetch("POST", "/v1/subscriptions/slow/seek", seek);
  await clock.advanceAsync(limits.busFullRecheckMs);
  await publish(broker, 1);
  await broker.broker.retention.run();
  assert.equal(broker.broker.buses.require("aging").log.bounds().first, 20);
});

test("without keepUnread what a paused subscription has not read expires, and is reported", async () => {
  const { broker, clock } = await busWithPausedReader({ maxAge: "1h" });
  await using _ = broker;
  await publish(broker, 20);
  for (let step = 0; step < 70; step++) await pass(broker, clock, 60_000);
  await publish(broker, 1);
  const status = (await broker.fetch("GET", "/v1/subscriptions/slow/status")).json();
  assert.deepEqual(status["expiredRanges"], [{ from: 0, to: 19, reason: "trimmed" }]);
  assert.equal((status["counters"] as { expired: number }).expired, 20);
});
