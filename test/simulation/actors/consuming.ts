import type { BatchLimits } from "../../../src/connector/sink.ts";
import type { CloudEvent } from "../../../src/event/event.ts";
import type { SeededRandom } from "../../../src/testing/seeded-random.ts";
import type { Act } from "../act.ts";
import { moods } from "../far-end.ts";
import type { Ordering } from "../key-books.ts";
import { witnessId } from "../world.ts";
import type { World } from "../world.ts";

const consumersMax = 6;

export const consuming: readonly Act[] = [
  {
    name: "mood",
    weight: 8,
    act: (world) => {
      world.setMood(world.random.pick(world.ordinary()), world.random.pick(moods));
    },
  },
  {
    name: "pause or resume",
    weight: 2,
    act: (world) => {
      world.pause(world.random.pick(world.ordinary()), world.random.chance(0.3));
    },
  },
  { name: "subscribe", weight: 3, act: subscribe },
  { name: "seek", weight: 1, act: seek },
  {
    name: "operator",
    weight: 3,
    act: (world) => {
      const decision = world.random.pick(["retry", "skip", "dead-letter"] as const);
      world.operate(world.random.pick(world.ordinary()), decision);
    },
  },
];

function seek(world: World): void {
  const { random, running } = world;
  const { first, next } = running.log.bounds();
  // A jump leaves tens of thousands of offsets out, so most goals would lie in a gap.
  const goal = next > 60_000 ? random.pick([first, next]) : random.integer(first, next);
  world.seek(random.pick(world.ordinary()), goal);
}

const filters = [
  { filters: [], wants: () => true },
  { filters: [{ exact: { type: "a" } }], wants: ({ type }: { type: string }) => type === "a" },
  {
    filters: [{ not: { exact: { type: "b" } } }],
    wants: ({ type }: { type: string }) => type !== "b",
  },
  {
    filters: [{ prefix: { subject: "subject 3" } }],
    wants: ({ subject }: { subject?: string | undefined }) =>
      subject?.startsWith("subject 3") ?? false,
  },
] as const;

/** What may be in order, told by the test in its own words. Most subjects are missing. */
const keys: readonly Omit<Ordering, "onFailure">[] = [
  { by: "type", keyOf: ({ type }) => type },
  { by: "subject", keyOf: ({ subject }) => subject },
  { by: "data.account", keyOf: accountOf },
];

function accountOf({ data }: CloudEvent): string | undefined {
  return /"account":(\d+)/.exec(data?.toString() ?? "")?.[1];
}

const batch: BatchLimits = { maxEvents: 4, maxBytes: 1500, lingerMs: 30 };

export async function subscribe(world: World): Promise<void> {
  const { random, consumers } = world;
  if (consumers.size >= consumersMax) return;
  const { first, next } = world.running.log.bounds();
  const { filters: list, wants } = random.pick(filters);
  await world.subscribe({
    id: `s${consumers.size + 1}`,
    filters: list,
    wants,
    startOffset: random.pick([first, next, random.integer(first, next)]),
    concurrency: random.pick([1, 3, 64]),
    maxAttempts: random.chance(0.3) ? 3 : undefined,
    ordering: random.chance(0.5) ? orderingOf(random) : undefined,
    batch: random.chance(0.25) ? batch : undefined,
    rateLimit: random.chance(0.15) ? random.pick([5, 40]) : 0,
  });
}

function orderingOf(random: SeededRandom): Ordering {
  const onFailure = random.chance(0.4) ? "block" : "dead-letter-and-continue";
  return { ...random.pick(keys), onFailure };
}

/** Somebody who takes everything at once, and whom nothing that others do may delay (P3). */
export async function subscribeWitness(world: World): Promise<void> {
  await world.subscribe({
    id: witnessId,
    filters: [],
    wants: () => true,
    startOffset: world.running.log.bounds().next,
    concurrency: 64,
    maxAttempts: undefined,
    ordering: undefined,
    batch: undefined,
    rateLimit: 0,
  });
}
