import assert from "node:assert/strict";
import { test } from "node:test";
import type { GenerationTotals } from "../../src/api/api.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { limits } from "../../src/kernel/limits.ts";
import {
  answered,
  bus,
  delivered,
  deliveredOffsets,
  final,
  held,
  idsWhere,
  offsets,
  refused,
  ScriptedSink,
  turns,
  World,
} from "./harness.ts";

async function seek(world: World, goal: number, id = "s"): Promise<void> {
  const seeking = world.delivery.seek(id, goal);
  await world.run(200);
  await seeking;
}

/** P2 for a closed generation. */
function assertTotals(totals: GenerationTotals | undefined): asserts totals is GenerationTotals {
  assert(totals !== undefined);
  const sum = Object.values(totals.counters).reduce((all, count) => all + count, 0);
  assert.equal(sum, totals.offsets);
}

/** Offsets 0 to 9 delivered, 10 dead, 11 parked, 12 to 19 hanging, 20 to 29 unread as paused. */
async function mixedWorld(): Promise<{ world: World; sink: ScriptedSink }> {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new ScriptedSink(world.clock, ({ offset }) => {
    if (offset < 10) return delivered;
    if (offset === 10) return final("rejected", 400);
    return offset === 11 ? answered(500, 3_600_000) : "hang";
  });
  await world.subscribe("s", sink);
  await world.publish(20);
  await world.run(200);
  world.update("s", { paused: true });
  await world.publish(10);
  await world.run(200);
  return { world, sink };
}

test("P2: a seek back reads again from the goal, under new counters; the totals stay readable", async () => {
  const { world, sink } = await mixedWorld();
  const before = world.status("s");
  assert.deepEqual(before.counters, {
    delivered: 10,
    filtered: 0,
    dead: 1,
    discarded: 0,
    expired: 0,
    skipped: 0,
    parked: 1,
    inFlight: 8,
    pending: 10,
  });
  await seek(world, 5);
  const status = world.status("s");
  assert.deepEqual([status.generation, status.start, status.next], [2, 5, 30]);
  assert.equal(status.counters.pending, 25);
  const [previous] = status.previous;
  assertTotals(previous);
  const { delivered: got, dead, skipped, readAgain, filtered } = previous.counters;
  assert.deepEqual([got, dead, skipped, readAgain, filtered], [10, 1, 0, 19, 0]);
  assert.deepEqual([previous.generation, previous.start, previous.next], [1, 0, 30]);

  sink.script = () => delivered;
  world.update("s", { paused: false });
  await world.run(1000);
  assert.equal(world.status("s").counters.delivered, 25);
  assert.equal(sink.delivered.get(4), 1);
  assert.equal(sink.delivered.get(5), 2);
  await world.stop();
});

test("P2: what a seek ahead passes over is skipped: pending, parked and in flight", async () => {
  const { world, sink } = await mixedWorld();
  await seek(world, 25);
  const status = world.status("s");
  assert.deepEqual([status.generation, status.start, status.position], [2, 25, 25]);
  const [previous] = status.previous;
  assertTotals(previous);
  // 11 parked, 12 to 19 in flight, 20 to 24 unread.
  assert.equal(previous.counters.skipped, 14);
  assert.equal(previous.counters.readAgain, 5);
  sink.script = () => delivered;
  world.update("s", { paused: false });
  await world.run(500);
  assert.deepEqual(deliveredOffsets(sink), [...offsets(0, 9), ...offsets(25, 29)]);
  const { parked } = await world.engine.consumerState.load(bus);
  assert.deepEqual(parked, [], "the rows of parked events went with their generation");
  await world.stop();
});

test("results of an earlier generation are logged as attempts and settle nothing", async () => {
  const { world, sink } = await mixedWorld();
  await seek(world, 15);
  const attemptsBefore = world.attempts.length;
  for (const outcome of [refused, final("rejected", 400), final("gone", 410)]) {
    sink.hanging.shift()?.(outcome);
  }
  sink.releaseAll(delivered);
  await world.run(200);
  const late = world.attempts.slice(attemptsBefore).map(({ attempt }) => attempt);
  assert.deepEqual(
    late.map(({ offset, outcome, counted }) => [offset, outcome, counted]),
    [
      [12, "retry", false],
      [13, "retry", false],
      [14, "retry", false],
      ...offsets(15, 19).map((offset) => [offset, "delivered", undefined]),
    ],
  );
  assert(late.every(({ eventId, offset }) => eventId === String(offset)));
  const status = world.status("s");
  assert.equal(status.counters.pending, 15, "nothing was settled");
  assert.equal(status.previous[0]?.counters.delivered, 10);
  assert.deepEqual(world.gone, [], "an old 410 pauses nothing");
  assert.equal(status.lastErrors[0]?.offset, 14);
  assert.equal((await world.letters("s")).length, 1);
  await world.stop();
});

