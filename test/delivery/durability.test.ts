import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerError } from "../../src/kernel/errors.ts";
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

test("after a crash what was in flight and queued is attempted again, what was parked at its time", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) => {
    if (offset < 10) return delivered;
    return offset < 14 ? answered(500, 120_000) : "hang";
  });
  await world.subscribe("s", sink);
  await world.publish(200);
  await world.run(200);
  const before = world.status("s").counters;
  assert.deepEqual([before.delivered, before.parked, before.inFlight], [10, 4, 11]);
  await world.crash();
  sink.script = () => delivered;
  const sentBefore = sink.sent.length;
  await world.start();
  await world.run(1000);
  assert.deepEqual(deliveredOffsets(sink), [...offsets(0, 9), ...offsets(14, 199)]);
  assert(sink.sent.slice(sentBefore).every((one) => one.offset >= 14));
  assert.equal(world.status("s").counters.parked, 4);
  await world.run(150_000, 1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 199));
  const again = sink.sent.filter((one) => one.offset === 12);
  assert.deepEqual(
    again.map((one) => one.attempt),
    [1, 2],
  );
  assert.equal(world.status("s").counters.delivered, 200);
  await world.stop();
});

test("a crash repeats results of the last commit interval only", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  await world.publish(50);
  await world.run(100);
  await world.publish(7);
  // No virtual time passes, so no commit is due: these seven results exist in memory only.
  world.commitFault = () => new Promise(() => undefined);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(sink.delivered.size, 57);
  await world.restart();
  await world.run(500);
  assert.deepEqual(
    [...sink.delivered.entries()].filter(([, count]) => count > 1).map(([offset]) => offset),
    offsets(50, 56),
  );
  assert.equal(world.status("s").counters.delivered, 57);
  await world.stop();
});

test("a pause lasts across a restart, and resuming reads on where it stood", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  await world.publish(10);
  await world.run(100);
  world.update("s", { paused: true });
  await world.publish(10);
  await world.run(100);
  await world.restart();
  await world.publish(10);
  await world.run(60_000, 1000);
  assert.equal(sink.delivered.size, 10);
  const paused = world.status("s");
  assert.equal(paused.state, "paused");
  assert.equal(paused.counters.pending, 20);
  assert.equal(paused.position, 10);
  assert(paused.lag.seconds >= 60 && paused.lag.seconds < 90, `${paused.lag.seconds}`);
  world.update("s", { paused: false });
  await world.run(500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 29));
  await world.stop();
});

test("stop waits for what is under way, stores it, and leaves no timer behind", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) => (offset === 104 ? "hang" : delivered));
  await world.subscribe("s", sink);
  await world.publish(100);
  await world.run(500);
  sink.latencyMs = 80;
  await world.publish(10);
  const stopping = world.delivery.stop(1000);
  await world.publish(5);
  await world.run(2000);
  await stopping;
  assert.equal(sink.sent.length, 110);
  assert.equal(world.clock.timers, 0);
  await world.lease.release();
  sink.script = () => delivered;
  await world.start();
  await world.run(1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 114));
  assert(
    [...sink.delivered.values()].every((count) => count === 1),
    "only the hanging one was sent again",
  );
  await world.stop();
});

test("a commit that fails is made again and loses nothing", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) => {
    if (offset === 3) return final("rejected", 400);
    return offset === 4 ? answered(500, 3_600_000) : delivered;
  });
  await world.subscribe("s", sink);
  world.commitFault = () => Promise.reject(new BrokerError("storage_unavailable", "no disk"));
  await world.publish(10);
  await world.run(700);
  world.commitFault = undefined;
  await world.run(2000);
  await world.restart();
  await world.run(1000);
  const { counters } = world.status("s");
  assert.deepEqual([counters.delivered, counters.dead, counters.parked], [8, 1, 1]);
  assert.equal((await world.letters("s")).length, 1);
  assert([...sink.delivered.values()].every((count) => count === 1));
  await world.stop();
});

test("while results stay uncommitted for more than a second nothing new is attempted", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  let release: (() => void) | undefined;
  world.commitFault = () => new Promise((resolve) => (release = resolve));
  await world.publish(10);
  await world.run(1500);
  await world.publish(10);
  await world.run(1000);
  assert.equal(sink.sent.length, 10);
  world.commitFault = undefined;
  release?.();
  await world.run(200);
  assert.equal(sink.sent.length, 20);
  await world.stop();
});

test("a fenced commit ends delivery: nothing is attempted or stored any more", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  world.commitFault = () => Promise.reject(new BrokerError("fenced", "somebody else has it"));
  await world.publish(1);
  await world.run(100);
  const commits = world.commits;
  await world.publish(5);
  await world.run(5000);
  assert.equal(sink.sent.length, 1);
  assert.equal(world.commits, commits);
  assert.equal(world.clock.timers, 0);
  await assert.rejects(world.delivery.add(world.plan("t", sink)), { code: "stopping" });
  await world.delivery.stop(0);
});

test("a subscription that matches nothing is never written", async () => {
  const world = await World.open();
  const rows: string[] = [];
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("never", sink, { filter: idsWhere(() => false) });
  await world.subscribe("always", sink);
  world.onCommit = (changes) => rows.push(...changes.subscriptions.map((row) => row.subscription));
  await world.publish(100);
  await world.run(1000);
  assert(rows.includes("always"));
  assert(!rows.includes("never"));
  assert.equal(world.status("never").counters.filtered, 100);
  await world.stop();
});

test("the state of a subscription that is gone at start is deleted", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => answered(500));
  await world.subscribe("s", sink);
  await world.publish(3);
  await world.run(100);
  await world.crash();
  world.plans.clear();
  await world.start();
  await world.run(200);
  const state = await world.engine.consumerState.load(bus);
  assert.deepEqual(state.subscriptions, []);
  assert.deepEqual(state.parked, []);
  await world.stop();
});
