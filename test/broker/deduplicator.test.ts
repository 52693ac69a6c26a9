/** P1, P2: the door of a bus with deduplication, with a log whose outcomes the test decides. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DeduplicatedBus } from "../../src/broker/deduplications.ts";
import { Deduplications } from "../../src/broker/deduplications.ts";
import type { DeduplicatorOptions, UnkeyedRecord } from "../../src/broker/deduplicator.ts";
import { Deduplicator } from "../../src/broker/deduplicator.ts";
import type { PublishOutcome } from "../../src/broker/publisher.ts";
import type { AppendCallback, EncodedRecord, EventLog } from "../../src/engine/engine.ts";
import { createMemoryEngine } from "../../src/engine/memory/memory-engine.ts";
import { decodeStructured } from "../../src/event/json-format.ts";
import { encodeEvent } from "../../src/event/stored-form.ts";
import type { ErrorCode } from "../../src/kernel/error-codes.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const MINUTE = 60_000;

/** A memory log that waits for the test to say what becomes of each append. */
interface HeldLog {
  readonly log: EventLog;
  readonly held: number;
  /** The oldest append is stored, or fails. */
  readonly settleNext: (failure?: ErrorCode) => Promise<void>;
}

async function heldLog(clock: FakeClock): Promise<HeldLog> {
  const engine = createMemoryEngine({ clock });
  await engine.open();
  const log = await engine.log("bus");
  const held: { records: readonly EncodedRecord[]; settled: AppendCallback }[] = [];
  const append: EventLog["append"] = (records, settled) => void held.push({ records, settled });
  return {
    log: new Proxy(log, {
      get: (target, name) => {
        if (name === "append") return append;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    }),
    get held() {
      return held.length;
    },
    async settleNext(code) {
      const next = held.shift();
      assert.ok(next !== undefined, "an append waits");
      const { promise, resolve } = Promise.withResolvers<void>();
      const settled: AppendCallback = (failure, first) => {
        next.settled(failure, first);
        resolve();
      };
      if (code === undefined) log.append(next.records, settled);
      else settled(new BrokerError(code, `the test says ${code}`), 0);
      await promise;
      await turn();
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Answer {
  readonly failure: BrokerError | undefined;
  readonly offsets: readonly (number | null)[];
  readonly duplicates: readonly number[];
}

function record(id: string, data = "x"): UnkeyedRecord {
  const text = JSON.stringify({ specversion: "1.0", id, source: "/s", type: "t", data });
  const reading = decodeStructured(Buffer.from(text));
  assert.ok(reading.ok);
  return { event: reading.event, payload: encodeEvent(reading.event), hops: 0 };
}

interface Setup extends HeldLog {
  readonly clock: FakeClock;
  readonly door: Deduplicator;
  readonly said: string[];
  readonly publish: (...records: UnkeyedRecord[]) => { answer: Answer | undefined };
}

async function setUp(
  settings = { windowMs: 10 * MINUTE, maxKeys: 1000 },
  given: Partial<DeduplicatorOptions> = {},
): Promise<Setup> {
  const clock = new FakeClock();
  const held = await heldLog(clock);
  const said: string[] = [];
  const logger = { ...silentLogger, warn: (_: unknown, text: string) => void said.push(text) };
  const options = { bus: "bus", log: held.log, clock, random: new SeededRandom(1), logger };
  const door = new Deduplicator({ ...options, budget: { keys: 0, keysMax: 1e6 }, ...given });
  await door.change(settings, () => Promise.resolve());
  return {
    log: held.log,
    settleNext: (code) => held.settleNext(code),
    get held() {
      return held.held;
    },
    clock,
    door,
    said,
    publish: (...records) => {
      const box: { answer: Answer | undefined } = { answer: undefined };
      door.publish(records, (failure, first, outcome) => {
        assert.equal(box.answer, undefined, "answered once");
        box.answer = answerOf(records.length, { failure, first, outcome });
      });
      assert.equal(box.answer, undefined, "never answered before publish has returned");
      return box;
    },
  };
}

interface Settled {
  readonly failure: BrokerError | undefined;
  readonly first: number;
  readonly outcome: PublishOutcome | undefined;
}

function answerOf(count: number, { failure, first, outcome }: Settled): Answer {
  if (failure !== undefined) return { failure, offsets: [], duplicates: [] };
  const offsets = outcome?.offsets ?? Array.from({ length: count }, (_, index) => first + index);
  return { failure, offsets, duplicates: outcome?.duplicates ?? [] };
}

const stored = (...offsets: number[]): Answer => ({ failure: undefined, offsets, duplicates: [] });
const duplicateOf = (offset: number): Answer => ({
  failure: undefined,
  offsets: [offset],
  duplicates: [0],
});

test("P1: a duplicate of a publish in flight is answered only once that one is durable", async () => {
  const { publish, settleNext } = await setUp();
  const first = publish(record("a"));
  const second = publish(record("a"));
  await turn();
  assert.equal(second.answer, undefined);
  await settleNext();
  assert.deepEqual(first.answer, stored(0));
  assert.deepEqual(second.answer, duplicateOf(0));
});

for (const code of ["disk_full", "storage_unavailable", "overloaded"] as const) {
  test(`P1: when the first fails with ${code}, the next that waits takes its place`, async () => {
    const setup = await setUp();
    const answers = [1, 2, 3].map(() => setup.publish(record("a")));
    assert.equal(setup.held, 1);
    await setup.settleNext(code);
    assert.equal(answers[0]?.answer?.failure?.code, code);
    assert.deepEqual([answers[1]?.answer, setup.held], [undefined, 1]);
    await setup.settleNext();
    assert.deepEqual(answers[1]?.answer, stored(0));
    assert.deepEqual(answers[2]?.answer, duplicateOf(0));
  });
}

test("P1: of an outcome that nobody knows those that wait are told so too, and a retry goes in", async () => {
  const { publish, settleNext } = await setUp();
  const answers = [1, 2].map(() => publish(record("a")));
  await settleNext("outcome_unknown");
  for (const { answer } of answers) assert.equal(answer?.failure?.code, "outcome_unknown");
  const retry = publish(record("a"));
  await settleNext();
  assert.deepEqual(retry.answer, stored(0));
});

test("an id that comes with other content while the first is in flight is refused once that is stored", async () => {
  const { publish, settleNext } = await setUp();
  publish(record("a", "one"));
  const other = publish(record("a", "two"));
  await settleNext();
  assert.equal(other.answer?.failure?.code, "id_reused");
});

test("an id that comes with other content is stored when the first was not", async () => {
  const { publish, settleNext } = await setUp();
  publish(record("a", "one"));
  const other = publish(record("a", "two"));
  await settleNext("disk_full");
  await settleNext();
  assert.deepEqual(other.answer, stored(0));
  const again = publish(record("a", "one"));
  await turn();
  assert.equal(again.answer?.failure?.code, "id_reused");
});

test("a batch stores what is new in its order, and names what is not with the offsets of the firsts", async () => {
  const { publish, settleNext } = await setUp();
  publish(record("a"), record("b"));
  await settleNext();
  const batch = publish(record("c"), record("b"), record("d"), record("c"), record("a"));
  await settleNext();
  assert.deepEqual(batch.answer, {
    failure: undefined,
    offsets: [2, 1, 3, 2, 0],
    duplicates: [1, 3, 4],
  });
  const allKnown = publish(record("d"), record("c"));
  await turn();
  assert.deepEqual(allKnown.answer, { failure: undefined, offsets: [3, 2], duplicates: [0, 1] });
});

test("a batch with reused ids names each of them, and stores nothing", async () => {
  const setup = await setUp();
  setup.publish(record("a", "one"));
  await setup.settleNext();
  const batch = setup.publish(
    record("new"),
    record("a", "two"),
    record("b", "one"),
    record("b", "two"),
  );
  await turn();
  const failure = batch.answer?.failure;
  assert.equal(failure?.code, "id_reused");
  assert.deepEqual(
    failure.violations.map(({ path, code, index }) => ({ path, code, index })),
    [
      { path: "id", code: "id_reused", index: 1 },
      { path: "id", code: "id_reused", index: 3 },
    ],
  );
  assert.match(failure.violations[0]?.message ?? "", /"a".*"\/s".*offset 0/);
  assert.match(failure.violations[1]?.message ?? "", /event 2 of this batch/);
  assert.deepEqual([setup.held, setup.log.bounds().next], [0, 1]);
});

test("a batch waits for everything of it that is in flight, and is stored or refused as a whole", async () => {
  const { publish, settleNext } = await setUp();
  publish(record("a"));
  publish(record("b"));
  const batch = publish(record("b"), record("new"), record("a"));
  await settleNext();
  assert.equal(batch.answer, undefined);
  await settleNext("disk_full");
  assert.equal(batch.answer, undefined);
  await settleNext();
  assert.deepEqual(batch.answer, { failure: undefined, offsets: [1, 2, 0], duplicates: [2] });
});

test("an identity is known for the window and not longer, whatever the wall clock does", async () => {
  const { publish, settleNext, clock } = await setUp();
  publish(record("a"));
  await settleNext();
  for (const jump of [-400 * 86_400_000, 800 * 86_400_000]) {
    clock.jumpWall(jump);
    clock.advance(4 * MINUTE);
    const again = publish(record("a"));
    await turn();
    assert.deepEqual(again.answer, duplicateOf(0));
  }
  clock.advance(2 * MINUTE + 1);
  const late = publish(record("a"));
  await settleNext();
  assert.deepEqual(late.answer, stored(1));
});

test("P7: an idle bus lets go of keys that are over, and gives the budget back", async () => {
  const budget = { keys: 0, keysMax: 1e6 };
  const { publish, settleNext, clock, door } = await setUp(undefined, { budget });
  publish(record("a"), record("b"));
  await settleNext();
  assert.deepEqual([door.counts.keys, budget.keys], [2, 2]);
  clock.advance(10 * MINUTE + 2000);
  assert.deepEqual([door.counts.keys, budget.keys], [0, 0]);
  publish(record("c"));
  await settleNext();
  door.close();
  door.close();
  assert.deepEqual([budget.keys, clock.timers], [0, 0]);
});

test("P2, P7: at maxKeys the oldest go first, and that is counted and said once a minute", async () => {
  const { publish, settleNext, door, said, clock } = await setUp({
    windowMs: 10 * MINUTE,
    maxKeys: 2,
  });
  for (const id of ["a", "b", "c", "d"]) {
    publish(record(id));
    await settleNext();
  }
  assert.equal(door.counts.evicted, 2);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? "", /raise deduplication\.maxKeys/);
  const kept = publish(record("c"));
  const forgotten = publish(record("a"));
  await settleNext();
  assert.deepEqual([kept.answer, forgotten.answer], [duplicateOf(2), stored(4)]);
  clock.advance(MINUTE);
  publish(record("e"));
  await settleNext();
  assert.equal(said.length, 2);
});

test("P7: keys that are over make room without being counted as forgotten early", async () => {
  const { publish, settleNext, door, clock } = await setUp({ windowMs: MINUTE, maxKeys: 2 });
  for (const id of ["a", "b", "c"]) {
    publish(record(id));
    await settleNext();
    clock.advance(MINUTE + 1);
  }
  assert.equal(door.counts.evicted, 0);
});

test("P7: keys that are over go for want of budget without being counted as forgotten early", async () => {
  const budget = { keys: 0, keysMax: 10 };
  const { publish, settleNext, door, clock } = await setUp(
    { windowMs: 1500, maxKeys: 100 },
    { budget },
  );
  publish(...Array.from({ length: 10 }, (_, index) => record(`${index}`)));
  await settleNext();
  clock.advance(1600);
  budget.keys = 100;
  publish(record("late"));
  await settleNext();
  assert.deepEqual([door.counts.evicted, door.counts.keys], [0, 6]);
});

test("switching off waits for what is in flight, so that switching on again finds its key", async () => {
  const { log, settleNext, clock } = await setUp();
  const options = { clock, random: new SeededRandom(3), logger: silentLogger };
  const deduplications = new Deduplications(options);
  const settings = { window: "10m", maxKeys: 10 };
  const deduplicator = await deduplications.open("bus", log, settings);
  assert.ok(deduplicator !== undefined);
  const bus: DeduplicatedBus = { name: "bus", log, deduplicator };
  const offsets: number[] = [];
  deduplicator.publish([record("a")], (_, offset) => offsets.push(offset));
  let isOff = false;
  const off = deduplications.change(bus, null, () => Promise.resolve()).then(() => (isOff = true));
  for (let turns = 0; turns < 5; turns++) await turn();
  assert.deepEqual([isOff, bus.deduplicator], [false, undefined]);
  await settleNext();
  await off;
  await deduplications.change(bus, settings, () => Promise.resolve());
  assert.deepEqual([offsets, bus.deduplicator?.counts.keys], [[0], 1]);
});

test("P7: over the budget of all buses a bus lets go of its own oldest", async () => {
  const budget = { keys: 5, keysMax: 7 };
  const { publish, settleNext, door } = await setUp(undefined, { budget });
  for (const id of ["a", "b", "c"]) {
    publish(record(id));
    await settleNext();
  }
  assert.deepEqual([door.counts.keys, door.counts.evicted, budget.keys], [2, 1, 7]);
});

test("what was published through the door is known after it is opened again, what came by it is not", async () => {
  const first = await setUp();
  first.publish(record("a"), record("b"));
  await first.settleNext();
  first.clock.advance(MINUTE);
  first.publish(record("c"));
  await first.settleNext();
  const { log, clock } = first;
  const plain = { ...record("plain"), facts: undefined };
  log.append([plain], () => undefined);
  await first.settleNext();
  first.door.close();

  const options = { bus: "bus", log, clock, random: new SeededRandom(2), logger: silentLogger };
  const again = new Deduplicator({ ...options, budget: { keys: 0, keysMax: 10 } });
  await again.change({ windowMs: 2 * MINUTE, maxKeys: 2 }, () => Promise.resolve());
  assert.deepEqual(again.counts, { duplicates: 0, evicted: 0, keys: 2 });
  const answers: unknown[] = [];
  const publish = (one: UnkeyedRecord): void =>
    again.publish([one], (_, offset, outcome) => answers.push(outcome?.offsets ?? offset));
  for (const id of ["b", "c"]) publish(record(id));
  await turn();
  assert.deepEqual(answers, [[1], [2]]);
  // Ages go on where they were: b is over a minute before c is.
  clock.advance(MINUTE + 1);
  publish(record("c"));
  await turn();
  publish(record("b"));
  await first.settleNext();
  assert.deepEqual(answers.slice(2), [[2], 4]);
});

test("while settings change publishes wait, and what came just before is known to the new window", async () => {
  const { publish, settleNext, door, clock } = await setUp({ windowMs: MINUTE, maxKeys: 10 });
  publish(record("old"));
  await settleNext();
  clock.advance(2 * MINUTE);
  const inFlight = publish(record("a"));
  const persisted = Promise.withResolvers<void>();
  const change = door.change({ windowMs: 5 * MINUTE, maxKeys: 10 }, () => persisted.promise);
  const held = [publish(record("a")), publish(record("old"))];
  for (let turns = 0; turns < 20; turns++) await turn();
  await settleNext();
  assert.deepEqual(inFlight.answer, stored(1));
  await turn();
  assert.deepEqual(
    held.map(({ answer }) => answer),
    [undefined, undefined],
  );
  persisted.resolve();
  await change;
  await turn();
  // The wider window knows again what the narrow one had forgotten.
  assert.deepEqual(
    held.map(({ answer }) => answer),
    [duplicateOf(1), duplicateOf(0)],
  );
});

test("settings that cannot be stored change nothing, and nobody waits for them", async () => {
  const { publish, settleNext, door } = await setUp();
  publish(record("a"));
  await settleNext();
  const change = door.change({ windowMs: 1, maxKeys: 1 }, () =>
    Promise.reject(new BrokerError("storage_unavailable", "no")),
  );
  const held = publish(record("a"));
  await assert.rejects(change, { code: "storage_unavailable" });
  await turn();
  assert.deepEqual(held.answer, duplicateOf(0));
  assert.deepEqual(door.settings, { windowMs: 10 * MINUTE, maxKeys: 1000 });
});

test("P1: what was acknowledged before is dropped as a duplicate, but never refused for a reused id", async () => {
  const { door, publish, settleNext, log } = await setUp();
  publish(record("a", "one"));
  await settleNext();
  const outcomes: unknown[] = [];
  const delayed = [record("a", "one"), record("a", "two"), record("b")];
  door.publishAccepted(
    delayed.map((each, index) => ({ ...each, delayedId: `d${index}` })),
    (failure, _, outcome) => outcomes.push(failure ?? outcome),
  );
  await settleNext();
  assert.deepEqual(outcomes, [
    { offsets: [0, 1, 2], duplicates: [0], delayed: [null, null, null] },
  ]);
  assert.equal(log.bounds().next, 3);
  const known = publish(record("a", "one"));
  await turn();
  assert.deepEqual(known.answer, duplicateOf(0));
});

test("P1, P2: whatever fails and whoever waits, each content is stored once and each answer is true", async (t) => {
  const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`MILLRACE_SEED=${seed}`);
  const id = fc.constantFrom("a", "b", "c", "d");
  const action = fc.oneof(
    fc.record({
      publish: fc.array(fc.tuple(id, fc.constantFrom("x", "x", "x", "y")), {
        minLength: 1,
        maxLength: 4,
      }),
    }),
    fc.record({
      settle: fc.constantFrom(undefined, undefined, "disk_full", "outcome_unknown"),
    }),
  );
  const property = fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
    const setup = await setUp();
    const published: { records: UnkeyedRecord[]; box: { answer: Answer | undefined } }[] = [];
    const durable = new Set<number>();
    for (const each of actions) {
      if ("publish" in each) {
        const records = each.publish.map(([name, data]) => record(name, data));
        published.push({ records, box: setup.publish(...records) });
      } else if (setup.held > 0) {
        await setup.settleNext(each.settle as ErrorCode | undefined);
      }
      await turn();
      for (let offset = durable.size; offset < setup.log.bounds().next; offset++)
        durable.add(offset);
      for (const { box } of published) {
        for (const offset of box.answer?.offsets ?? []) assert.ok(durable.has(offset ?? -1));
      }
    }
    while (setup.held > 0) await setup.settleNext();
    await turn();
    await check(setup, published);
  });
  await fc.assert(property, { numRuns: 150, seed });
});

async function check(
  { log }: Setup,
  published: readonly { records: UnkeyedRecord[]; box: { answer: Answer | undefined } }[],
): Promise<void> {
  const batch = await log.read(0, { records: 1000, bytes: 1e9 });
  const payloads = batch.starts.map((start, index) =>
    batch.buffer.subarray(start, batch.ends[index]).toString("latin1"),
  );
  assert.equal(new Set(payloads).size, payloads.length, "nothing is stored twice");
  const fresh: number[] = [];
  for (const { records, box } of published) {
    assert.ok(box.answer !== undefined, "everybody is answered");
    const { offsets, duplicates } = box.answer;
    for (const [index, offset] of offsets.entries()) {
      const payload = Buffer.from(records[index]?.payload ?? []).toString("latin1");
      assert.equal(payloads[offset ?? -1], payload, "the offset is that of the event");
      if (!duplicates.includes(index)) fresh.push(offset ?? -1);
    }
  }
  assert.equal(
    new Set(fresh).size,
    fresh.length,
    "one publisher stored it, the others repeated it",
  );
}