test("a crash before the commit of a seek finds the old generation whole, one after it the new", async () => {
  const { world, sink } = await mixedWorld();
  sink.script = () => "hang";
  let fails = true;
  world.commitFault = () =>
    fails ? Promise.reject(new BrokerError("storage_unavailable", "no disk")) : Promise.resolve();
  let isAnswered = false;
  const failing = world.delivery.seek("s", 3).then(
    () => (isAnswered = true),
    () => undefined,
  );
  await world.run(500);
  assert.equal(isAnswered, false, "durable before answered");
  await world.restart();
  await world.run(10_000, 500);
  await failing;
  const old = world.status("s");
  assert.deepEqual([old.generation, old.counters.delivered, old.counters.parked], [1, 10, 1]);

  fails = false;
  await seek(world, 3);
  await world.restart();
  const sought = world.status("s");
  assert.deepEqual([sought.generation, sought.start, sought.counters.parked], [2, 3, 0]);
  assert.equal(sought.counters.pending + sought.counters.inFlight, 27);
  assert.equal(sought.previous[0]?.counters.delivered, 10);
  const { subscriptions, parked } = await world.engine.consumerState.load(bus);
  assert.deepEqual(
    [subscriptions.map((row) => [row.generation, row.start]), parked],
    [[[2, 3]], []],
  );
  await world.stop();
});

test("a seek while a commit is failing leaves no parked row of the old generation behind", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => answered(500, 5000));
  await world.subscribe("s", sink);
  // One fewer than would open the circuit.
  await world.publish(4);
  await world.run(200);
  sink.script = () => delivered;
  let fail: ((error: Error) => void) | undefined;
  let hasRows = false;
  world.onCommit = ({ unparked }) => (hasRows = unparked.length > 0);
  world.commitFault = () =>
    hasRows ? new Promise((_resolve, reject) => (fail = reject)) : Promise.resolve();
  // The retries settle; the commit that deletes their rows is under way when the seek comes.
  await world.run(6000);
  assert.equal(world.status("s").counters.delivered, 4);
  const seeking = world.delivery.seek("s", 4);
  world.commitFault = undefined;
  assert(fail !== undefined, "the commit with the rows is under way");
  fail(new BrokerError("storage_unavailable", "no disk"));
  await world.run(3000);
  await seeking;
  assert.deepEqual((await world.engine.consumerState.load(bus)).parked, []);
  await world.restart();
  assert.deepEqual(world.status("s").counters.parked, 0);
  await world.stop();
});

test("a seek sends at once whoever was held, failing or waiting for a retry", async () => {
  for (const outcome of [held(429, 3_600_000), refused, answered(500, 3_600_000)]) {
    const world = await World.open();
    const sink = new ScriptedSink(world.clock, () => outcome);
    await world.subscribe("s", sink, { concurrency: 8 });
    await world.publish(20);
    await world.run(30_000, 500);
    const sentBefore = sink.sent.length;
    sink.script = () => delivered;
    const seeking = world.delivery.seek("s", 0);
    await turns(3);
    assert(sink.sent.length > sentBefore, "no time passed, yet something was sent");
    await world.run(2000);
    await seeking;
    assert.equal(world.status("s").counters.delivered, 20);
    assert.equal(world.status("s").state, "active");
    await world.stop();
  }
});

test("a consumer that is still down gets one attempt after a seek, not all at once", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  await world.subscribe("s", sink);
  await world.publish(200);
  await world.run(60_000, 500);
  const sentBefore = sink.sent.length;
  await seek(world, 0);
  assert.equal(sink.sent.length - sentBefore, 1);
  assert.equal(world.status("s").state, "failing");
  await world.stop();
});

test("a second seek at once counts as a generation of its own", async () => {
  const { world } = await mixedWorld();
  const first = world.delivery.seek("s", 25);
  const second = world.delivery.seek("s", 0);
  await world.run(300);
  await Promise.all([first, second]);
  const status = world.status("s");
  assert.deepEqual([status.generation, status.start], [3, 0]);
  assert.deepEqual(
    status.previous.map(({ generation, offsets: count }) => [generation, count]),
    [
      [2, 5],
      [1, 30],
    ],
  );
  await world.restart();
  assert.deepEqual(world.status("s").previous, status.previous);
  await world.stop();
});

