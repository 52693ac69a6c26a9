import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../../src/connector/sink.ts";
import { limits } from "../../src/kernel/limits.ts";
import { offsets, ScriptedSink, World } from "./harness.ts";

interface Healthy {
  readonly took: number;
  readonly p99Ms: number;
}

const subscriptions = 50;
const events = 300;

const unresolved: Outcome = {
  outcome: "retry",
  failure: "address",
  status: undefined,
  latencyMs: 2000,
  error: "the name did not resolve within 2000 ms",
  response: undefined,
  retryAfterMs: undefined,
};

/** Fifty subscriptions; some of them stop answering after a while, some wait for their name in vain. */
async function run(bad: { readonly hanging: number; readonly nameless: number }): Promise<Healthy> {
  const world = await World.open();
  const sinks: ScriptedSink[] = [];
  const published: number[] = [];
  const latencies: number[] = [];
  for (let index = 0; index < subscriptions; index += 1) {
    const isHanging = index < bad.hanging;
    const isNameless = !isHanging && index < bad.hanging + bad.nameless;
    const sink = new ScriptedSink(world.clock, ({ offset }) => {
      if (isHanging && offset >= 50) return "hang";
      if (isNameless) return unresolved;
      if (!isHanging) latencies.push(world.clock.now() - (published[offset] ?? 0));
      return { outcome: "delivered", status: 200, latencyMs: 5 };
    });
    sink.latencyMs = isNameless ? limits.dnsTimeoutMs : 5;
    sinks.push(sink);
    await world.subscribe(`s${index}`, sink, { concurrency: 8 });
  }
  const began = world.clock.now();
  let took = 0;
  for (let round = 0; round < 60; round += 1) {
    const next = world.log.bounds().next;
    for (let offset = next; offset < next + 5; offset += 1) published[offset] = world.clock.now();
    await world.publish(5);
    await world.run(20, 5);
  }
  const good = sinks.slice(bad.hanging + bad.nameless);
  for (let step = 0; step < 100 && took === 0; step += 1) {
    if (good.every((sink) => sink.delivered.size === events)) took = world.clock.now() - began;
    else await world.run(20, 5);
  }
  for (const sink of good) {
    assert.deepEqual([...sink.delivered.keys()].length, offsets(0, events - 1).length);
  }
  for (const sink of sinks) assert(sink.inFlightMax <= 8, "no sink has more than its limit");
  latencies.sort((left, right) => left - right);
  const p99Ms = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
  for (const sink of sinks) sink.releaseAll(unresolved);
  await world.stop();
  return { took, p99Ms };
}

test("F10: five hanging sinks and five without a name cost fifty subscriptions nothing (P3)", async () => {
  const alone = await run({ hanging: 0, nameless: 0 });
  const beside = await run({ hanging: 5, nameless: 5 });
  assert(alone.took > 0 && beside.took > 0, "everything arrived");
  assert(beside.took <= alone.took / 0.95, `${beside.took} ms beside ${alone.took} ms`);
  assert(beside.p99Ms <= alone.p99Ms * 1.1, `p99 ${beside.p99Ms} ms beside ${alone.p99Ms} ms`);
});
