import { nextAct } from "./actors.ts";
import type { Act } from "./act.ts";
import { subscribe, subscribeWitness } from "./actors/consuming.ts";
import { goodMood } from "./far-end.ts";
import { World } from "./world.ts";

const stepsDefault = 90;

export interface RunFacts {
  readonly seed: number;
  readonly digest: string;
  readonly lives: number;
  readonly deaths: number;
  readonly events: number;
  readonly sends: number;
  readonly repeats: number;
  /** How often an event was sent that had predecessors of its key. */
  readonly orderChecks: number;
  /** How often P3 was shown. */
  readonly isolations: number;
}

/** One run: a stormy life, then everything heals, and nothing may be missing (P1, P2). */
export async function simulate(seed: number, steps: number = stepsDefault): Promise<RunFacts> {
  const world = await World.open(seed);
  try {
    await storm(world, steps);
    await calm(world);
    const consumers = [...world.consumers.values()];
    return {
      seed,
      digest: world.trace.digest(),
      lives: world.lives,
      deaths: world.deaths,
      events: world.ledger.publishes.reduce((sum, { events }) => sum + events.length, 0),
      sends: consumers.reduce((sum, { sends }) => sum + sends, 0),
      repeats: consumers.reduce((sum, { repeats }) => sum + repeats, 0),
      orderChecks: consumers.reduce((sum, { orderChecks }) => sum + orderChecks, 0),
      isolations: world.isolationsShown,
    };
  } catch (error) {
    throw new SimulationFailure(seed, world, error);
  } finally {
    world.life.end();
    world.state.close();
  }
}

async function storm(world: World, steps: number): Promise<void> {
  await world.start();
  await subscribe(world);
  await subscribe(world);
  await subscribeWitness(world);
  for (let step = 0; step < steps; step++) {
    await perform(world, nextAct(world.random));
  }
}

/** One act; if the broker died of it, the next life begins. */
export async function perform(world: World, { name, act }: Omit<Act, "weight">): Promise<void> {
  world.trace.add(`- ${name}`);
  await act(world);
  if (world.isDead) {
    world.end(world.random.pick(["kill", "power cut", "power cut"]));
    await world.start();
  }
  world.judge();
}

/** Everything heals, and nothing may be missing. */
export async function calm(world: World): Promise<void> {
  world.trace.add("calm");
  await world.revive();
  for (const id of world.consumers.keys()) {
    world.setMood(id, goodMood);
    world.pause(id, false);
  }
  await settleAndJudge(world);
  await world.restart("stop");
  await world.revive();
  await settleAndJudge(world);
}

async function settleAndJudge(world: World): Promise<void> {
  await world.rest();
  // What is settled is counted from memory, letters are read from the store: let them be committed.
  await world.advance(1500);
  await world.judgeAll();
}

/** Says how to see it again, and what happened last. */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";

  constructor(seed: number, world: World, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const replay = `MILLRACE_SEED=${seed} npm test -- test/simulation/simulation`;
    super(`seed ${seed}: ${reason}\nreplay: ${replay}\n${world.trace.last()}`, { cause });
  }
}