test("only so many generations are listed; the oldest entry sums up the rest", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { filter: idsWhere((id) => id % 2 === 0) });
  await world.publish(10);
  await world.run(200);
  const count = limits.previousGenerationsMax + 5;
  for (let round = 0; round < count; round += 1) await seek(world, 0);
  const { previous, generation } = world.status("s");
  assert.equal(generation, count + 1);
  assert.equal(previous.length, limits.previousGenerationsMax);
  for (const totals of previous) assertTotals(totals);
  assert.equal(previous.at(-1)?.generations, 6);
  assert.equal(previous.at(-1)?.counters.delivered, 30);
  assert.equal(previous.at(-1)?.counters.filtered, 30);
  await world.stop();
});

test("letters of an earlier generation stay and count only there, also when they are deleted", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset < 3 ? final("rejected", 400) : delivered,
  );
  await world.subscribe("s", sink);
  await world.publish(10);
  await world.run(200);
  await seek(world, 1);
  assert.equal(world.status("s").counters.dead, 2);
  const letters = await world.letters("s");
  assert.deepEqual(letters.map(({ offset, generation }) => `${offset}/${generation}`).toSorted(), [
    "0/1",
    "1/1",
    "1/2",
    "2/1",
    "2/2",
  ]);
  for (const wanted of ["1/1", "2/2"]) {
    const letter =
      letters.find((one) => `${one.offset}/${one.generation}` === wanted)?.letter ?? "";
    const twice = [
      world.delivery.letters.discard("s", letter),
      world.delivery.letters.discard("s", letter),
    ];
    await world.run(200);
    assert.deepEqual(await Promise.all(twice), [true, false], "it counts once");
  }
  const check = (): void => {
    const { counters, previous } = world.status("s");
    assert.deepEqual([counters.dead, counters.discarded], [1, 1]);
    assertTotals(previous[0]);
    assert.deepEqual([previous[0].counters.dead, previous[0].counters.discarded], [2, 1]);
  };
  check();
  await world.restart();
  check();
  assert.equal((await world.letters("s")).length, 3);
  await world.stop();
});

test("a seek releases the records that only its generation had named", async () => {
  const { world } = await mixedWorld();
  const preparing = world.delivery.prepareTrim(20);
  await world.run(500);
  await world.log.trim(await preparing);
  const rescued = async (): Promise<number[]> =>
    (await world.engine.consumerState.rescued(bus, offsets(0, 19))).map(({ offset }) => offset);
  assert.deepEqual(await rescued(), offsets(10, 19));
  await seek(world, 30);
  assert.deepEqual(await rescued(), [10], "the dead letter still names its own");
  await world.stop();
});

test("a goal below what is kept, or about to be trimmed, is the oldest that may be read", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  await world.publish(40);
  await world.run(200);
  const preparing = world.delivery.prepareTrim(20);
  await turns(1);
  const seeking = world.delivery.seek("s", 0);
  await world.run(500);
  await world.log.trim(await preparing);
  await seeking;
  assert.equal(world.status("s").start, 20);
  await seek(world, 7);
  const { start, counters } = world.status("s");
  assert.deepEqual([start, counters.delivered, counters.expired], [20, 20, 0]);
  await world.stop();
});

test("a seek of one who lags behind, and of one about to be removed", async () => {
  const world = await World.open({ faults: { cached: 0 } });
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { paused: true });
  await world.subscribe("gone", sink);
  await world.publish(3000);
  await world.run(200);
  world.update("s", { paused: false });
  // The lag reader is reading for the old generation when the new one begins.
  await turns(1);
  const seeking = world.delivery.seek("s", 2900);
  const racing = world.delivery.seek("gone", 0);
  const removing = world.delivery.remove("gone");
  await world.run(2000);
  await Promise.all([seeking, racing, removing]);
  const { counters, previous } = world.status("s");
  assert.equal(counters.delivered, 100);
  assertTotals(previous[0]);
  assert.equal(previous[0].counters.skipped + previous[0].counters.delivered, 2900);
  const { subscriptions } = await world.engine.consumerState.load(bus);
  assert.deepEqual(
    subscriptions.map((row) => row.subscription),
    ["s"],
  );
  await assert.rejects(world.delivery.seek("gone", 0), { code: "subscription_not_found" });
  await world.stop();
});

test("what was being read for the old generation does not write its row again", async () => {
  const world = await World.open({ faults: { cached: 0 } });
  const sink = new ScriptedSink(world.clock, () => answered(500, 5000));
  await world.subscribe("s", sink);
  await world.publish(5);
  await world.run(500);
  assert.equal(world.status("s").counters.parked, 5);
  world.clock.advance(5000);
  // The retries are due and being read from the disk.
  const seeking = world.delivery.seek("s", 5);
  await world.run(2000);
  await seeking;
  await world.restart();
  assert.equal(world.status("s").generation, 2);
  await world.stop();
});
