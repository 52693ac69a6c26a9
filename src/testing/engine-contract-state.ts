import assert from "node:assert/strict";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { changes, contractSuite, contractTest } from "./engine-store.ts";
import {
  bus,
  holder,
  letter,
  neverAborted,
  parked,
  plain,
  rescuedRecord,
  subscription,
} from "./engine-contract-rows.ts";

export function stateContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: consumer state`, () => {
    contractTest(make, "a bus without commits has no state", nothingYet);
    contractTest(make, "what was committed is loaded", commitAndLoad);
    contractTest(make, "a commit replaces rows and leaves the others alone", replaceRows);
    contractTest(make, "unsettled offsets come back, however many and far apart", unsettledLists);
    contractTest(make, "a refused commit changes nothing", refusedCommit);
    contractTest(make, "what the caller changes after commit was called is not stored", ownCopy);
    contractTest(make, "deleting a subscription deletes all it has", deleteSubscription);
    contractTest(make, "commits of several buses at once all take effect", manyBuses);
    contractTest(make, "durable state survives a reopen", stateAfterReopen);
    contractTest(make, "deleting the log deletes the state of the bus", deletedLog);
    contractTest(make, "close lets commits under way finish and refuses later ones", closing);
  });
}

async function nothingYet({ engine }: EngineUnderTest): Promise<void> {
  const { consumerState } = engine;
  const empty = { position: undefined, subscriptions: [], parked: [], replays: [], failures: [] };
  assert.deepEqual(await consumerState.load(bus), empty);
  await engine.log(bus);
  assert.deepEqual(await consumerState.load(bus), empty);
  assert.deepEqual(await consumerState.deadLetters(bus, { subscription: "s", limit: 10 }), []);
  assert.equal(await consumerState.deadLetter(bus, "s", "l"), undefined);
  assert.deepEqual(await consumerState.rescued(bus, [0, 1]), []);
  assert.deepEqual(await consumerState.named(bus, 0, 100), []);
}

async function commitAndLoad(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  const states = [subscription("s1"), subscription("s2", { position: 3, unsettled: [1, 2] })];
  const parkedRows = [parked("s1", 4), parked("s2", 0, { dueAt: 12.75 })];
  await commit({ position: 9, subscriptions: states, parked: parkedRows });
  const loaded = await consumerState.load(bus);
  assert.equal(loaded.position, 9);
  assert.deepEqual(plain(loaded.subscriptions), states);
  assert.deepEqual(plain(loaded.parked), parkedRows);
}

async function replaceRows(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({
    position: 5,
    subscriptions: [subscription("s1", { unsettled: [1] }), subscription("s2")],
    parked: [parked("s1", 1), parked("s1", 2), parked("s2", 1)],
  });
  const s1 = subscription("s1", { generation: 2, start: 4, position: undefined });
  await commit({
    subscriptions: [s1],
    parked: [parked("s1", 2, { attempts: 7 })],
    unparked: [
      { subscription: "s1", offset: 1 },
      { subscription: "s1", offset: 99 },
    ],
  });
  const loaded = await consumerState.load(bus);
  assert.equal(loaded.position, 5, "an absent position stays as it was");
  assert.deepEqual(plain(loaded.subscriptions), [s1, subscription("s2")]);
  assert.deepEqual(plain(loaded.parked), [parked("s1", 2, { attempts: 7 }), parked("s2", 1)]);
}

async function unsettledLists(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  const lists = [
    [],
    [0],
    [Number.MAX_SAFE_INTEGER],
    [0, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER],
    Array.from({ length: 10_000 }, (_, index) => 5_000_000_000 + index * 3),
  ];
  const rows = lists.map((unsettled, index) => subscription(`s${index}`, { unsettled }));
  await commit({ subscriptions: rows });
  assert.deepEqual(plain((await consumerState.load(bus)).subscriptions), rows);
}

async function refusedCommit(subject: EngineUnderTest): Promise<void> {
  const { lease, commit, consumerState } = await holder(subject);
  await commit({ position: 1, subscriptions: [subscription("s1")] });
  const before = await consumerState.load(bus);
  const refused = changes({
    position: 2,
    subscriptions: [subscription("s2")],
    parked: [parked("s1", 1)],
    deletedSubscriptions: ["s1"],
  });
  await assert.rejects(consumerState.commit(bus, lease.token + 1, refused), { code: "fenced" });
  assert.deepEqual(await consumerState.load(bus), before);
}

async function ownCopy(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  const unsettled = [1, 2];
  const rows = [subscription("s1", { unsettled })];
  const payload = Buffer.from("first");
  const parkedRows = [parked("s1", 0)];
  const rescued = [{ offset: 0, time: 1, hops: 0, payload }];
  const committed = commit({ subscriptions: rows, parked: parkedRows, rescued });
  unsettled.push(3);
  rows.push(subscription("s2"));
  payload.fill("x");
  await committed;
  assert.deepEqual(plain((await consumerState.load(bus)).subscriptions), [
    subscription("s1", { unsettled: [1, 2] }),
  ]);
  const [record] = await consumerState.rescued(bus, [0]);
  assert.equal(Buffer.from(record?.payload ?? []).toString(), "first");
}

async function deleteSubscription(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({
    subscriptions: [subscription("s1"), subscription("s2")],
    parked: [parked("s1", 1), parked("s2", 1)],
    deadLetters: [letter("s1", "l1", 2), letter("s2", "l1", 2)],
  });
  await commit({ deletedSubscriptions: ["s1", "unknown"] });
  const loaded = await consumerState.load(bus);
  assert.deepEqual(plain(loaded.subscriptions), [subscription("s2")]);
  assert.deepEqual(plain(loaded.parked), [parked("s2", 1)]);
  assert.deepEqual(await consumerState.deadLetters(bus, { subscription: "s1", limit: 9 }), []);
  assert.notEqual(await consumerState.deadLetter(bus, "s2", "l1"), undefined);
}

async function manyBuses(subject: EngineUnderTest): Promise<void> {
  const { engine } = subject;
  const { consumerState } = engine;
  const buses = Array.from({ length: 20 }, (_, index) => `bus${index}`);
  const leases = await Promise.all(
    buses.map(async (name) => {
      await engine.log(name);
      return engine.leases.acquire(name, neverAborted);
    }),
  );
  const results = await Promise.allSettled(
    leases.map(({ bus: name, token }, index) =>
      // Every third one has a precondition that fails; the others must not suffer.
      consumerState.commit(name, index % 3 === 0 ? 0 : token, changes({ position: index })),
    ),
  );
  for (const [index, name] of buses.entries()) {
    const isRefused = index % 3 === 0;
    assert.equal(results[index]?.status, isRefused ? "rejected" : "fulfilled");
    assert.equal((await consumerState.load(name)).position, isRefused ? undefined : index);
  }
}

async function stateAfterReopen(subject: EngineUnderTest): Promise<void> {
  if (!subject.store.isDurable) return;
  const { commit, consumerState } = await holder(subject);
  await commit({
    position: 7,
    subscriptions: [subscription("s1", { unsettled: [3, 5] })],
    parked: [parked("s1", 2)],
    deadLetters: [letter("s1", "l1", 1)],
    rescued: [rescuedRecord(1)],
  });
  const before = await consumerState.load(bus);
  const engine = await subject.reopen();
  await engine.log(bus);
  assert.deepEqual(await engine.consumerState.load(bus), before);
  assert.deepEqual(plain([await engine.consumerState.deadLetter(bus, "s1", "l1")]), [
    letter("s1", "l1", 1),
  ]);
  assert.equal((await engine.consumerState.rescued(bus, [1])).length, 1);
}

async function closing(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState, engine } = await holder(subject);
  const underWay = commit({ position: 1 });
  const closed = engine.close();
  await assert.rejects(commit({ position: 2 }), { code: "stopping" });
  await underWay;
  await closed;
  await assert.rejects(consumerState.load(bus), { code: "stopping" });
  await assert.rejects(engine.resources.list("bus"), { code: "stopping" });
  await assert.rejects(engine.deleteLog(bus), { code: "stopping" });
  await assert.rejects(engine.leases.acquire(bus, neverAborted), { code: "stopping" });
}

async function deletedLog(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState, engine } = await holder(subject);
  await commit({
    position: 3,
    subscriptions: [subscription("s1")],
    parked: [parked("s1", 1)],
    deadLetters: [letter("s1", "l1", 2)],
    rescued: [rescuedRecord(1)],
  });
  await engine.deleteLog(bus);
  await nothingYet(subject);
  assert.deepEqual(await consumerState.rescued(bus, [1]), []);
}
