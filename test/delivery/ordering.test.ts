import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyLanes } from "../../src/delivery/key-lanes.ts";
import { createDelivery } from "../../src/delivery/entry.ts";
import { hashKey } from "../../src/delivery/ordering.ts";
import { limits } from "../../src/kernel/limits.ts";
import {
  answered,
  bus,
  delivered,
  deliveredOffsets,
  final,
  offsets,
  refused,
  turns,
  World,
} from "./harness.ts";
import { OrderedSink, orderingBy } from "./ordering-harness.ts";
import type { KeyOf } from "./ordering-harness.ts";

const byThree: KeyOf = (offset) => `k${offset % 3}`;
const patient = { maxAttempts: 3, maxAgeMs: 86_400_000, minDelayMs: 1000, maxDelayMs: 1000 };

async function subscribed(
  keyOf: KeyOf,
  onFailure?: "block" | "dead-letter-and-continue",
): Promise<{ world: World; sink: OrderedSink }> {
  const world = await World.open();
  const sink = new OrderedSink(world, "s", keyOf);
  const ordering = orderingBy("data.n", keyOf, onFailure);
  await world.subscribe("s", sink, { ordering, retry: patient });
  return { world, sink };
}

test("P5: a failing key holds back its own successors, by offset only, and nobody else", async () => {
  const { world, sink } = await subscribed(byThree);
  sink.script = ({ offset }) => (offset === 0 ? answered(500) : delivered);
  await world.publish(60);
  await world.run(500);
  assert.deepEqual(
    deliveredOffsets(sink),
    offsets(0, 59).filter((one) => one % 3 !== 0),
  );
  const { counters } = world.status("s");
  assert.equal(counters.parked, 20, "the head and the nineteen behind it");
  assert.equal(counters.pending, 0);
  sink.script = () => delivered;
  await world.run(3000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 59));
  assert.equal(world.status("s").counters.parked, 0);
  await world.stop();
});

test("P5: what waits behind its key is durable, and its key is known without reading it", async () => {
  const { world, sink } = await subscribed(byThree);
  world.update("s", { retry: { ...patient, minDelayMs: 60_000, maxDelayMs: 60_000 } });
  sink.script = ({ offset }) => (offset === 0 ? answered(500) : delivered);
  await world.publish(30);
  await world.run(300);
  const { parked } = await world.engine.consumerState.load(bus);
  assert.equal(parked.length, 10);
  const keys = new Set(parked.map((row) => (JSON.parse(row.lastError) as { key: number }).key));
  assert.deepEqual([...keys], [hashKey("k0")]);
  assert.deepEqual(
    parked.map((row) => row.attempts),
    [1, ...offsets(1, 9).map(() => 0)],
  );
  await world.crash();
  sink.crashed();
  const before = sink.sent.length;
  world.faults.cached = 0;
  let reads = 0;
  const read = world.log.read.bind(world.log);
  world.log.read = (from, limit) => {
    reads += 1;
    return read(from, limit);
  };
  await world.start();
  await turns(20);
  assert.equal(reads, 0, "nothing is read before the first one is due");
  sink.script = () => delivered;
  await world.run(70_000, 1000);
  const sent = sink.sent.slice(before).map(({ offset }) => offset);
  assert.deepEqual(
    sent,
    offsets(0, 9).map((index) => index * 3),
  );
  await world.stop();
});

test("P5: the end of the policy makes a letter and the key goes on", async () => {
  const { world, sink } = await subscribed(byThree);
  sink.script = ({ offset }) => (offset === 3 ? final("rejected", 400) : delivered);
  await world.publish(12);
  await world.run(1000);
  const letters = await world.letters("s");
  assert.deepEqual(
    letters.map(({ offset }) => offset),
    [3],
  );
  assert.deepEqual(
    deliveredOffsets(sink),
    offsets(0, 11).filter((one) => one !== 3),
  );
  await world.stop();
});

test("P5: after a letter the next of the key waits until the letter is durable", async () => {
  const { world, sink } = await subscribed(() => "k");
  sink.script = ({ offset }) => (offset === 0 ? final("rejected", 400) : delivered);
  world.commitFault = () => new Promise(() => undefined);
  await world.publish(2);
  await world.run(400);
  assert.deepEqual(
    sink.sent.map(({ offset }) => offset),
    [0],
  );
  await world.restart();
  sink.crashed();
  await world.run(1000);
  assert.deepEqual(
    sink.sent.map(({ offset }) => offset),
    [0, 0, 1],
  );
  await world.stop();
});

