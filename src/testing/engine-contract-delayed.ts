import assert from "node:assert/strict";
import type { DelayedEvent, DelayedStore } from "../engine/engine.ts";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { contractSuite, contractTest } from "./engine-store.ts";
import { bus, plain } from "./engine-contract-rows.ts";
import { SeededRandom } from "./seeded-random.ts";

export function delayedContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: delayed events`, () => {
    contractTest(make, "delayed events are listed by due time, then id, page by page", pages);
    contractTest(make, "a list ends at its bytes, yet brings one event at least", byteLimit);
    contractTest(make, "a delayed event is got by its id until it is removed", byId);
    contractTest(make, "remove says which were there, and takes the others in its stride", removal);
    contractTest(make, "firedTo goes with a removal and never moves back", firedTo);
    contractTest(make, "the summary counts what waits, whatever came and went", summary);
    contractTest(make, "P1: delayed events and firedTo are there again after a reopen", reopen);
    contractTest(make, "events of a bus without a log are refused, its lists are empty", noLog);
    contractTest(make, "deleting the log of a bus deletes its delayed events", deletedBus);
    contractTest(make, "events can be changed by their owner as soon as add returns", ownMemory);
  });
}

const everything = { limit: 1000, bytes: 1_000_000_000 };

function delayed(id: string, dueAt: number, parts: Partial<DelayedEvent> = {}): DelayedEvent {
  const payload = new Uint8Array(Buffer.from(`payload of ${id}`));
  return { id, dueAt, createdAt: 1_767_225_600_000, hops: 0, payload, ...parts };
}

async function opened({ engine }: EngineUnderTest): Promise<DelayedStore> {
  await engine.log(bus);
  return engine.delayed;
}

function ids(events: readonly DelayedEvent[]): string[] {
  return events.map(({ id }) => id);
}

async function pages(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  const events = [delayed("z", 10), delayed("b", 20), delayed("c", 20), delayed("a", 30.5)];
  await store.add(bus, events.toReversed());
  const page = async (limit: number, after?: DelayedEvent): Promise<string[]> =>
    ids(await store.list(bus, { ...everything, limit, ...(after === undefined ? {} : { after }) }));
  assert.deepEqual(await page(3), ["z", "b", "c"]);
  assert.deepEqual(await page(3, events[1]), ["c", "a"]);
  assert.deepEqual(await page(3, delayed("bb", 20)), ["c", "a"], "a place need not exist");
  assert.deepEqual(await page(3, events[3]), []);
  assert.deepEqual(ids(await store.list(bus, { ...everything, dueBy: 20 })), ["z", "b", "c"]);
  assert.deepEqual(ids(await store.list(bus, { ...everything, dueBy: 9 })), []);
}

async function byteLimit(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  const payload = new Uint8Array(100);
  const events = ["a", "b", "c"].map((id, index) => delayed(id, index, { payload }));
  await store.add(bus, events);
  const within = async (bytes: number): Promise<string[]> =>
    ids(await store.list(bus, { limit: 10, bytes }));
  assert.deepEqual(await within(0), ["a"]);
  assert.deepEqual(await within(199), ["a"]);
  assert.deepEqual(await within(200), ["a", "b"]);
  assert.deepEqual(await within(300), ["a", "b", "c"]);
}

async function byId(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  const event = delayed("x", 1_767_225_600_123, { hops: 255, payload: new Uint8Array([0, 255]) });
  await store.add(bus, [event, delayed("y", 1)]);
  assert.deepEqual(plain([await store.get(bus, "x")]), [event]);
  await store.remove(bus, ["x"], undefined);
  assert.equal(await store.get(bus, "x"), undefined);
  assert.notEqual(await store.get(bus, "y"), undefined);
}

async function removal(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  await store.add(bus, [delayed("a", 1), delayed("b", 2), delayed("c", 3)]);
  assert.deepEqual([...(await store.remove(bus, ["c", "none", "a"], undefined))].toSorted(), [
    "a",
    "c",
  ]);
  assert.deepEqual(await store.remove(bus, ["c"], undefined), []);
  assert.deepEqual(ids(await store.list(bus, everything)), ["b"]);
}

async function firedTo(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  assert.equal((await store.summary(bus)).firedTo, 0);
  await store.add(bus, [delayed("a", 1)]);
  await store.remove(bus, ["a"], 7);
  assert.equal((await store.summary(bus)).firedTo, 7);
  await store.remove(bus, [], 5);
  await store.remove(bus, [], undefined);
  assert.equal((await store.summary(bus)).firedTo, 7);
}

async function summary(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  const seed = 4711;
  const random = new SeededRandom(seed);
  const model = new Map<string, DelayedEvent>();
  for (let step = 0; step < 60; step++) {
    if (random.chance(0.6)) {
      const events = Array.from({ length: random.integer(1, 5) }, (_, index) =>
        delayed(`${step}-${index}`, random.integer(1, 50), {
          payload: new Uint8Array(random.integer(0, 300)),
        }),
      );
      for (const event of events) model.set(event.id, event);
      await store.add(bus, events);
    } else {
      const gone = [...model.keys()].filter(() => random.chance(0.3));
      await store.remove(bus, [...gone, "never there"], undefined);
      for (const id of gone) model.delete(id);
    }
    const rows = [...model.values()];
    const due = rows.map(({ dueAt }) => dueAt);
    const found = await store.summary(bus);
    assert.deepEqual(
      { ...found },
      {
        count: rows.length,
        bytes: rows.reduce((sum, { payload }) => sum + payload.length, 0),
        nextDueAt: due.length === 0 ? undefined : Math.min(...due),
        firedTo: 0,
      },
      `seed ${seed}, step ${step}`,
    );
  }
}

async function reopen(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  const event = delayed("kept", 5, { hops: 3 });
  await store.add(bus, [event, delayed("gone", 4)]);
  await store.remove(bus, ["gone"], 12);
  const engine = await subject.reopen();
  if (!subject.store.isDurable) return;
  const { count, firedTo: mark } = await engine.delayed.summary(bus);
  assert.deepEqual({ count, mark }, { count: 1, mark: 12 });
  assert.deepEqual(plain(await engine.delayed.list(bus, everything)), [event]);
}

async function noLog({ engine }: EngineUnderTest): Promise<void> {
  const store = engine.delayed;
  await assert.rejects(store.add(bus, [delayed("a", 1)]), { code: "bus_not_found" });
  assert.deepEqual(await store.list(bus, everything), []);
  assert.equal(await store.get(bus, "a"), undefined);
  assert.deepEqual(await store.remove(bus, ["a"], 3), []);
  assert.equal((await store.summary(bus)).count, 0);
}

async function deletedBus(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  await subject.engine.log("other");
  await store.add(bus, [delayed("a", 1)]);
  await store.add("other", [delayed("a", 1)]);
  await store.remove(bus, [], 9);
  await subject.engine.deleteLog(bus);
  await subject.engine.log(bus);
  assert.deepEqual(await store.list(bus, everything), []);
  const { count, firedTo: mark } = await store.summary(bus);
  assert.deepEqual({ count, mark }, { count: 0, mark: 0 }, "a recreated bus is a new one");
  assert.equal((await store.summary("other")).count, 1);
}

async function ownMemory(subject: EngineUnderTest): Promise<void> {
  const store = await opened(subject);
  const shared = Buffer.from("xxpayloadxx");
  const adding = store.add(bus, [delayed("a", 1, { payload: shared.subarray(2, 9) })]);
  shared.fill(0);
  await adding;
  const event = await store.get(bus, "a");
  assert.equal(Buffer.from(event?.payload ?? []).toString(), "payload");
}
