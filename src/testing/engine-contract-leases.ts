import assert from "node:assert/strict";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { changes, contractSuite, contractTest } from "./engine-store.ts";
import { bus, holder, neverAborted } from "./engine-contract-rows.ts";

export function leaseContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: leases`, () => {
    contractTest(make, "each lease has a higher token than those before", growingTokens);
    contractTest(make, "a lease is held by one at a time, in the order of asking", oneHolder);
    contractTest(make, "waiting for a lease can be given up", givenUp);
    contractTest(make, "commits with an old token are fenced", fencing);
    contractTest(make, "a lease is lost with its log and with the engine", lostLease);
    contractTest(make, "a bus without a log has no lease", noLog);
    contractTest(make, "durable tokens grow across a reopen", tokensAfterReopen);
  });
}

async function growingTokens({ engine }: EngineUnderTest): Promise<void> {
  await engine.log(bus);
  await engine.log("other");
  const first = await engine.leases.acquire(bus, neverAborted);
  const other = await engine.leases.acquire("other", neverAborted);
  assert.equal(first.bus, bus);
  assert.equal(first.lost.aborted, false);
  await first.release();
  await first.release();
  const second = await engine.leases.acquire(bus, neverAborted);
  assert.ok(second.token > first.token);
  await engine.deleteLog("other");
  await engine.log("other");
  assert.ok((await engine.leases.acquire("other", neverAborted)).token > other.token);
}

async function oneHolder({ engine }: EngineUnderTest): Promise<void> {
  await engine.log(bus);
  const order: number[] = [];
  const holders = Array.from({ length: 5 }, async (_, index) => {
    const lease = await engine.leases.acquire(bus, neverAborted);
    order.push(lease.token);
    await engine.resources.list("bus");
    assert.equal(order.at(-1), lease.token, "somebody else got the lease meanwhile");
    await lease.release();
    return index;
  });
  await Promise.all(holders);
  assert.deepEqual(
    order,
    order.toSorted((left, right) => left - right),
  );
}

async function givenUp({ engine }: EngineUnderTest): Promise<void> {
  await engine.log(bus);
  const lease = await engine.leases.acquire(bus, neverAborted);
  const impatient = new AbortController();
  const waiting = engine.leases.acquire(bus, impatient.signal);
  const patient = engine.leases.acquire(bus, neverAborted);
  impatient.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(engine.leases.acquire(bus, impatient.signal), /enough/);
  await lease.release();
  assert.ok((await patient).token > lease.token);
}

async function fencing(subject: EngineUnderTest): Promise<void> {
  const { lease, engine, consumerState } = await holder(subject);
  const commit = (token: number): Promise<void> =>
    consumerState.commit(bus, token, changes({ position: token }));
  await commit(lease.token);
  await lease.release();
  await assert.rejects(commit(lease.token), { code: "fenced" });
  const next = await engine.leases.acquire(bus, neverAborted);
  await assert.rejects(commit(lease.token), { code: "fenced" });
  await commit(next.token);
  assert.equal((await consumerState.load(bus)).position, next.token);
}

async function lostLease(subject: EngineUnderTest): Promise<void> {
  const { lease, engine, consumerState } = await holder(subject);
  const waiting = engine.leases.acquire(bus, neverAborted);
  const refused = assert.rejects(waiting, { code: "bus_not_found" });
  await engine.deleteLog(bus);
  await refused;
  assert.ok(lease.lost.aborted);
  await assert.rejects(consumerState.commit(bus, lease.token, changes({})), { code: "fenced" });
  await lease.release();

  await engine.log(bus);
  const second = await engine.leases.acquire(bus, neverAborted);
  await engine.close();
  assert.ok(second.lost.aborted);
}

async function noLog({ engine }: EngineUnderTest): Promise<void> {
  await assert.rejects(engine.leases.acquire("nothing", neverAborted), { code: "bus_not_found" });
}

async function tokensAfterReopen(subject: EngineUnderTest): Promise<void> {
  if (!subject.store.isDurable) return;
  const { lease } = await holder(subject);
  const engine = await subject.reopen();
  await engine.log(bus);
  const stale = engine.consumerState.commit(bus, lease.token - 1, changes({}));
  await assert.rejects(stale, { code: "fenced" });
  assert.ok((await engine.leases.acquire(bus, neverAborted)).token > lease.token);
}
