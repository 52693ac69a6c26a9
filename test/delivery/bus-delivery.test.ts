import assert from "node:assert/strict";
import { test } from "node:test";
import type { CompiledTransformer } from "../../src/transform/transformer.ts";
import {
  aborted,
  answered,
  delivered,
  deliveredOffsets,
  event,
  final,
  held,
  idsWhere,
  offsets,
  onlyTypes,
  refused,
  ScriptedSink,
  World,
} from "./harness.ts";

test("events that pass the filter are delivered once, the others count as filtered", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("even", sink, { filter: idsWhere((id) => id % 2 === 0) });
  await world.publish(100);
  await world.run(100);
  assert.deepEqual(
    deliveredOffsets(sink),
    offsets(0, 99).filter((id) => id % 2 === 0),
  );
  const { counters, position, state, lag } = world.status("even");
  assert.equal(counters.delivered, 50);
  assert.equal(counters.filtered, 50);
  assert.equal(position, 100);
  assert.equal(state, "active");
  assert.deepEqual(lag, { events: 0, seconds: 0 });
  await world.stop();
});

test("a consumer that is down for an hour loses nothing and makes no dead letter", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  await world.subscribe("down", sink);
  await world.publish(3000);
  await world.run(3_600_000, 1000);
  const down = world.status("down");
  assert.equal(down.state, "failing");
  assert.match(down.reason ?? "", /refused/);
  assert.equal(down.counters.dead, 0);
  assert(down.counters.parked <= 5, `few are parked (${down.counters.parked})`);
  assert(sink.sent.length < 200, `few attempts are made (${sink.sent.length})`);
  const counted = world.attempts.filter(({ attempt }) => attempt.counted !== false);
  assert.equal(counted.length, 5, "no attempt is burnt while the circuit is open");
  assert(down.lag.seconds >= 3600);
  sink.script = () => delivered;
  await world.run(70_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 2999));
  assert.equal(world.status("down").counters.delivered, 3000);
  assert.equal((await world.letters("down")).length, 0);
  await world.stop();
});

test("retries wait a random time within the window of their number (P4)", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset === 1 ? answered(500) : delivered,
  );
  await world.subscribe("s", sink);
  await world.publish(3);
  await world.run(120_000, 20);
  const times = sink.sent.filter((one) => one.offset === 1).map((one) => one.at);
  assert(times.length >= 5);
  for (let retry = 1; retry < times.length; retry += 1) {
    const waited = (times[retry] ?? 0) - (times[retry - 1] ?? 0);
    assert(waited >= 1000, `retry ${retry} waited ${waited} ms`);
    assert(waited <= 1000 * 2 ** retry + 100, `retry ${retry} waited ${waited} ms`);
  }
  assert.deepEqual(
    sink.sent.filter((one) => one.offset === 1).map((one) => one.attempt),
    times.map((_, index) => index + 1),
  );
  assert.equal(world.status("s").state, "backing-off");
  await world.stop();
});

const retryAfterRows = [
  { asked: 30_000, least: 30_000, most: 30_100, why: "raises the wait" },
  { asked: 10, least: 1000, most: 2100, why: "never shortens it" },
  { asked: 40 * 86_400_000, least: 86_400_000, most: 86_401_000, why: "is capped at a day" },
];
for (const { asked, least, most, why } of retryAfterRows) {
  test(`Retry-After of ${asked} ms on a retried answer ${why}`, async () => {
    const world = await World.open();
    const sink = new ScriptedSink(world.clock, ({ attempt }) =>
      attempt === 1 ? answered(500, asked) : delivered,
    );
    const retry = {
      maxAttempts: undefined,
      maxAgeMs: 3 * 86_400_000,
      minDelayMs: 1000,
      maxDelayMs: 600_000,
    };
    await world.subscribe("s", sink, { retry });
    await world.publish(1);
    await world.run(most + 1000, Math.max(20, most / 1000));
    const [first, second] = sink.sent;
    const waited = (second?.at ?? 0) - (first?.at ?? 0);
    assert(waited >= least && waited <= most, `waited ${waited}`);
    await world.stop();
  });
}

