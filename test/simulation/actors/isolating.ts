import assert from "node:assert/strict";
import type { Act } from "../act.ts";
import { slowestCallMs, witnessId } from "../world.ts";
import type { World } from "../world.ts";

/** In virtual time, with the machine in health; the far ends of the others hang for seconds. */
const waitMsMax = 250;
const stepMs = 5;

export const isolating: readonly Act[] = [{ name: "isolation", weight: 2, act: assertIsolated }];

/** P3: on a machine in health, what is published now reaches the witness, whatever others do. */
async function assertIsolated(world: World): Promise<void> {
  const witness = world.consumers.get(witnessId);
  if (witness === undefined) return;
  await world.revive();
  // What the slow disk was asked before it healed takes its time.
  await world.advance(slowestCallMs);
  if (world.isDead) return;
  const publish = world.publish(world.random.integer(1, 4));
  const isTaken = (): boolean => {
    const { first, events } = publish;
    return first !== undefined && events.every((_, index) => witness.hasTaken(1, first + index));
  };
  for (let waitedMs = 0; !isTaken() && !world.isDead; waitedMs += stepMs) {
    assert(waitedMs <= waitMsMax, `the witness waits for ${waitedMs} ms by now (P3)`);
    await world.turns(4);
    await world.advance(stepMs);
    // The log may not yet have noticed that the disk is well again.
    if (publish.fate === "refused") return;
  }
  world.isolationsShown += 1;
}
