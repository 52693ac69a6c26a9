import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchLimits, Outcome, SinkDelivery } from "../../src/connector/sink.ts";
import { limits } from "../../src/kernel/limits.ts";
import type { FakeClock } from "../../src/testing/fake-clock.ts";
import {
  aborted,
  answered,
  delivered,
  deliveredOffsets,
  final,
  held,
  idsWhere,
  offsets,
  refused,
  ScriptedSink,
  World,
} from "./harness.ts";
import { orderingBy } from "./ordering-harness.ts";

/** Answers each event of a batch by its script; `request` answers all alike, as a status does. */
class BatchSink extends ScriptedSink {
  readonly batches: number[][] = [];
  readonly at: number[] = [];
  request: (() => Outcome) | undefined;
  requestsInFlight = 0;
  requestsInFlightMax = 0;
  readonly #clock: FakeClock;

  constructor(world: World, batch: Partial<BatchLimits> = {}) {
    super(world.clock);
    this.#clock = world.clock;
    // The harness types its sinks as those without batches.
    const own = { maxEvents: 10, maxBytes: 1_000_000, lingerMs: 100, ...batch };
    Object.defineProperty(this, "batch", { value: own });
  }

  override sendBatch(
    deliveries: readonly SinkDelivery[] = [],
    settled: (outcomes: readonly Outcome[]) => void = () => undefined,
  ): void {
    this.batches.push(deliveries.map(({ offset }) => offset));
    this.at.push(this.#clock.now());
    this.requestsInFlight += 1;
    this.requestsInFlightMax = Math.max(this.requestsInFlightMax, this.requestsInFlight);
    const same = this.request?.();
    const outcomes: Outcome[] = deliveries.map((delivery) => {
      if (same !== undefined) return same;
      const answer = this.script(delivery);
      return answer === "hang" ? aborted : answer;
    });
    this.#clock.after(Math.max(1, this.latencyMs), () => {
      this.requestsInFlight -= 1;
      for (const [index, { offset }] of deliveries.entries()) {
        if (outcomes[index]?.outcome === "delivered") this.delivered.set(offset, 1);
      }
      settled(outcomes);
    });
  }
}

const retry = { maxAttempts: 3, maxAgeMs: 86_400_000, minDelayMs: 1000, maxDelayMs: 1000 };

async function subscribed(
  batch: Partial<BatchLimits> = {},
  change: Parameters<World["subscribe"]>[2] = {},
): Promise<{ world: World; sink: BatchSink }> {
  const world = await World.open();
  const sink = new BatchSink(world, batch);
  await world.subscribe("s", sink, { retry, ...change });
  return { world, sink };
}

test("a full batch goes at once, a part of one when the first has waited lingerMs", async () => {
  const { world, sink } = await subscribed();
  const began = world.clock.now();
  await world.publish(25);
  await world.run(90, 10);
  assert.deepEqual(
    sink.batches.map((one) => one.length),
    [10, 10],
  );
  await world.run(50, 10);
  assert.deepEqual(sink.batches, [offsets(0, 9), offsets(10, 19), offsets(20, 24)]);
  const waited = (sink.at[2] ?? 0) - began;
  assert(waited >= 100 && waited <= 120, `the rest went after ${waited} ms`);
  assert.equal(world.status("s").counters.delivered, 25);
  await world.stop();
});

test("a batch that is full by bytes does not wait either", async () => {
  const { world, sink } = await subscribed({ maxBytes: 1000, lingerMs: 60_000 });
  await world.publish(9);
  await world.run(50, 10);
  const sent = sink.batches.flat().length;
  assert(sent >= 6 && sent < 9, `${sent} of 9 were sent before the linger`);
  assert(sink.batches.every((one) => one.length < 9));
  await world.stop();
});

test("concurrency counts requests, not events", async () => {
  const { world, sink } = await subscribed({}, { concurrency: 3 });
  sink.latencyMs = 500;
  await world.publish(400);
  await world.run(30_000);
  assert.equal(sink.delivered.size, 400);
  assert(sink.requestsInFlightMax <= 3, `${sink.requestsInFlightMax} at once`);
  assert.equal(sink.requestsInFlightMax, 3);
  await world.stop();
});

