import assert from "node:assert/strict";
import type { ResourceChange } from "../engine/engine.ts";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { contractSuite, contractTest } from "./engine-store.ts";

export function resourceContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: resources`, () => {
    contractTest(make, "what was put is got, with the revision put returned", putAndGet);
    contractTest(make, "put and delete compare the revision they expect", compareAndSet);
    contractTest(make, "of two puts that expect the same revision one wins", raceOfPuts);
    contractTest(make, "a list holds one kind, in the order of ids", listOrder);
    contractTest(make, "watch tells each change in order until it is disposed", watching);
    contractTest(make, "durable resources survive a reopen, revisions grow on", afterReopen);
  });
}

async function putAndGet({ engine }: EngineUnderTest): Promise<void> {
  const { resources } = engine;
  assert.equal(await resources.get("bus", "orders"), undefined);
  const value = '{"name":"orders","ä":"\\u0000 💧"}';
  const revision = await resources.put({ kind: "bus", id: "orders", value });
  assert.deepEqual(
    { ...(await resources.get("bus", "orders")) },
    {
      kind: "bus",
      id: "orders",
      revision,
      value,
    },
  );
  assert.equal(await resources.get("source", "orders"), undefined);
  await resources.delete("bus", "orders");
  assert.equal(await resources.get("bus", "orders"), undefined);
}

async function compareAndSet({ engine }: EngineUnderTest): Promise<void> {
  const { resources } = engine;
  const key = { kind: "subscription", id: "s1" } as const;
  const failed = { name: "BrokerError", code: "precondition_failed" };
  await assert.rejects(resources.put({ ...key, value: "{}", expect: 7 }), failed);
  const first = await resources.put({ ...key, value: "{}", expect: 0 });
  assert.ok(first > 0);
  await assert.rejects(resources.put({ ...key, value: "[]", expect: 0 }), failed);
  const second = await resources.put({ ...key, value: "[1]", expect: first });
  assert.ok(second > first);
  await assert.rejects(resources.put({ ...key, value: "[]", expect: first }), failed);
  await assert.rejects(resources.delete("subscription", "s1", first), failed);
  assert.equal((await resources.get("subscription", "s1"))?.value, "[1]");
  await resources.delete("subscription", "s1", second);
  await resources.delete("subscription", "s1");
  await assert.rejects(resources.delete("subscription", "s1", second), failed);
  const third = await resources.put({ ...key, value: "{}", expect: 0 });
  assert.ok(third > second, "a recreated resource has a revision of its own");
}

async function raceOfPuts({ engine }: EngineUnderTest): Promise<void> {
  const { resources } = engine;
  const put = (value: string): Promise<number> =>
    resources.put({ kind: "setting", id: "only", value, expect: 0 });
  const results = await Promise.allSettled([put("1"), put("2"), put("3")]);
  assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
}

async function listOrder({ engine }: EngineUnderTest): Promise<void> {
  const { resources } = engine;
  for (const id of ["b", "a-2", "c", "a"]) {
    await resources.put({ kind: "source", id, value: `"${id}"` });
  }
  await resources.put({ kind: "bus", id: "aa", value: "{}" });
  const ids = (await resources.list("source")).map((resource) => resource.id);
  assert.deepEqual(ids, ["a", "a-2", "b", "c"]);
  assert.deepEqual(await resources.list("token"), []);
}

async function watching({ engine }: EngineUnderTest): Promise<void> {
  const { resources } = engine;
  const seen: ResourceChange[] = [];
  const watch = resources.watch((change) => seen.push(change));
  const puts = ["1", "2", "3"].map((value) => resources.put({ kind: "bus", id: "b", value }));
  const revisions = await Promise.all(puts);
  await resources.delete("bus", "b");
  await resources.delete("bus", "b");
  assert.deepEqual(
    seen.map((change) => (change.change === "put" ? change.resource.value : change.change)),
    ["1", "2", "3", "delete"],
  );
  const [first] = seen;
  assert.ok(first?.change === "put" && first.resource.revision === revisions[0]);
  watch.dispose();
  await resources.put({ kind: "bus", id: "b", value: "4" });
  assert.equal(seen.length, 4);
}

async function afterReopen(subject: EngineUnderTest): Promise<void> {
  if (!subject.store.isDurable) return;
  const { resources } = subject.engine;
  await resources.put({ kind: "bus", id: "kept", value: "{}" });
  await resources.put({ kind: "bus", id: "gone", value: "{}" });
  const last = await resources.put({ kind: "bus", id: "kept", value: "[]" });
  await resources.delete("bus", "gone");
  const { resources: reopened } = await subject.reopen();
  assert.equal((await reopened.get("bus", "kept"))?.value, "[]");
  assert.equal((await reopened.list("bus")).length, 1);
  assert.ok((await reopened.put({ kind: "bus", id: "more", value: "{}" })) > last);
}
