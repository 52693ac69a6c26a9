import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answered,
  bus,
  delivered,
  deliveredOffsets,
  final,
  idsWhere,
  offsets,
  ScriptedSink,
  World,
} from "./harness.ts";

async function trim(world: World, before: number): Promise<void> {
  const preparing = world.delivery.prepareTrim(before);
  await world.run(500);
  await preparing;
  await world.log.trim(before);
}

test("retention keeps what is parked, dead, queued or in flight, and expires what is unread", async () => {
  const world = await World.open({ segmentRecords: 100 });
  const mixed = new ScriptedSink(world.clock, ({ offset }) => {
    if (offset === 5) return final("rejected", 400);
    if (offset === 6) return answered(500, 600_000);
    return offset < 10 ? delivered : "hang";
  });
  const paused = new ScriptedSink(world.clock);
  await world.subscribe("mixed", mixed, { filter: idsWhere((id) => id < 100) });
  await world.publish(30);
  await world.run(100);
  await world.subscribe("paused", paused, { paused: true, startOffset: 20 });
  await world.publish(270);
  await world.run(500);
  assert.equal(world.delivery.lowestUnsettled(), 6);

  await trim(world, 250);

  assert.equal(world.log.bounds().first, 200);
  const expired = world.status("paused");
  assert.equal(expired.counters.expired, 180);
  assert.deepEqual(expired.expiredRanges, [{ from: 20, to: 199, reason: "trimmed" }]);
  assert.equal(expired.position, 200);
  const [letter] = await world.letters("mixed");
  assert.equal(letter?.offset, 5);
  const rescued = await world.engine.consumerState.rescued(bus, offsets(0, 199));
  assert.deepEqual(
    rescued.map((record) => record.offset),
    [5, 6, ...offsets(10, 99)],
  );

  await world.crash();
  mixed.script = () => delivered;
  await world.start();
  world.update("paused", { paused: false });
  await world.run(700_000, 1000);
  assert.deepEqual(
    deliveredOffsets(mixed),
    offsets(0, 99).filter((offset) => offset !== 5),
  );
  assert.deepEqual(deliveredOffsets(paused), offsets(200, 299));
  assert.equal(world.status("mixed").counters.expired, 0);
  const left = await world.engine.consumerState.rescued(bus, offsets(0, 199));
  assert.deepEqual(
    left.map((record) => record.offset),
    [5],
    "what nobody names any more is dropped",
  );
  await world.stop();
});

test("ranges that retention takes one after the other are reported as one", async () => {
  const world = await World.open({ segmentRecords: 10 });
  await world.subscribe("s", new ScriptedSink(world.clock), { paused: true });
  await world.publish(100);
  await world.run(100);
  for (const before of [20, 30, 60]) await trim(world, before);
  const { expiredRanges, counters } = world.status("s");
  assert.deepEqual(expiredRanges, [{ from: 0, to: 59, reason: "trimmed" }]);
  assert.equal(counters.expired, 60);
  assert.equal(counters.pending, 40);
  await world.restart();
  assert.deepEqual(world.status("s").expiredRanges, expiredRanges);
  await world.stop();
});

test("a trim that was prepared but never made does no harm after a crash", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new ScriptedSink(world.clock, () => answered(500, 60_000));
  await world.subscribe("s", sink);
  await world.publish(40);
  await world.run(100);
  const preparing = world.delivery.prepareTrim(40);
  await world.run(500);
  await preparing;
  await world.restart();
  await trim(world, 40);
  sink.script = () => delivered;
  await world.run(120_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 39));
  assert.equal(world.status("s").counters.expired, 0);
  await world.stop();
});

test("a log trimmed behind the back of delivery is reported as expired, not passed in silence", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset === 3 ? answered(500, 60_000) : delivered,
  );
  await world.subscribe("s", sink);
  await world.publish(5);
  await world.run(100);
  world.update("s", { paused: true });
  await world.publish(45);
  await world.run(100);
  await world.log.trim(30);
  world.update("s", { paused: false });
  await world.run(120_000, 500);
  const { counters, expiredRanges } = world.status("s");
  assert.deepEqual(deliveredOffsets(sink), [0, 1, 2, 4, ...offsets(30, 49)]);
  assert.equal(counters.expired, 26);
  assert.deepEqual(expiredRanges, [
    { from: 5, to: 29, reason: "trimmed" },
    { from: 3, to: 3, reason: "trimmed" },
  ]);
  await world.stop();
});

test("damaged and jumped ranges are expired for those who wanted them, whoever reads", async () => {
  const gaps = [
    { from: 10, to: 19, reason: "damaged" as const },
    { from: 40, to: 44, reason: "jumped" as const },
  ];
  const world = await World.open({ faults: { gaps } });
  const member = new ScriptedSink(world.clock);
  const late = new ScriptedSink(world.clock);
  await world.subscribe("member", member);
  await world.publish(60);
  await world.run(200);
  await world.subscribe("late", late, { startOffset: 15 });
  await world.run(500);
  assert.deepEqual(world.status("member").expiredRanges, gaps);
  assert.equal(world.status("member").counters.expired, 15);
  assert.deepEqual(deliveredOffsets(member), [
    ...offsets(0, 9),
    ...offsets(20, 39),
    ...offsets(45, 59),
  ]);
  assert.deepEqual(world.status("late").expiredRanges, [{ ...gaps[0], from: 15 }, gaps[1]]);
  assert.deepEqual(deliveredOffsets(late), [...offsets(20, 39), ...offsets(45, 59)]);
  await world.stop();
});

test("what is being read alone while retention passes it is expired once", async () => {
  const world = await World.open({ segmentRecords: 10, faults: { cached: 0 } });
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { paused: true });
  await world.publish(50);
  await world.run(200);
  world.update("s", { paused: false });
  // The read is under way in this turn.
  await new Promise((resolve) => setImmediate(resolve));
  await trim(world, 30);
  await world.run(500);
  const { counters } = world.status("s");
  assert.equal(counters.delivered + counters.expired, 50);
  assert.equal(counters.delivered, sink.delivered.size);
  await world.stop();
});

test("what the group is reading while retention passes it is expired once", async () => {
  const world = await World.open({ segmentRecords: 10, faults: { cached: 0 } });
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  // When this resolves the log has just grown, and the group has begun to read from the disk.
  await world.publish(50);
  await trim(world, 30);
  await world.run(500);
  const { counters, expiredRanges } = world.status("s");
  assert.deepEqual(expiredRanges, [{ from: 0, to: 29, reason: "trimmed" }]);
  assert.deepEqual(deliveredOffsets(sink), offsets(30, 49));
  assert.equal(counters.expired, 30);
  await world.stop();
});
