import assert from "node:assert/strict";
import { test } from "node:test";
import type { CompiledTransformer } from "../../src/transform/transformer.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { limits } from "../../src/kernel/limits.ts";
import {
  answered,
  bus,
  delivered,
  deliveredOffsets,
  final,
  held,
  offsets,
  refused,
  ScriptedSink,
  turns,
  World,
} from "./harness.ts";
import type { Script } from "./harness.ts";

const unauthorised = final("rejected", 401);

function deliveredOnce(sink: ScriptedSink): boolean {
  return [...sink.delivered.values()].every((count) => count === 1);
}

test("P4: an outage that answers 401 to everything holds the log, dead letters come back, nothing is lost", async () => {
  const world = await World.open({ segmentRecords: 100 });
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink);
  await world.publish(300);
  await world.run(500);
  sink.script = () => unauthorised;
  await world.publish(2000);
  await world.run(3_600_000, 1000);
  const down = world.status("s");
  assert.deepEqual([down.state, down.circuit.state], ["failing", "open"]);
  assert.match(down.circuit.reason ?? "", /answered 401/);
  assert.equal(down.reason, down.circuit.reason);
  assert(Date.parse(down.circuit.nextProbeAt ?? "") > world.clock.now() - 1000);
  assert.deepEqual([down.counters.dead, down.counters.pending], [0, 2000]);
  assert.deepEqual(await world.letters("s"), []);
  assert(sink.sent.length - 300 < 64 + 5 + 250, `${sink.sent.length} attempts in an hour`);
  sink.script = () => delivered;
  await world.run(limits.probeDelayMsMax + 10_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 2299));
  assert(deliveredOnce(sink), "after the recovery all came once");
  assert(sink.sent.filter((one) => one.offset >= 300).every((one) => one.attempt === 1));
  assert.deepEqual(await world.letters("s"), []);
  const up = world.status("s");
  assert.deepEqual(up.circuit, { state: "closed", reason: null, nextProbeAt: null });
  await world.stop();
});

test("P4: letters that were stored come back in one commit, whatever commits fail before it", async () => {
  const world = await World.open();
  // One request at a time, seconds apart: each letter is stored before the next failure.
  const sink = new ScriptedSink(world.clock, () => unauthorised);
  sink.latencyMs = 2000;
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(30);
  await world.run(9000);
  assert.equal((await world.letters("s")).length, 4);
  world.commitFault = () => Promise.reject(new BrokerError("storage_unavailable", "no disk"));
  await world.run(3000);
  const { counters, circuit } = world.status("s");
  assert.deepEqual([counters.dead, counters.pending, circuit.state], [0, 30, "open"]);
  assert.equal((await world.letters("s")).length, 4, "nothing of it is stored yet");
  world.commitFault = undefined;
  await world.run(1500);
  const { subscriptions, parked } = await world.engine.consumerState.load(bus);
  assert.deepEqual(await world.letters("s"), []);
  assert.equal(subscriptions[0]?.counters.dead, 0);
  assert.deepEqual(subscriptions[0]?.unsettled.slice(0, 5), offsets(0, 4));
  assert.deepEqual(parked, []);
  sink.script = () => delivered;
  await world.run(200_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 29));
  assert(deliveredOnce(sink));
  await world.stop();
});

test("P4: a crash between the letters and their return loses neither; a later opening returns them", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => unauthorised);
  sink.latencyMs = 2000;
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(30);
  await world.run(9000);
  assert.equal(world.status("s").counters.dead, 4);
  await world.restart();
  assert.equal(world.status("s").counters.dead, 4);
  await world.run(20_000);
  const { counters, circuit } = world.status("s");
  assert.deepEqual([counters.dead, counters.pending, circuit.state], [0, 30, "open"]);
  assert.deepEqual(await world.letters("s"), []);
  await world.restart();
  assert.equal(world.status("s").counters.pending + world.status("s").counters.inFlight, 30);
  sink.script = () => delivered;
  await world.run(300_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 29));
  await world.stop();
});

test("P4: what is discarded without dead letters comes back too", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => unauthorised);
  await world.subscribe("s", sink, { deadLetter: false });
  await world.publish(20);
  await world.run(30_000);
  const { discarded, pending } = world.status("s").counters;
  assert.deepEqual([discarded, pending], [0, 20]);
  sink.script = () => delivered;
  await world.run(100_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 19));
  await world.stop();
});