test("429 holds the whole subscription until Retry-After and burns no attempt", async () => {
  const world = await World.open();
  let answers = 0;
  const sink = new ScriptedSink(world.clock, () => {
    answers += 1;
    return answers === 1 ? held(429, 30_000) : delivered;
  });
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(10);
  await world.run(29_000, 500);
  assert.equal(sink.sent.length, 1);
  const status = world.status("s");
  assert.equal(status.state, "backing-off");
  assert.match(status.reason ?? "", /^held until/);
  assert.equal(status.counters.pending, 10);
  assert.equal(status.counters.parked, 0);
  await world.run(2000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 9));
  assert.deepEqual(
    sink.sent.slice(0, 2).map(({ offset, attempt }) => [offset, attempt]),
    [
      [0, 1],
      [0, 1],
    ],
  );
  assert.equal(world.attempts[0]?.attempt.counted, false);
  assert.equal(world.attempts[0]?.attempt.outcome, "retry");
  await world.stop();
});

test("503 without a time holds for growing waits of at most a minute", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => held(503));
  await world.subscribe("s", sink, { concurrency: 4 });
  await world.publish(1);
  await world.run(1_200_000, 250);
  const times = sink.sent.map((one) => one.at);
  assert(times.length >= 20, `asked again and again (${times.length})`);
  for (let hold = 1; hold < times.length; hold += 1) {
    const waited = (times[hold] ?? 0) - (times[hold - 1] ?? 0);
    assert(
      waited >= 1000 && waited <= Math.min(60_000, 1000 * 2 ** hold) + 300,
      `${hold}: ${waited}`,
    );
  }
  assert(sink.sent.every((one) => one.attempt === 1));
  assert.equal(world.status("s").counters.pending, 1);
  await world.stop();
});

test("time in which a subscription is held does not count towards maxAge", async () => {
  const world = await World.open();
  let answer = 0;
  const sink = new ScriptedSink(world.clock, () => {
    answer += 1;
    if (answer === 2) return held(429, 3_600_000);
    return answer < 4 ? answered(500) : delivered;
  });
  const retry = { maxAttempts: undefined, maxAgeMs: 60_000, minDelayMs: 1000, maxDelayMs: 5000 };
  await world.subscribe("s", sink, { retry });
  await world.publish(1);
  await world.run(3_700_000, 1000);
  assert.equal(world.status("s").counters.delivered, 1);
  assert.deepEqual(
    sink.sent.map((one) => one.attempt),
    [1, 2, 2, 3],
  );
  await world.stop();
});

test("time in which a subscription is paused does not count towards maxAge, across a restart", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => answered(500));
  const retry = { maxAttempts: undefined, maxAgeMs: 60_000, minDelayMs: 1000, maxDelayMs: 5000 };
  await world.subscribe("s", sink, { retry });
  await world.publish(1);
  await world.run(10_000, 200);
  world.update("s", { paused: true });
  await world.run(50_000, 1000);
  const attempts = sink.sent.length;
  await world.restart();
  await world.run(50_000, 1000);
  assert.equal(sink.sent.length, attempts);
  world.update("s", { paused: false });
  await world.run(40_000, 200);
  assert(sink.sent.length > attempts, "it is tried again");
  assert.equal((await world.letters("s")).length, 0);
  sink.script = () => delivered;
  await world.run(10_000, 200);
  assert.equal(world.status("s").counters.delivered, 1);
  assert.equal((await world.letters("s")).length, 0);
  await world.stop();
});

