import assert from "node:assert/strict";
import { test } from "node:test";
import { createEmbeddedEngine } from "../../../src/engine/engines.ts";
import type { Engine } from "../../../src/engine/engine.ts";
import { systemClock } from "../../../src/kernel/clock.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { SeededRandom } from "../../../src/testing/testing.ts";
import { Child, scratchDirectory } from "./child.ts";

const rounds = 5;

test("P1, P2: after kill -9 every acknowledged commit is there, and each is whole", async (context) => {
  const directory = await scratchDirectory(context);
  const random = new SeededRandom(7);
  for (let round = 0; round < rounds; round += 1) {
    const child = new Child(context, "commit-program.ts", directory);
    const lines = [await child.line()];
    const linesWanted = random.integer(1, 200);
    while (lines.length < linesWanted) lines.push(await child.line());
    await child.kill();
    lines.push(...child.rest());

    const engine = createEmbeddedEngine({
      dataDir: directory,
      clock: systemClock,
      logger: silentLogger,
    });
    await engine.open();
    for (const bus of ["left", "right"]) {
      await assertWhole(engine, bus, lastAcknowledged(lines, bus));
    }
    await engine.close();
  }
});

function lastAcknowledged(lines: readonly string[], bus: string): number {
  const last = lines.findLast((line) => line.startsWith(`${bus} `)) ?? `${bus} 0`;
  return Number(last.slice(bus.length + 1));
}

/** Everything one commit wrote says the same number, and nothing of other commits is left. */
async function assertWhole(engine: Engine, bus: string, acknowledged: number): Promise<void> {
  const { consumerState } = engine;
  await engine.log(bus);
  const { position = 0, subscriptions, parked } = await consumerState.load(bus);
  assert.ok(position >= acknowledged, `${bus}: ${position} is before ${acknowledged}`);
  if (position === 0) return;
  const [row] = subscriptions;
  assert.equal(row?.counters.delivered, position);
  assert.equal(row?.details, String(position));
  assert.deepEqual(row?.unsettled, [position, position + 1000]);
  assert.deepEqual(
    parked.map(({ offset }) => offset),
    [position],
  );
  const letters = await consumerState.deadLetters(bus, { subscription: "s", limit: 10 });
  assert.deepEqual(
    letters.map(({ letter }) => letter),
    [`letter-${position}`],
  );
  const around = [position - 1, position, position + 1];
  const rescued = await consumerState.rescued(bus, around);
  assert.deepEqual(
    rescued.map(({ payload }) => Buffer.from(payload).toString()),
    [String(position)],
  );
}