test("P4: a letter whose event was deleted by hand does not come back", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => unauthorised);
  sink.latencyMs = 2000;
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(30);
  await world.run(5000);
  const [letter] = await world.letters("s");
  assert(letter !== undefined);
  const deleting = world.delivery.letters.discard("s", letter.letter);
  await world.run(20_000);
  await deleting;
  const { discarded, dead, pending } = world.status("s").counters;
  assert.deepEqual([discarded, dead, pending], [1, 0, 29]);
  await world.stop();
});

test("P4: a poison event at the head is retried by policy and dead-lettered, the others pass", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset === 0 ? answered(500) : delivered,
  );
  const retry = { maxAttempts: 8, maxAgeMs: 86_400_000, minDelayMs: 1000, maxDelayMs: 10_000 };
  await world.subscribe("s", sink, { retry });
  await world.publish(1);
  await world.run(5000);
  await world.publish(500);
  await world.run(120_000, 500);
  assert.equal(world.status("s").circuit.state, "closed");
  const [letter] = await world.letters("s");
  assert.deepEqual([letter?.offset, letter?.reason], [0, "retries-exhausted"]);
  assert.equal(letter?.facts.attempts.length, 8);
  assert.deepEqual(deliveredOffsets(sink), offsets(1, 500));
  await world.stop();
});

for (const concurrency of [1, 64]) {
  test(`P4: a run of 20 poison events passes through, ${concurrency} at a time`, async () => {
    const world = await World.open();
    const sink = new ScriptedSink(world.clock, ({ offset }) =>
      offset < 20 ? final("rejected", 422) : delivered,
    );
    await world.subscribe("s", sink, { concurrency });
    await world.publish(100);
    await world.run(1_200_000, 1000);
    const { counters, state } = world.status("s");
    assert.deepEqual([counters.dead, counters.delivered, state], [20, 80, "active"]);
    const letters = await world.letters("s");
    assert.deepEqual(
      letters.map((letter) => letter.offset),
      offsets(0, 19),
    );
    assert(deliveredOnce(sink));
    // Once it was over for good events, it was over for the poison at once.
    const tries = offsets(0, 19).map((id) => sink.sent.filter((one) => one.offset === id).length);
    assert(Math.max(...tries) <= 2, `tried ${tries.join(", ")} times`);
    await world.stop();
  });
}

test("P4: poison alone on an idle bus keeps no later event waiting longer than a probe's delay", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset < 8 ? final("rejected", 422) : delivered,
  );
  await world.subscribe("s", sink);
  await world.publish(8);
  await world.run(1_200_000, 1000);
  assert.equal(world.status("s").state, "failing");
  await world.publish(3);
  await world.run(limits.probeDelayMsMax + 1000, 500);
  const { counters } = world.status("s");
  assert.deepEqual([counters.delivered, counters.dead], [3, 8]);
  await world.stop();
});

test("P4: an event comes back once, also when the broker was restarted in between", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset < 8 ? final("rejected", 422) : delivered,
  );
  await world.subscribe("s", sink);
  await world.publish(8);
  await world.run(600_000, 1000);
  await world.restart();
  await world.publish(1);
  await world.run(limits.probeDelayMsMax + 1000, 500);
  const { counters, circuit } = world.status("s");
  assert.deepEqual([counters.delivered, counters.dead, circuit.state], [1, 8, "closed"]);
  assert.equal(sink.delivered.size, 1, "no later success was needed to end it");
  await world.stop();
});

test("P4: a dead letter from before the last success stays one when the circuit opens later", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset === 2 ? unauthorised : delivered,
  );
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(5);
  await world.run(1000);
  sink.script = () => unauthorised;
  await world.publish(20);
  await world.run(30_000, 500);
  const { counters, circuit } = world.status("s");
  assert.deepEqual([counters.dead, counters.pending, circuit.state], [1, 20, "open"]);
  assert.deepEqual(
    (await world.letters("s")).map((letter) => letter.offset),
    [2],
  );
  await world.stop();
});

test("P4: a dead consumer with one waiting event burns no attempts, and gets it when it is back", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  const retry = { maxAttempts: 7, maxAgeMs: 60_000, minDelayMs: 1000, maxDelayMs: 10_000 };
  await world.subscribe("s", sink, { retry });
  await world.publish(1);
  await world.run(6 * 3_600_000, 5000);
  const { counters, circuit } = world.status("s");
  assert.deepEqual([counters.parked, counters.dead, circuit.state], [1, 0, "open"]);
  assert.match(circuit.reason ?? "", /refused/);
  const uncounted = world.attempts.filter(({ attempt }) => attempt.counted === false);
  assert.equal(world.attempts.length - uncounted.length, 5);
  assert(
    uncounted.every(({ attempt }) => attempt.attempt === 6),
    "probes repeat the number",
  );
  sink.script = () => delivered;
  await world.run(12_000, 500);
  assert.deepEqual(deliveredOffsets(sink), [0]);
  await world.stop();
});

