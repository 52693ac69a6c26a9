import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/kernel/limits.ts";
import { answered, delivered, offsets, refused, ScriptedSink, World } from "./harness.ts";

/** All there is on the bus has been tried in vain, some of it is parked for an hour. */
async function allTried(): Promise<{ world: World; sink: ScriptedSink }> {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  const retry = { maxAttempts: 50, maxAgeMs: 1e8, minDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
  await world.subscribe("s", sink, { retry });
  await world.publish(8);
  await world.run(600_000, 1000);
  const { counters, state } = world.status("s");
  assert.deepEqual([counters.parked, counters.pending, state], [5, 3, "failing"]);
  return { world, sink };
}

test("P4: with everything tried the return of a consumer is noticed within a probe's delay", async () => {
  const { world, sink } = await allTried();
  sink.script = () => delivered;
  await world.run(limits.probeDelayMsMax + 5000, 500);
  assert.equal(world.status("s").counters.delivered, 8);
  assert.equal(world.status("s").state, "active");
  await world.stop();
});

test("P4: probes take turns, parked ones too, one at a time, and use up no attempt", async () => {
  const { world, sink } = await allTried();
  const attemptsBefore = world.attempts.length;
  const before = sink.sent.length;
  sink.inFlightMax = 0;
  await world.run(20 * limits.probeDelayMsMax, 1000);
  const probes = sink.sent.slice(before);
  assert(probes.length >= 19 && probes.length <= 41, `${probes.length} probes in 20 minutes`);
  assert.deepEqual(new Set(probes.map(({ offset }) => offset)), new Set(offsets(0, 7)));
  assert.equal(sink.inFlightMax, 1);
  const logged = world.attempts.slice(attemptsBefore).map(({ attempt }) => attempt);
  assert(logged.every(({ counted }) => counted === false));
  for (const { offset, attempt } of logged) assert.equal(attempt, offset < 5 ? 2 : 1);
  await world.stop();
});

test("a probe that is answered with a failure is no success: the circuit stays open", async () => {
  const { world, sink } = await allTried();
  sink.script = () => answered(500);
  await world.run(limits.probeDelayMsMax + 5000, 500);
  const { state, circuit } = world.status("s");
  assert.deepEqual([state, circuit.state], ["failing", "open"]);
  const probes = world.attempts.filter(({ attempt }) => attempt.status === 500);
  assert(probes.length > 0 && probes.every(({ attempt }) => attempt.counted === false));
  await world.stop();
});
