import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventLog } from "../../src/engine/engine.ts";
import { createMemoryEngine } from "../../src/engine/engines.ts";
import {
  answered,
  bus,
  delivered,
  deliveredOffsets,
  final,
  offsets,
  ScriptedSink,
  World,
} from "./harness.ts";

/** The log as an older copy has it: the first events only. */
async function olderCopy(world: World, count: number): Promise<EventLog> {
  const engine = createMemoryEngine({ clock: world.clock, segmentRecords: 10 });
  const log = await engine.log(bus);
  const live = world.log;
  world.log = log;
  await world.publish(count);
  world.log = live;
  return log;
}

test("a log older than the state opens: generations close, nothing left is passed over", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const group = new ScriptedSink(world.clock, ({ offset }) => {
    if (offset === 12) return answered(500, 3_600_000);
    if (offset === 45) return answered(500, 3_600_000);
    return offset === 5 ? final("rejected", 400) : delivered;
  });
  const behind = new ScriptedSink(world.clock);
  const upToDate = new ScriptedSink(world.clock);
  await world.subscribe("group", group);
  await world.subscribe("behind", behind, { paused: true });
  await world.subscribe("current", upToDate);
  await world.publish(50);
  await world.run(300);
  await world.crash();

  world.log = await olderCopy(world, 20);
  group.script = () => delivered;
  await world.start();
  const restored = world.status("group");
  assert.deepEqual([restored.generation, restored.start, restored.next], [2, 12, 20]);
  const [previous] = restored.previous;
  assert.equal(previous?.reason, "log-lost");
  assert.equal(previous.counters.delivered, 47);
  assert.equal(previous.counters.dead, 1);
  assert.equal(previous.counters.expired, 1, "offset 45 was parked and is gone");
  assert.equal(previous.counters.readAgain, 1);
  assert.equal(world.status("behind").generation, 1, "what lies within the log stands");
  const current = world.status("current");
  assert.deepEqual([current.generation, current.start], [2, 20]);

  // Offsets from 20 on are given again, and whoever had read the lost ones reads the new ones.
  await world.publish(10);
  await world.restart();
  world.update("behind", { paused: false });
  await world.run(2000);
  assert.deepEqual(deliveredOffsets(behind), offsets(0, 29));
  assert.equal(world.status("group").counters.delivered, 18);
  assert.equal(world.status("current").counters.delivered, 10);
  assert((upToDate.delivered.get(25) ?? 0) >= 2, "once the lost event, then the new one");
  await world.stop();
});

test("the state of a lost log is stored before the bus takes a new event", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  await world.publish(50);
  await world.run(300);
  await world.crash();
  world.log = await olderCopy(world, 20);
  let release: (() => void) | undefined;
  world.commitFault = () => new Promise((resolve) => (release = resolve));
  let isStarted = false;
  const starting = world.start().then(() => (isStarted = true));
  await world.run(500);
  assert.equal(isStarted, false, "it waits for its commit");
  world.commitFault = undefined;
  release?.();
  await starting;
  // At once up to where the stored state had read: a crash now must not hide these.
  await world.publish(30);
  await world.restart();
  await world.run(1000);
  assert.equal(world.status("s").counters.delivered, 30);
  assert(offsets(20, 49).every((offset) => (sink.delivered.get(offset) ?? 0) >= 2));
  await world.stop();
});

test("a subscription made on a log that was lost begins at the end of the older one", async () => {
  const world = await World.open({ segmentRecords: 10 });
  await world.publish(20);
  world.plan("s", new ScriptedSink(world.clock), { startOffset: 35 });
  await world.restart();
  await world.run(100);
  assert.deepEqual([world.status("s").start, world.status("s").counters.pending], [20, 0]);
  await world.stop();
});

test("a state older than the log delivers again and reports what was trimmed since", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset === 3 ? answered(500, 3_600_000) : delivered,
  );
  await world.subscribe("s", sink);
  await world.publish(20);
  await world.run(300);
  await world.crash();
  // Meanwhile, with a newer state that is lost now, events came and others were trimmed.
  await world.publish(20);
  await world.log.trim(30);
  sink.script = () => delivered;
  await world.start();
  await world.run(7_200_000, 60_000);
  const { counters, expiredRanges } = world.status("s");
  assert.deepEqual([counters.delivered, counters.expired], [29, 11]);
  assert.deepEqual(expiredRanges, [
    { from: 20, to: 29, reason: "trimmed" },
    { from: 3, to: 3, reason: "trimmed" },
  ]);
  await world.stop();
});

test("events lost to a power cut below the reserved mark are expired where they were not settled", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) => {
    if (offset < 10) return delivered;
    return offset < 14 ? answered(500, 3_600_000) : "hang";
  });
  await world.subscribe("s", sink);
  await world.publish(20);
  await world.run(300);
  await world.crash();
  // With fsync interval or never the log goes on at the mark: 8 to 29 are reported as jumped.
  await world.publish(15);
  world.faults.gaps = [{ from: 8, to: 29, reason: "jumped" }];
  world.faults.cached = 0;
  sink.script = () => delivered;
  await world.start();
  await world.run(7_200_000, 60_000);
  const { counters } = world.status("s");
  // 0 to 9 were delivered, of which 8 and 9 are lost from the log; 10 to 29 are lost unsettled.
  assert.deepEqual([counters.delivered, counters.expired], [15, 20]);
  await world.stop();
});
