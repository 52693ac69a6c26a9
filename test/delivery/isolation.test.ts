import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/kernel/limits.ts";
import {
  answered,
  delivered,
  deliveredOffsets,
  everything,
  offsets,
  onlyTypes,
  ScriptedSink,
  World,
} from "./harness.ts";

test("a sink that hangs delays no other subscription (P3)", async () => {
  const world = await World.open();
  const hanging = new ScriptedSink(world.clock);
  const quick = new ScriptedSink(world.clock);
  await world.subscribe("hanging", hanging);
  await world.subscribe("quick", quick);
  await world.publish(300);
  await world.run(500);
  assert.equal(hanging.delivered.size, 300);
  hanging.script = () => "hang";
  for (let round = 3; round < 30; round += 1) {
    await world.publish(100);
    await world.run(50);
    assert.equal(quick.delivered.size, (round + 1) * 100);
  }
  const status = world.status("hanging");
  assert.equal(status.counters.inFlight, 64);
  assert.equal(status.counters.pending, 2700 - 64);
  assert.equal(status.position, 300);
  hanging.script = () => delivered;
  hanging.releaseAll(delivered);
  await world.run(2000);
  assert.deepEqual(deliveredOffsets(hanging), offsets(0, 2999));
  assert(
    [...hanging.delivered.values()].every((count) => count === 1),
    "nothing came twice",
  );
  await world.stop();
});

test("a subscription without room reads alone, keeps within its buffer, and joins again", async () => {
  const world = await World.open();
  const slow = new ScriptedSink(world.clock);
  slow.latencyMs = 100;
  await world.subscribe("slow", slow, { concurrency: 10 });
  await world.publish(5000);
  await world.run(600);
  const { counters } = world.status("slow");
  assert(counters.delivered >= 10 && counters.delivered <= 40);
  await world.run(60_000, 100);
  assert.deepEqual(deliveredOffsets(slow), offsets(0, 4999));
  assert(slow.inFlightMax <= 10);
  slow.latencyMs = 0;
  await world.publish(10);
  await world.run(100);
  assert.equal(slow.delivered.size, 5010);
  const state = await world.engine.consumerState.load("orders");
  assert.equal(state.subscriptions[0]?.position, undefined, "it reads with the group again");
  await world.stop();
});

test("large events keep within the bytes a subscription may hold, and all arrive", async () => {
  const world = await World.open();
  const slow = new ScriptedSink(world.clock);
  slow.latencyMs = 20;
  await world.subscribe("slow", slow);
  const { encodeEvent } = await import("../../src/event/stored-form.ts");
  const { event } = await import("./harness.ts");
  const payload = encodeEvent(event("0", "t", "x".repeat(700_000)));
  for (let index = 0; index < 30; index += 1) {
    await new Promise((resolve) => {
      world.log.append([{ payload, hops: 0, facts: undefined }], resolve);
    });
  }
  await world.run(2000, 20);
  assert.equal(slow.delivered.size, 30);
  assert(slow.inFlightMax * 700_000 <= limits.bufferedBytesMax, `${slow.inFlightMax} at once`);
  await world.stop();
});

test("at parkedMax a subscription reads no further; the rest stays pending in the log", async () => {
  const world = await World.open();
  // One in four is taken, or it would be the circuit that keeps the rest in the log.
  const failing = new ScriptedSink(world.clock, ({ offset }) =>
    offset % 4 === 0 ? delivered : answered(500),
  );
  const other = new ScriptedSink(world.clock);
  const retry = {
    maxAttempts: undefined,
    maxAgeMs: 86_400_000,
    minDelayMs: 600_000,
    maxDelayMs: 600_000,
  };
  await world.subscribe("failing", failing, { retry });
  await world.subscribe("other", other);
  await world.publish(8000);
  await world.publish(8000);
  await world.run(20_000, 100);
  const { counters, state } = world.status("failing");
  assert.equal(state, "backing-off");
  assert(counters.parked <= limits.parkedMax);
  assert(counters.parked + counters.inFlight >= limits.parkedMax - 64);
  const { delivered: taken, parked, inFlight } = counters;
  assert.equal(counters.pending, 16_000 - parked - inFlight - taken);
  assert.equal(world.status("other").counters.delivered, 16_000);
  failing.script = () => delivered;
  await world.run(1_300_000, 1000);
  assert.deepEqual(deliveredOffsets(failing), offsets(0, 15_999));
  assert.equal((await world.letters("failing")).length, 0);
  await world.stop();
});

test("many subscriptions that are ready take turns", async () => {
  const world = await World.open();
  const order: string[] = [];
  const sinks = Array.from({ length: 5 }, (_, index) => {
    const sink = new ScriptedSink(world.clock, () => {
      order.push(`s${index}`);
      return delivered;
    });
    return sink;
  });
  for (const [index, sink] of sinks.entries()) {
    await world.subscribe(`s${index}`, sink, { concurrency: 1000 });
  }
  await world.publish(1000);
  await world.run(500);
  const firstHundred = new Set(order.slice(0, 5 * 32));
  assert.equal(firstHundred.size, 5, "each had its turn within one round of the line");
  assert(sinks.every((sink) => sink.delivered.size === 1000));
  await world.stop();
});

test("a subscription behind the group reads on its own while others follow the tail", async () => {
  const world = await World.open();
  const tail = new ScriptedSink(world.clock);
  await world.subscribe("tail", tail, { filter: onlyTypes("x") });
  await world.publish(3000);
  await world.run(100);
  const behind = new ScriptedSink(world.clock);
  await world.subscribe("behind", behind, { startOffset: 500, filter: everything });
  await world.publish(3, "x");
  await world.run(3000);
  assert.deepEqual(deliveredOffsets(tail), [3000, 3001, 3002]);
  assert.deepEqual(deliveredOffsets(behind), offsets(500, 3002));
  const { counters, start } = world.status("behind");
  assert.equal(start, 500);
  assert.equal(counters.delivered, 2503);
  await world.stop();
});

test("a subscription that starts at the end of the log gets nothing published before", async () => {
  const world = await World.open();
  await world.publish(10);
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { startOffset: 10 });
  await world.publish(5);
  await world.run(100);
  assert.deepEqual(deliveredOffsets(sink), offsets(10, 14));
  await world.stop();
});

test("a removed subscription is attempted no more, and its name can be used again", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock, () => answered(500));
  await world.subscribe("s", sink);
  await world.publish(5);
  await world.run(100);
  const removing = world.delivery.remove("s");
  await world.run(60_000, 1000);
  await removing;
  assert.equal(sink.sent.length, 5);
  const state = await world.engine.consumerState.load("orders");
  assert.deepEqual(state.subscriptions, []);
  assert.deepEqual(state.parked, []);
  const again = new ScriptedSink(world.clock);
  await world.subscribe("s", again, { startOffset: 3 });
  await world.run(500);
  assert.deepEqual(deliveredOffsets(again), [3, 4]);
  await world.stop();
});