test("P4: a consumer scaled to zero is woken by one request, not by sixty-four", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  sink.latencyMs = 100;
  await world.subscribe("s", sink);
  await world.publish(1000);
  await world.run(10_000);
  assert.equal(sink.inFlightMax, 64);
  await world.run(limits.slowStartAfterMs);
  sink.inFlightMax = 0;
  sink.latencyMs = 8000;
  await world.publish(200);
  await world.run(7900);
  assert.equal(sink.inFlightMax, 1, "one request while it wakes up");
  sink.latencyMs = 100;
  const peaks: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    sink.inFlightMax = 0;
    await world.run(100, 25);
    peaks.push(sink.inFlightMax);
  }
  assert(
    peaks.every((peak, index) => peak <= 2 ** (index + 1)),
    `doubling: ${peaks.join(", ")}`,
  );
  await world.run(2000);
  assert.equal(sink.delivered.size, 1200);
  await world.stop();
});

test("P4: a transformer that fails for every event opens the circuit; changing it sends at once", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  const failure = { path: "transformer.template", code: "missing_value", message: "no name" };
  const broken: CompiledTransformer = { transform: () => ({ ok: false, failure }) };
  await world.subscribe("s", sink, { transformer: broken });
  await world.publish(50);
  await world.run(600_000, 1000);
  const { counters, circuit } = world.status("s");
  assert.deepEqual([counters.dead, counters.pending, circuit.state], [0, 50, "open"]);
  assert.match(circuit.reason ?? "", /^transform: .*no name/);
  assert.equal(sink.sent.length, 0);
  world.update("s", { transformer: undefined });
  await world.run(1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 49));
  await world.stop();
});

test("time in which the circuit is open does not count towards maxAge, across a restart", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  const retry = { maxAttempts: undefined, maxAgeMs: 60_000, minDelayMs: 1000, maxDelayMs: 2000 };
  await world.subscribe("s", sink, { retry });
  await world.publish(4);
  await world.run(600_000, 500);
  await world.restart();
  await world.run(600_000, 500);
  const { parked, dead, pending } = world.status("s").counters;
  assert.deepEqual([parked + pending, dead], [4, 0]);
  // Somebody is there, but event 1 fails on: its minute of maxAge begins to pass only now.
  sink.script = ({ offset }) => (offset === 1 ? answered(500) : delivered);
  await world.run(50_000, 500);
  assert.equal((await world.letters("s")).length, 0);
  await world.run(20_000, 500);
  assert.deepEqual(
    (await world.letters("s")).map(({ offset, reason }) => [offset, reason]),
    [[1, "too-old"]],
  );
  await world.stop();
});

test("a restart with an open circuit begins with one probe, not with all that waits", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  await world.subscribe("s", sink);
  await world.publish(300);
  await world.run(120_000, 500);
  const before = sink.sent.length;
  await world.restart();
  await turns(30);
  assert.equal(sink.sent.length - before, 1);
  assert.equal(world.status("s").state, "failing");
  assert.match(world.status("s").circuit.reason ?? "", /refused/);
  await world.stop();
});

test("a probe that is held keeps the circuit open and waits for the hold", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  await world.subscribe("s", sink);
  await world.publish(20);
  await world.run(5000);
  sink.script = () => held(429, 300_000);
  await world.run(100_000, 500);
  const before = sink.sent.length;
  assert.equal(world.status("s").circuit.state, "open");
  await world.run(150_000, 500);
  assert.equal(sink.sent.length, before);
  sink.script = () => delivered;
  await world.run(200_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 19));
  await world.stop();
});

