import type { Death } from "../../src/testing/faulty-disk.ts";
import type { Act } from "./act.ts";
import { subscribe } from "./actors/consuming.ts";
import { SimulationFailure, calm, perform } from "./simulation.ts";
import { World } from "./world.ts";

/**
 * One plain life: a log is made, filled over several segments, trimmed, left idle, stopped and
 * opened again. Every call to the disk that it makes is one place where something can go wrong.
 */
const life: readonly Omit<Act, "weight">[] = [
  { name: "subscribe", act: subscribe },
  { name: "publish", act: (world) => publishAndWait(world, [1, 3, 1]) },
  { name: "fill a segment", act: (world) => publishAndWait(world, [12]) },
  { name: "roll", act: (world) => publishAndWait(world, [12, 1]) },
  { name: "trim", act: (world) => trimAndWait(world) },
  { name: "idle", act: (world) => world.advance(2000) },
  { name: "go on", act: (world) => publishAndWait(world, [2]) },
  { name: "stop", act: (world) => world.restart("stop") },
  { name: "publish again", act: (world) => publishAndWait(world, [1, 1]) },
];

async function publishAndWait(world: World, counts: readonly number[]): Promise<void> {
  for (const count of counts) {
    if (world.isDead) return;
    world.publish(count);
    await world.turns(20);
  }
}

async function trimAndWait(world: World): Promise<void> {
  world.trim(world.running.log.bounds().next);
  await world.turns(60);
}

/** Lives the life with one thing going wrong; says whether it was reached at all. */
async function live(
  seed: number,
  harm: (world: World) => void,
  wasReached: (callsOfFirstDisk: number) => boolean,
): Promise<boolean> {
  const world = await World.open(seed);
  try {
    const { disk } = world;
    world.segmentBytesMax = 2500;
    const callsBefore = disk.calls;
    harm(world);
    await world.start();
    for (const act of life) await perform(world, act);
    const isReached = wasReached(disk.calls - callsBefore);
    await calm(world);
    return isReached;
  } catch (error) {
    throw new SimulationFailure(seed, world, error);
  } finally {
    world.life.end();
    world.state.close();
  }
}

/** One fault at the first call, at the second … until a life has no more; says how many it had. */
export async function failEveryCall(code: string): Promise<number> {
  let call = 0;
  let isReached = true;
  for (; isReached; call++) {
    const fault = { code, after: call, times: 1, writtenBytes: 100 };
    const harm = (world: World): void => {
      world.fallSick();
      // The call may be a sync.
      world.ledger.syncFailed = true;
      world.disk.inject(fault);
    };
    isReached = await live(1000, harm, (calls) => calls > call);
  }
  return call;
}

/** The broker dies at the first call, at the second …, each time under so many seeds. */
export async function dieAtEveryCall(moment: Death["moment"], seeds: number): Promise<number> {
  let call = 0;
  let isReached = true;
  for (; isReached; call++) {
    isReached = false;
    for (let seed = 0; seed < seeds; seed++) {
      const harm = (world: World): void => world.disk.dieAt({ afterCalls: call, moment });
      const reached = await live(2000 + call + 1000 * seed, harm, (calls) => calls > call);
      isReached ||= reached;
    }
  }
  return call;
}
