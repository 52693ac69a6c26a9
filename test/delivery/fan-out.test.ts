import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventView } from "../../src/event/event-view.ts";
import { encodeEvent } from "../../src/event/stored-form.ts";
import { compileFilters } from "../../src/filter/compile.ts";
import type { CompiledFilter } from "../../src/filter/filter.ts";
import { limits } from "../../src/kernel/limits.ts";
import { deliveredOffsets, event, everything, offsets, ScriptedSink, World } from "./harness.ts";

/** A compiled filter that counts how often it is asked. */
function counting(...filters: readonly unknown[]): CompiledFilter & { asked: number } {
  const compilation = compileFilters(filters);
  assert(compilation.ok);
  const { filter } = compilation;
  const counted = {
    anchorings: filter.anchorings,
    explain: () => [],
    asked: 0,
    passes(view: EventView): boolean {
      counted.asked += 1;
      return filter.passes(view);
    },
  };
  return counted;
}

test("an event is matched once, and only filters are evaluated that it may pass", async () => {
  const world = await World.open();
  const wanted = new ScriptedSink(world.clock);
  const filters = [
    counting({ exact: { type: "a" } }),
    counting({ prefix: { type: "b" } }),
    counting({ sql: "subject = 'x'" }),
    counting({ pattern: { source: [{ suffix: "/elsewhere" }] } }),
    counting({ not: { exact: { type: "a" } } }),
  ];
  for (const [index, filter] of filters.entries()) {
    await world.subscribe(`s${index}`, wanted, { filter });
  }
  await world.publish(100, (id) => (id % 2 === 0 ? "a" : "bb"));
  await world.run(100);
  // Each was evaluated once for an event, by the group; the one without an anchor for all.
  assert.deepEqual(
    filters.map(({ asked }) => asked),
    [50, 50, 0, 0, 100],
  );
  assert.equal(world.status("s0").counters.delivered, 50);
  assert.equal(world.status("s2").counters.filtered, 100);
  await world.stop();
});

test("a changed filter is found by its new values from the next event on (P2)", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("s", sink, { filter: counting({ exact: { type: "a" } }) });
  await world.publish(2, "a");
  await world.publish(2, "b");
  await world.run(100);
  world.update("s", { filter: counting({ suffix: { type: "b" } }) });
  await world.publish(2, "a");
  await world.publish(2, "b");
  await world.run(100);
  assert.deepEqual(deliveredOffsets(sink), [0, 1, 6, 7]);
  world.update("s", { filter: everything });
  await world.publish(1, "c");
  await world.run(100);
  assert.deepEqual(deliveredOffsets(sink), [0, 1, 6, 7, 8]);
  await world.delivery.remove("s");
  await world.publish(1, "b");
  await world.run(100);
  assert.equal(sink.delivered.size, 5);
  await world.stop();
});

test("a subscription that reads alone skips what its filter cannot pass, and loses nothing (P2)", async () => {
  const world = await World.open();
  await world.publish(1000, (id) => `kind${id % 10}`);
  const sink = new ScriptedSink(world.clock);
  const filter = counting({ any: [{ exact: { type: "kind3" } }, { prefix: { type: "kind7" } }] });
  await world.subscribe("late", sink, { filter });
  await world.run(1000);
  assert.deepEqual(
    deliveredOffsets(sink),
    offsets(0, 999).filter((offset) => offset % 10 === 3 || offset % 10 === 7),
  );
  assert.equal(filter.asked, 200);
  assert.equal(world.status("late").counters.filtered, 800);
  await world.stop();
});

test("bytes that are no event expire for all, whatever their filters are (P2)", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  await world.subscribe("all", sink);
  await world.subscribe("some", sink, { filter: counting({ exact: { type: "t" } }) });
  const payload = encodeEvent(event("0", "t")).slice();
  payload[0] = 99;
  const record = { payload, hops: 0, facts: undefined };
  await new Promise<void>((resolve) => world.log.append([record], () => resolve()));
  await world.publish(1);
  await world.run(100);
  for (const id of ["all", "some"]) {
    const { counters } = world.status(id);
    assert.deepEqual([counters.expired, counters.delivered], [1, 1], id);
  }
  await world.stop();
});

test("filters without an anchor do not hold a turn of the event loop for a whole batch (P3)", async () => {
  const world = await World.open();
  const sink = new ScriptedSink(world.clock);
  let askedInTurn = 0;
  let mostInTurn = 0;
  const filter: CompiledFilter = {
    anchorings: [],
    explain: () => [],
    passes() {
      if (askedInTurn === 0) setImmediate(() => (askedInTurn = 0));
      askedInTurn += 1;
      mostInTurn = Math.max(mostInTurn, askedInTurn);
      return false;
    },
  };
  const subscriptions = 500;
  for (let index = 0; index < subscriptions; index += 1) {
    const adding = world.delivery.add(world.plan(`s${index}`, sink, { filter }));
    if (index === subscriptions - 1) await world.run(60);
    void adding;
  }
  await world.publish(400);
  await world.run(500);
  assert.equal(world.status("s0").counters.filtered, 400);
  assert.equal(world.delivery.lagEventsMax(), 0);
  assert(mostInTurn >= limits.evaluationsPerTurnMax, `${mostInTurn}`);
  assert(mostInTurn <= limits.evaluationsPerTurnMax + subscriptions, `${mostInTurn}`);
  await world.stop();
});

test("the greatest lag of a bus is that of the status that shows the most", async () => {
  const world = await World.open();
  assert.equal(world.delivery.lagEventsMax(), undefined);
  const hanging = new ScriptedSink(world.clock);
  hanging.script = () => "hang";
  await world.subscribe("quick", new ScriptedSink(world.clock));
  await world.subscribe("hanging", hanging, { concurrency: 2 });
  await world.subscribe("paused", hanging, { paused: true });
  await world.publish(3000);
  await world.run(1000);
  const lags = ["quick", "hanging", "paused"].map((id) => world.status(id).lag.events);
  assert.deepEqual(lags, [0, 3000, 3000]);
  assert.equal(world.delivery.lagEventsMax(), 3000);
  hanging.releaseAll({ outcome: "delivered", status: 200, latencyMs: 1 });
  await world.stop();
});