test("410 pauses the subscription at once and leaves the event pending", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => final("gone", 410));
  await world.subscribe("s", sink, { concurrency: 1 });
  await world.publish(5);
  await world.run(60_000, 1000);
  assert.deepEqual(world.gone, ["s"]);
  assert.equal(sink.sent.length, 1);
  const status = world.status("s");
  assert.equal(status.state, "paused");
  assert.equal(status.reason, "gone");
  assert.equal(status.counters.pending, 5);
  world.update("s", { paused: true });
  await world.restart();
  assert.equal(world.status("s").reason, "gone");
  sink.script = () => delivered;
  world.update("s", { paused: false });
  await world.run(1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 4));
  await world.stop();
});

test("a pause after 410 that the broker never stored is asked for again after a crash", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => final("gone", 410));
  await world.subscribe("s", sink);
  await world.publish(1);
  await world.run(500);
  await world.restart();
  assert.deepEqual(world.gone, ["s", "s"]);
  assert.equal(sink.sent.length, 1);
  await world.stop();
});

test("a permanent answer makes a dead letter at once, with the request that failed", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, ({ offset }) =>
    offset === 1 ? final("rejected", 422) : delivered,
  );
  await world.subscribe("s", sink);
  await world.publish(3);
  await world.run(1000);
  const [letter, ...others] = await world.letters("s");
  assert.deepEqual(others, []);
  assert.equal(letter?.offset, 1);
  assert.equal(letter?.reason, "rejected");
  assert.equal(letter?.facts.request?.body, '{"n":1}');
  assert.equal(letter?.facts.attempts[0]?.status, 422);
  assert.equal(letter?.facts.attempts[0]?.outcome, "dead");
  const { counters } = world.status("s");
  assert.equal(counters.dead, 1);
  assert.equal(counters.delivered, 2);
  await world.stop();
});

test("without dead letters an event that will never be taken is discarded", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => final("rejected", 400));
  await world.subscribe("s", sink, { deadLetter: false });
  await world.publish(2);
  await world.run(1000);
  const { counters } = world.status("s");
  assert.equal(counters.discarded, 2);
  assert.equal(counters.dead, 0);
  assert.equal((await world.letters("s")).length, 0);
  await world.stop();
});

test("a large request is cut in its dead letter, between characters", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => final("rejected", 400));
  const transformer: CompiledTransformer = {
    transform: (view) => ({
      ok: true,
      event: { ...view.event, data: Buffer.from("é".repeat(50_000)) },
    }),
  };
  await world.subscribe("s", sink, { transformer });
  await world.publish(1);
  await world.run(200);
  const [letter] = await world.letters("s");
  assert.equal(letter?.facts.request?.body, "é".repeat(32_768));
  await world.stop();
});

test("maxAttempts ends the retries with a dead letter that lists them", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => answered(500));
  const retry = { maxAttempts: 3, maxAgeMs: 86_400_000, minDelayMs: 100, maxDelayMs: 1000 };
  await world.subscribe("s", sink, { retry });
  await world.publish(1);
  await world.run(5000);
  const [letter] = await world.letters("s");
  assert.equal(letter?.reason, "retries-exhausted");
  assert.deepEqual(
    letter?.facts.attempts.map((one) => [one.attempt, one.outcome, one.response]),
    [
      [1, "retry", null],
      [2, "retry", null],
      [3, "dead", "no"],
    ],
  );
  await world.stop();
});

test("maxAge ends the retries, but not before it has passed", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => answered(500));
  const retry = { maxAttempts: undefined, maxAgeMs: 60_000, minDelayMs: 1000, maxDelayMs: 40_000 };
  await world.subscribe("s", sink, { retry });
  // Two events: of three the circuit would say that it is not their fault.
  await world.publish(2);
  await world.run(59_000, 100);
  assert.equal((await world.letters("s")).length, 0);
  await world.run(3000, 100);
  const letters = await world.letters("s");
  assert.equal(letters.length, 2);
  assert(letters.every((letter) => letter.reason === "too-old"));
  assert.equal(world.status("s").counters.dead, 2);
  await world.stop();
});