for (const decision of ["skip", "retry", "dead-letter"] as const) {
  test(`P5: block keeps the head until an operator decides: ${decision}`, async () => {
    const { world, sink } = await subscribed(byThree, "block");
    sink.script = ({ offset }) => (offset === 3 ? final("rejected", 422) : delivered);
    await world.publish(12);
    await world.run(120_000, 1000);
    assert.deepEqual(deliveredOffsets(sink), [0, 1, 2, 4, 5, 7, 8, 10, 11]);
    const { blocked, state, reason, counters } = world.status("s");
    assert.equal(blocked.count, 1);
    const [head] = blocked.heads;
    assert.deepEqual(
      [head?.offset, head?.key, head?.reason, head?.behind],
      [3, "k0", "rejected", 2],
    );
    assert.equal(state, "backing-off");
    assert.match(reason ?? "", /'k0' is blocked by offset 3, rejected: answered 422/);
    assert.equal(counters.parked, 3);
    await world.restart();
    sink.crashed();
    assert.equal(world.status("s").blocked.count, 1, "a restart does not forget it");
    assert.equal(await world.delivery.unblock("s", 6, decision), false, "6 is not blocked");
    sink.script = () => delivered;
    const unblocking = world.delivery.unblock("s", 3, decision);
    await world.run(2000);
    assert.equal(await unblocking, true);
    const after = world.status("s");
    assert.deepEqual(after.blocked, { count: 0, heads: [] });
    assert.deepEqual(deliveredOffsets(sink).includes(3), decision === "retry");
    assert.equal(after.counters.skipped, decision === "skip" ? 1 : 0);
    assert.equal(after.counters.dead, decision === "dead-letter" ? 1 : 0);
    assert.equal(after.counters.parked, 0);
    const letters = await world.letters("s");
    assert.equal(letters.length, decision === "dead-letter" ? 1 : 0);
    assert.equal(letters[0]?.eventType, decision === "dead-letter" ? "t" : undefined);
    await world.stop();
  });
}

test("P5: with ordering the first attempt after a seek waits for those under way", async () => {
  const { world, sink } = await subscribed(byThree);
  sink.script = () => "hang";
  await world.publish(3);
  await world.run(200);
  const begun = sink.sent.length;
  assert(begun > 0);
  const seeking = world.delivery.seek("s", 0);
  sink.newEra();
  await world.run(500);
  await seeking;
  assert.equal(sink.sent.length, begun, "nothing is sent while the old attempts hang");
  sink.script = () => delivered;
  sink.releaseAll(delivered);
  await world.run(500);
  assert.deepEqual(
    sink.sent.slice(begun).map(({ offset }) => offset),
    [0, 1, 2],
  );
  await world.stop();
});

test("P5: what is held in a segment that goes is rescued and delivered in order", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new OrderedSink(world, "s", () => "k");
  await world.subscribe("s", sink, { ordering: orderingBy("id", () => "k") });
  sink.script = () => answered(500);
  await world.publish(35);
  await world.run(300);
  const cut = await preparedTrim(world, 30);
  await world.log.trim(cut);
  assert.equal(world.log.bounds().first, 30);
  assert.equal(world.status("s").counters.expired, 0);
  sink.script = () => delivered;
  await world.run(700_000, 1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 34));
  await world.stop();
});

async function preparedTrim(world: World, before: number): Promise<number> {
  const preparing = world.delivery.prepareTrim(before);
  await world.run(500);
  return preparing;
}

test("P7: at parkedMax a subscription with ordering stops reading and the rest stays pending", async () => {
  const { world, sink } = await subscribed(() => "k");
  sink.script = ({ offset }) => (offset === 0 ? answered(500) : delivered);
  const events = limits.parkedMax + 1500;
  for (let made = 0; made < events; made += 500) await world.publish(500);
  await world.run(900, 300);
  const { counters } = world.status("s");
  assert(counters.parked > limits.parkedMax - limits.bufferedEventsMax, `${counters.parked}`);
  assert(counters.parked <= limits.parkedMax, `${counters.parked}`);
  assert.equal(counters.pending + counters.parked + counters.inFlight, events);
  await world.stop();
});

test("P7: a key costs nothing when nothing of it is unsettled, however many there were", async () => {
  const lanes = new KeyLanes("subject");
  for (let key = 1; key <= 1_000_000; key += 1) {
    const delivery = createDelivery(key, undefined);
    lanes.add(delivery, key);
    assert(lanes.isChosen(delivery));
    lanes.leave(delivery);
    if (key % 100_000 === 0) assert.equal(lanes.size, 0);
  }
  const { world, sink } = await subscribed((offset) => `k${offset}`);
  for (let round = 0; round < 20; round += 1) {
    await world.publish(500);
    await world.run(200);
  }
  assert.equal(sink.delivered.size, 10_000);
  await world.stop();
});

test("P5: ordering that is added, changed and taken away applies to what is waiting", async () => {
  const { world, sink } = await subscribed(byThree);
  sink.script = ({ offset }) => (offset < 3 ? refused : delivered);
  await world.publish(30);
  await world.run(300);
  const parity: KeyOf = (offset) => `p${offset % 2}`;
  sink.keyOf = parity;
  sink.newEra();
  world.update("s", { ordering: orderingBy("data.parity", parity) });
  await world.run(100);
  sink.keyOf = () => undefined;
  sink.newEra();
  world.update("s", { ordering: undefined });
  sink.script = () => delivered;
  await world.run(70_000, 1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 29));
  sink.keyOf = byThree;
  sink.newEra();
  sink.script = ({ offset }) => (offset === 30 ? answered(500) : delivered);
  world.update("s", { ordering: orderingBy("data.n", byThree) });
  await world.publish(6);
  await world.run(500);
  assert.deepEqual(deliveredOffsets(sink).slice(30), [31, 32, 34, 35]);
  sink.script = () => delivered;
  await world.run(5000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 35));
  await world.stop();
});

test("P4: an outage that refuses everything blocks no key", async () => {
  const { world, sink } = await subscribed((offset) => `k${offset % 20}`, "block");
  sink.script = () => final("rejected", 401);
  await world.publish(300);
  await world.run(5000);
  assert.equal(world.status("s").state, "failing");
  sink.script = () => delivered;
  await world.run(180_000, 1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 299));
  assert.equal(world.status("s").blocked.count, 0);
  await world.stop();
});
