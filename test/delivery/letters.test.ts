import assert from "node:assert/strict";
import { test } from "node:test";
import type { Replay } from "../../src/delivery/delivery.ts";
import { limits } from "../../src/kernel/limits.ts";
import {
  answered,
  anyLetter,
  bus,
  delivered,
  final,
  offsets,
  ScriptedSink,
  World,
} from "./harness.ts";
import type { Script } from "./harness.ts";

const all = {
  selection: { filter: anyLetter },
  ratePerSecond: undefined,
  sink: undefined,
} as const;

/** One in three is refused for good: too few in a row to open a circuit. */
const oneInThree: Script = ({ offset }) => (offset % 3 === 0 ? final("rejected", 400) : delivered);

async function withLetters(count: number): Promise<{ world: World; sink: ScriptedSink }> {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, oneInThree);
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(count * 3);
  await world.run(1000);
  assert.equal(world.status("s").counters.dead, count);
  sink.script = () => delivered;
  sink.sent.length = 0;
  return { world, sink };
}

function countsOf(world: World, of = "s"): Replay["counts"] {
  const [latest] = world.delivery.letters.replays(of);
  assert(latest !== undefined);
  return latest.replay.counts;
}

/** Begins it, with virtual time for whatever it waits for. */
async function wait<Value>(world: World, work: Promise<Value>): Promise<Value> {
  await world.run(200);
  return work;
}

test("a redrive parks each letter in the commit that deletes it, and the retry starts from 1 (P2)", async () => {
  const { world, sink } = await withLetters(3);
  const parked: number[] = [];
  world.onCommit = (changes) => {
    assert.equal(changes.deletedLetters.length, changes.parked.length, "together or not at all");
    parked.push(...changes.parked.map(({ offset }) => offset));
  };
  await wait(world, world.delivery.letters.redrive("s", all));
  await world.run(500);
  world.onCommit = undefined;
  assert.deepEqual(new Set(parked), new Set([0, 3, 6]));
  assert.deepEqual(
    sink.sent.map(({ attempt }) => attempt),
    [1, 1, 1],
  );
  assert.deepEqual(countsOf(world), {
    total: 3,
    redriven: 3,
    delivered: 3,
    dead: 0,
    other: 0,
    waiting: 0,
  });
  assert.equal(world.status("s").counters.delivered, 9);
  assert.deepEqual(await world.letters("s"), []);
  await world.stop();
});

test("a redrive holds its rate", async () => {
  const { world, sink } = await withLetters(20);
  await wait(world, world.delivery.letters.redrive("s", { ...all, ratePerSecond: 5 }));
  await world.run(2000);
  assert(sink.sent.length >= 9 && sink.sent.length <= 13, `${sink.sent.length} in 2.2 s at 5/s`);
  await world.run(3000);
  assert.equal(sink.sent.length, 20);
  await world.stop();
});

test("a redrive that crashes again and again takes each letter once and comes to its end", async () => {
  const { world, sink } = await withLetters(40);
  await wait(world, world.delivery.letters.redrive("s", { ...all, ratePerSecond: 20 }));
  const crashes = 6;
  for (let crash = 0; crash < crashes; crash += 1) {
    await world.run(150 + crash * 37);
    await world.restart();
  }
  await world.run(5000);
  assert.deepEqual(countsOf(world), {
    total: 40,
    redriven: 40,
    delivered: 40,
    dead: 0,
    other: 0,
    waiting: 0,
  });
  assert.deepEqual(
    [...new Set(sink.sent.map(({ offset }) => offset))].toSorted((a, b) => a - b),
    offsets(0, 39).map((index) => index * 3),
  );
  // A crash repeats what was not committed, one commit interval of it, and nothing else.
  assert(sink.sent.length <= 40 + crashes * 5, `${sink.sent.length} attempts`);
  assert.deepEqual(await world.letters("s"), []);
  await world.stop();
});

test("letters of an earlier generation are delivered outside the counters of the present one (P2)", async () => {
  const { world, sink } = await withLetters(5);
  const next = world.log.bounds().next;
  await wait(world, world.delivery.seek("s", next));
  await wait(world, world.delivery.letters.redrive("s", all));
  await world.run(500);
  assert.deepEqual(new Set(sink.sent.map(({ offset }) => offset)), new Set([0, 3, 6, 9, 12]));
  assert.equal(sink.sent.length, 5);
  const { counters, previous } = world.status("s");
  assert.deepEqual([counters.delivered, counters.dead, counters.parked], [0, 0, 0]);
  assert.deepEqual([previous[0]?.counters.delivered, previous[0]?.counters.dead], [15, 0]);
  assert.equal(countsOf(world).delivered, 5);
  await world.stop();
});