test("subscriptions with one circuitKey share a circuit: one probe for all, and all are back together", async () => {
  const world = await World.open();
  const isUp = { value: true };
  const script: Script = () => (isUp.value ? delivered : refused);
  const sinks = [0, 1, 2].map(() => new ScriptedSink(world.clock, script));
  for (const [index, sink] of sinks.entries()) {
    await world.subscribe(`s${index}`, sink, { circuitKey: index < 2 ? "far" : undefined });
  }
  isUp.value = false;
  await world.publish(100);
  await world.run(300_000, 500);
  const [first, second, alone] = sinks.map((_, index) => world.status(`s${index}`));
  assert.deepEqual(first?.circuit, second?.circuit);
  assert.equal(alone?.state, "failing");
  const sent = sinks.map((sink) => sink.sent.length);
  const [left = 0, right = 0] = sent;
  assert(left + right < 40, `the two together probe like one: ${sent.join(", ")}`);
  isUp.value = true;
  await world.run(limits.probeDelayMsMax + 5000, 500);
  for (const sink of sinks) assert.deepEqual(deliveredOffsets(sink), offsets(0, 99));
  assert.deepEqual(world.status("s1").counters.dead, 0);
  await world.stop();
});

test("a changed circuitKey takes an open circuit along, and the other's members are left alone", async () => {
  const world = await World.open();
  const down = new ScriptedSink(world.clock, () => refused);
  const up = new ScriptedSink(world.clock);
  await world.subscribe("down", down, { circuitKey: "a" });
  await world.subscribe("up", up, { circuitKey: "b" });
  await world.publish(20);
  await world.run(10_000);
  world.update("down", { circuitKey: undefined });
  await world.run(100);
  assert.equal(world.status("down").state, "failing");
  assert.equal(world.status("up").state, "active");
  const beside = new ScriptedSink(world.clock);
  await world.subscribe("beside", beside, { circuitKey: "a" });
  await world.run(1000);
  assert.equal(world.status("beside").state, "active");
  assert.equal(beside.delivered.size, 20);
  await world.stop();
});

test("a seek with an open circuit sends one probe at once, and its result counts", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  await world.subscribe("s", sink);
  await world.publish(50);
  await world.run(60_000, 500);
  sink.script = () => "hang";
  await world.run(limits.probeDelayMsMax, 500);
  assert.equal(world.status("s").circuit.state, "half-open");
  const old = sink.hanging.splice(0);
  sink.script = () => delivered;
  const seeking = world.delivery.seek("s", 10);
  await world.run(2000);
  await seeking;
  assert.equal(world.status("s").counters.delivered, 40);
  for (const finish of old) finish(refused);
  await world.run(1000);
  assert.equal(world.status("s").circuit.state, "closed");
  await world.stop();
});

test("F12: a flapping sink gets everything with less than two attempts an event and no retry peaks", async () => {
  const world = await World.open();
  const flapMs = 5000;
  const began = world.clock.now();
  let isStormy = true;
  const isUp = (): boolean =>
    !isStormy || Math.floor((world.clock.now() - began) / flapMs) % 2 === 0;
  const sinks = Array.from({ length: 50 }, () => {
    const sink = new ScriptedSink(world.clock, () => (isUp() ? delivered : refused));
    sink.latencyMs = 20;
    return sink;
  });
  const adding = sinks.map((sink, index) =>
    world.delivery.add(world.plan(`s${index}`, sink, { concurrency: 8 })),
  );
  await world.run(100);
  await Promise.all(adding);
  // Each time it goes up or down there are events for it, and once in between.
  await world.run(flapMs * 2 - 100, 100);
  for (let half = 0; half < 24; half += 1) {
    await world.publish(6);
    await world.run(flapMs / 2, 100);
    await world.publish(2);
    await world.run(flapMs / 2, 100);
  }
  isStormy = false;
  await world.run(limits.probeDelayMsMax + 5000, 500);
  const events = world.log.bounds().next;
  for (const sink of sinks) {
    assert.deepEqual(deliveredOffsets(sink), offsets(0, events - 1));
    assert(sink.sent.length < 2 * events, `${sink.sent.length} attempts for ${events} events`);
  }
  // Retries and probes that failed, by their time since the sink went down, from the shortest delay
  // on, before which there are none.
  const bins = Array.from({ length: 40 }, () => 0);
  for (const { attempt } of world.attempts) {
    if (attempt.outcome === "delivered") continue;
    if (attempt.counted !== false && attempt.attempt === 1) continue;
    const downMs = ((Date.parse(attempt.time) - began) % (2 * flapMs)) - flapMs;
    const bin = Math.floor((downMs - 1000) / 100);
    if (bin >= 0 && bin < 40) bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const mean = bins.reduce((sum, count) => sum + count, 0) / bins.length;
  assert(mean > 10, `${mean} a bin`);
  assert(Math.max(...bins) / mean < 3, `${Math.max(...bins) / mean}: ${bins.join(" ")}`);
  await world.stop();
});