test("a subscription whose every connection fails and that may try once loses nothing (P4)", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => refused);
  const retry = { maxAttempts: 1, maxAgeMs: 86_400_000, minDelayMs: 1000, maxDelayMs: 600_000 };
  await world.subscribe("s", sink, { retry, concurrency: 4 });
  await world.publish(100);
  await world.run(600_000, 500);
  assert.equal(world.status("s").counters.dead, 0);
  sink.script = () => delivered;
  await world.run(70_000, 500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 99));
  assert.equal((await world.letters("s")).length, 0);
  await world.stop();
});

test("a transformer that fails makes a dead letter without an attempt at the sink", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  const transformer: CompiledTransformer = {
    transform: (view) => {
      if (view.event.id === "2") throw new Error("a fault of ours");
      if (view.event.id !== "1") return { ok: true, event: event("x", "transformed") };
      const failure = { path: "transformer.template", code: "missing_value", message: "no name" };
      return { ok: false, failure };
    },
  };
  await world.subscribe("s", sink, { transformer });
  await world.publish(3);
  await world.run(500);
  assert.deepEqual(
    sink.sent.map((one) => [one.offset, one.event.type]),
    [[0, "transformed"]],
  );
  const [letter, thrown] = await world.letters("s");
  assert.equal(letter?.reason, "transform");
  assert.equal(letter?.facts.request, null);
  assert.equal(letter?.facts.attempts[0]?.error, "transformer.template: no name");
  assert.equal(letter?.facts.attempts[0]?.eventId, "1");
  assert.match(thrown?.facts.attempts[0]?.error ?? "", /a fault of ours/);
  assert.equal(world.status("s").counters.dead, 2);
  await world.stop();
});

test("a retry uses the subscription as it is now: sink, transformer and filter", async () => {
  const world = await World.open();
  const broken = new ScriptedSink(world.clock, () => answered(500));
  const mended = new ScriptedSink(world.clock);
  await world.subscribe("s", broken);
  await world.publish(4);
  await world.run(200);
  assert.equal(world.status("s").counters.parked, 4);
  const transformer: CompiledTransformer = {
    transform: (view) => ({ ok: true, event: event(view.event.id, "transformed") }),
  };
  world.update("s", { sink: mended, transformer, filter: idsWhere((id) => id >= 2) });
  await world.run(5000);
  assert.deepEqual(deliveredOffsets(mended), [2, 3]);
  assert(mended.sent.every((one) => one.event.type === "transformed"));
  const { counters } = world.status("s");
  assert.equal(counters.filtered, 2);
  assert.equal(counters.delivered, 2);
  assert.equal(counters.parked, 0);
  await world.stop();
});

test("a changed filter applies to what waits in memory and is found by the index", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => "hang");
  await world.subscribe("s", sink, { filter: onlyTypes("a"), concurrency: 1 });
  await world.publish(3, "a");
  await world.run(100);
  world.update("s", { filter: onlyTypes("b") });
  await world.publish(2, "b");
  sink.script = () => delivered;
  sink.releaseAll(delivered);
  await world.run(1000);
  assert.deepEqual(deliveredOffsets(sink), [0, 3, 4]);
  assert.equal(world.status("s").counters.filtered, 2);
  await world.stop();
});

test("what a replaced sink gives up goes to the new one, as the same attempt", async () => {
  const world = await World.open();
  const old = new ScriptedSink(world.clock, () => "hang");
  const fresh = new ScriptedSink(world.clock);
  await world.subscribe("s", old);
  await world.publish(3);
  await world.run(100);
  world.update("s", { sink: fresh });
  await old.close();
  await world.run(500);
  assert.deepEqual(deliveredOffsets(fresh), offsets(0, 2));
  assert(fresh.sent.every((one) => one.attempt === 1));
  await world.stop();
});

test("a sink that gives everything up is not asked in a loop", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => aborted);
  await world.subscribe("s", sink, { concurrency: 2 });
  await world.publish(5);
  await world.run(10_000);
  assert(sink.sent.length <= 210, `${sink.sent.length} attempts`);
  assert.equal(world.status("s").counters.pending, 5);
  await world.stop();
});