test("a letter is moved once, whoever wants it at the same time", async () => {
  const { world } = await withLetters(10);
  const { letters } = world.delivery;
  const letter = (await world.letters("s"))[0]?.letter ?? "";
  const [first, second, purged] = await wait(
    world,
    Promise.all([
      letters.discard("s", letter),
      letters.discard("s", letter),
      letters.purge("s", anyLetter, 4),
      letters.redrive("s", all),
    ]),
  );
  await world.run(1000);
  assert.equal(Number(first) + Number(second), 1);
  const { counters } = world.status("s");
  assert.equal(counters.dead, 0);
  assert.equal(counters.discarded + counters.delivered, 30);
  assert.equal(counters.discarded, 1 + Number(purged));
  await world.stop();
});

test("a seek under a replay leaves nothing waiting for ever", async () => {
  const { world, sink } = await withLetters(5);
  sink.script = () => "hang";
  await wait(world, world.delivery.letters.redrive("s", all));
  await wait(world, world.delivery.seek("s", 0));
  sink.script = () => delivered;
  sink.releaseAll(delivered);
  await world.run(1000);
  const [latest] = world.delivery.letters.replays("s");
  assert.equal(latest?.replay.end, "done");
  assert.deepEqual([latest?.replay.counts.other, latest?.replay.counts.waiting], [5, 0]);
  await world.stop();
});

test("old letters are warned of, then discarded, and that is counted (P2)", async () => {
  const { world } = await withLetters(2);
  const day = 86_400_000;
  await world.run(25 * day, day / 4);
  assert.match(
    world.delivery.letters.stock("s").warnings[0] ?? "",
    /25 days old.*deadLetterAgeMsMax/,
  );
  await world.run(6 * day, day / 4);
  const { dead, discarded } = world.status("s").counters;
  assert.deepEqual([dead, discarded], [0, 2]);
  assert.deepEqual(world.delivery.letters.stock("s").warnings, []);
  await world.stop();
});

test("every failure is logged, the first success after it, and then one in ten seconds", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { concurrency: 1 });
  const logged = async (): Promise<string[]> => {
    await world.run(200);
    const rows = await world.engine.consumerState.attempts(bus, {
      ...anyAttempt,
      subscription: "s",
    });
    return rows.map(({ offset, outcome }) => `${offset} ${outcome}`).toReversed();
  };
  await world.publish(5);
  assert.deepEqual(await logged(), ["0 delivered"]);
  sink.script = ({ offset }) => (offset === 6 ? final("rejected", 400) : delivered);
  await world.publish(4);
  assert.deepEqual(await logged(), ["0 delivered", "6 dead", "7 delivered"]);
  await world.run(limits.attemptSampleIntervalMs);
  await world.publish(2);
  assert.deepEqual((await logged()).slice(3), ["9 delivered"]);
  await world.restart();
  assert.equal(world.status("s").lastErrors[0]?.offset, 6, "status knows the last errors again");
  assert.equal(world.status("s").lastErrors[0]?.status, 400);
  await world.stop();
});

const anyAttempt = {
  eventId: undefined,
  offset: undefined,
  outcome: undefined,
  status: undefined,
  since: undefined,
  before: undefined,
  below: undefined,
  limit: 1000,
};

test("each place of an event is told: before the start, pending, waiting, in flight, parked, expired", async () => {
  const world = await World.open({ segmentRecords: 10 });
  const sink = new ScriptedSink(world.clock, () => "hang");
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(3);
  await world.run(100);
  const placeOf = (offset: number): string => world.delivery.placeOf("s", offset).where.place;
  assert.deepEqual([placeOf(0), placeOf(1)], ["inFlight", "waiting"]);
  sink.script = () => delivered;
  sink.releaseAll(answered(500));
  await world.run(100);
  const parked = world.delivery.placeOf("s", 0);
  assert.deepEqual([parked.where.place, parked.history.length], ["parked", 1]);
  assert.equal(placeOf(1), "settled");
  await wait(world, world.delivery.seek("s", 2));
  const before = world.delivery.placeOf("s", 1);
  assert.deepEqual([before.where.place, before.previous.length], ["beforeStart", 1]);
  world.update("s", { paused: true });
  await world.publish(30);
  await world.run(100);
  assert.equal(placeOf(20), "pending");
  await wait(world, world.delivery.prepareTrim(20));
  const gone = world.delivery.placeOf("s", 12).where;
  assert.deepEqual(gone.place === "expired" ? [gone.from, gone.reason] : [], [3, "trimmed"]);
  await world.stop();
});
