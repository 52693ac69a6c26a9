import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerError } from "../../src/kernel/errors.ts";
import { limits } from "../../src/kernel/limits.ts";
import { answered, delivered, deliveredOffsets, offsets, ScriptedSink, World } from "./harness.ts";

for (const code of ["disk_full", "storage_unavailable", "outcome_unknown"] as const) {
  test(`P2: while commits fail with ${code} attempts stop after a second, and go on by themselves`, async () => {
    const world = await World.open();
    const sink = new ScriptedSink(world.clock, ({ offset }) =>
      offset === 4 ? answered(500, 120_000) : delivered,
    );
    await world.subscribe("s", sink);
    let refusals = 0;
    world.commitFault = () => {
      refusals += 1;
      return Promise.reject(new BrokerError(code, "no disk"));
    };
    await world.publish(10);
    await world.run(limits.stateUncommittedMsMax + 500);
    await world.publish(10);
    await world.run(10_000);
    assert.equal(sink.sent.length, 10, "nothing new was attempted");
    assert(refusals >= 9, "it is tried again each second at least");
    assert(refusals < 40, `and not more often than it helps: ${refusals} times`);
    world.commitFault = undefined;
    await world.run(2000);
    assert.equal(sink.sent.length, 20);
    // What was committed then is all there is to know: a crash repeats nothing.
    await world.crash();
    await world.start();
    await world.run(1000);
    const { counters } = world.status("s");
    assert.deepEqual([counters.delivered, counters.parked], [19, 1]);
    assert.deepEqual(
      deliveredOffsets(sink),
      offsets(0, 19).filter((offset) => offset !== 4),
    );
    assert([...sink.delivered.values()].every((count) => count === 1));
    await world.stop();
  });
}