test("each event of a batch settles by its own result", async () => {
  const { world, sink } = await subscribed();
  let isMended = false;
  sink.script = ({ offset }) => {
    if (offset === 3 && !isMended) return answered(500);
    return offset === 5 ? final("rejected", 400) : delivered;
  };
  await world.publish(10);
  await world.run(300);
  const { counters } = world.status("s");
  assert.deepEqual([counters.delivered, counters.parked, counters.dead], [8, 1, 1]);
  assert.equal(world.status("s").circuit.state, "closed");
  isMended = true;
  await world.run(3000);
  assert.deepEqual(deliveredOffsets(sink), [0, 1, 2, 3, 4, 6, 7, 8, 9]);
  assert.deepEqual(sink.batches.at(-1), [3]);
  await world.stop();
});

test("P4: a batch that nobody takes counts once for the circuit, and one attempt for each event", async () => {
  const { world, sink } = await subscribed({}, { concurrency: 1 });
  sink.request = () => refused;
  await world.publish(10);
  await world.run(150, 10);
  assert.equal(sink.batches.length, 1);
  assert.equal(world.status("s").circuit.state, "closed", "one failure, not ten");
  assert.equal(world.status("s").counters.parked, 10);
  const tried = world.attempts.map(({ attempt }) => attempt.attempt);
  assert.deepEqual(
    tried,
    offsets(1, 10).map(() => 1),
  );
  await world.publish(200);
  await world.run(10_000);
  assert.equal(world.status("s").circuit.state, "open");
  sink.request = undefined;
  await world.run(120_000, 500);
  assert.equal(sink.delivered.size, 210);
  await world.stop();
});

test("a held batch puts all its events back and burns no attempt", async () => {
  const { world, sink } = await subscribed();
  sink.request = () => held(429, 5000);
  await world.publish(10);
  await world.run(300);
  assert.deepEqual(world.status("s").counters.parked, 0);
  assert.deepEqual(world.status("s").counters.pending, 10);
  sink.request = undefined;
  await world.run(6000);
  assert.equal(sink.delivered.size, 10);
  await world.stop();
});

test("what did not fit into a request goes with the next one", async () => {
  const { world, sink } = await subscribed();
  sink.script = ({ offset }) => (offset % 10 >= 6 && sink.batches.length < 2 ? aborted : delivered);
  await world.publish(10);
  await world.run(1000);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 9));
  assert.deepEqual(sink.batches[0], offsets(0, 9));
  assert.equal(world.attempts.length, 10, "what was not sent is no attempt");
  await world.stop();
});

test("P5: with ordering a batch holds one event of each key, and one is in flight of each", async () => {
  const keyOf = (offset: number): string => `k${offset % 7}`;
  const { world, sink } = await subscribed({ lingerMs: 5 }, { ordering: orderingBy("n", keyOf) });
  sink.latencyMs = 50;
  sink.script = () => (world.random.chance(0.2) ? answered(500) : delivered);
  const taken = new Map<string, number>();
  const set = sink.delivered.set.bind(sink.delivered);
  sink.delivered.set = (offset, count) => {
    assert(
      offset > (taken.get(keyOf(offset)) ?? -1),
      `${offset} came after a later one of its key`,
    );
    taken.set(keyOf(offset), offset);
    return set(offset, count);
  };
  await world.publish(100);
  await world.run(30_000);
  sink.script = () => delivered;
  await world.run(30_000);
  const dead = world.status("s").counters.dead;
  assert.equal(sink.delivered.size + dead, 100);
  for (const batch of sink.batches) assert.equal(new Set(batch.map(keyOf)).size, batch.length);
  assert(
    sink.batches.some((batch) => batch.length > 3),
    "there were real batches",
  );
  await world.stop();
});

test("a change applies to the next batch, and what no longer passes is left out of it", async () => {
  const { world, sink } = await subscribed({ lingerMs: 200 });
  await world.publish(8);
  await world.run(50);
  world.update("s", { filter: idsWhere((id) => id % 2 === 0) });
  await world.run(300);
  assert.deepEqual(sink.batches, [[0, 2, 4, 6]]);
  assert.equal(world.status("s").counters.filtered, 4);
  assert(limits.sinkBatchEventsMax <= limits.bufferedEventsMax, "a batch fits into the buffer");
  await world.stop();
});

test("a crash while a batch is under way loses nothing of it", async () => {
  const { world, sink } = await subscribed();
  sink.latencyMs = 60_000;
  await world.publish(10);
  await world.run(200);
  assert.equal(sink.batches.length, 1);
  await world.crash();
  sink.latencyMs = 0;
  await world.start();
  await world.run(500);
  assert.deepEqual(deliveredOffsets(sink), offsets(0, 9));
  await world.stop();
});
