import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeOffsets } from "../../src/engine/embedded/offset-list.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { bus, delivered, offsets, refused, ScriptedSink, World } from "./harness.ts";

/**
 * F16 of the reliability plan: results come in any order, the process dies at any moment. After each
 * crash what is stored is compared with what the consumer really took.
 */
for (const seed of [3, 77]) {
  test(`F16: the floor never passes an unfinished offset, whatever the order of results, seed ${seed}`, async () => {
    const random = new SeededRandom(seed);
    const world = await World.open({ seed });
    const sink = new ScriptedSink(world.clock);
    sink.script = () => {
      // Some stay on their way for long, so that the floor has to wait among thousands.
      if (random.chance(0.02)) return "hang";
      sink.latencyMs = random.integer(1, 400);
      return random.chance(0.05) ? refused : delivered;
    };
    let rowBytesMax = 0;
    let offsetBytesMax = 0;
    world.onCommit = ({ subscriptions }) => {
      for (const row of subscriptions) {
        const listBytes = encodeOffsets(row.unsettled).length;
        offsetBytesMax = Math.max(offsetBytesMax, listBytes);
        rowBytesMax = Math.max(rowBytesMax, listBytes + row.details.length);
      }
    };
    await world.subscribe("s", sink, { concurrency: 1000 });
    for (let round = 0; round < 8; round += 1) {
      await world.publish(1000);
      await world.run(random.integer(1, 40) * 50);
      if (round % 3 !== 2) sink.releaseAll(delivered);
      if (round % 2 === 0) continue;
      const acknowledged = new Set(sink.delivered.keys());
      await world.crash();
      sink.hanging.length = 0;
      await assertNothingPassed(world, acknowledged);
      await world.start();
    }
    sink.script = () => delivered;
    sink.releaseAll(delivered);
    await world.run(900_000, 5000);
    const { counters, next } = world.status("s");
    assert.equal(counters.delivered, next);
    assert(rowBytesMax > 0 && rowBytesMax <= 65_536, `${rowBytesMax} bytes a row`);
    assert(offsetBytesMax <= 16_384, `${offsetBytesMax} bytes of offsets`);
    await world.stop();
  });
}

async function assertNothingPassed(world: World, acknowledged: Set<number>): Promise<void> {
  const { position = 0, subscriptions, parked } = await world.engine.consumerState.load(bus);
  const [row] = subscriptions;
  assert(row !== undefined);
  const named = new Set([...row.unsettled, ...parked.map(({ offset }) => offset)]);
  const floor = row.position ?? Math.max(row.start, position);
  const passed = offsets(row.start, floor - 1).filter(
    (offset) => !named.has(offset) && !acknowledged.has(offset),
  );
  assert.deepEqual(passed, [], "the consumer never took these, and nobody would send them again");
  const settled = floor - row.start - named.size;
  assert.equal(row.counters.delivered, settled, "what is counted is what is settled");
}
