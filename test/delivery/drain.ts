import assert from "node:assert/strict";
import { limits } from "../../src/kernel/limits.ts";
import { delivered, refused, ScriptedSink, World } from "./harness.ts";

export interface DrainReport {
  readonly probesInHour: number;
  /** Virtual time from the first success to the last. */
  readonly drainedMs: number;
  /** What the sink could have done in no less. */
  readonly idealMs: number;
}

/**
 * F13: a sink is down for an hour while `events` wait, then comes up. It can take `concurrency`
 * events each latencyMs. Nothing may be lost, there is one probe at a time, and the backlog drains
 * at the sink's own capacity.
 */
export async function drainAfterAnHour(events: number): Promise<DrainReport> {
  const world = await World.open({ segmentRecords: 10_000 });
  const concurrency = 64;
  const latencyMs = 20;
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { concurrency });
  await world.publish(100);
  await world.run(1000);
  sink.script = () => refused;
  for (let left = events - 100; left > 0; left -= 5000) await world.publish(Math.min(left, 5000));
  await world.run(10_000, 500);
  assert.equal(world.status("s").circuit.state, "open");
  sink.inFlightMax = 0;
  const before = sink.sent.length;
  await world.run(3_600_000, 1000);
  const probesInHour = sink.sent.length - before;
  assert.equal(sink.inFlightMax, 1, "probes go out one at a time");
  const { parked, dead, pending, inFlight } = world.status("s").counters;
  assert.equal(parked + pending + inFlight, events - 100);
  assert(parked < 10 && dead === 0, "it waits in the log");
  const taken: number[] = [];
  sink.latencyMs = latencyMs;
  sink.script = () => {
    taken.push(world.clock.now());
    return delivered;
  };
  const idealMs = (events / concurrency) * latencyMs;
  await world.run(limits.probeDelayMsMax, 500);
  while (world.status("s").counters.delivered < events) {
    assert(world.clock.now() - (taken[0] ?? 0) < idealMs * 3 + 60_000, "it drains");
    await world.run(5000, latencyMs / 2);
  }
  assert.equal(sink.delivered.size, events);
  assert([...sink.delivered.values()].every((count) => count === 1));
  assert.equal((await world.letters("s")).length, 0);
  await world.stop();
  return { probesInHour, drainedMs: (taken.at(-1) ?? 0) - (taken[0] ?? 0), idealMs };
}
