import type { Act } from "../act.ts";
import { moods } from "../consumer.ts";
import type { World } from "../world.ts";

const consumersMax = 6;

export const consuming: readonly Act[] = [
  {
    name: "mood",
    weight: 8,
    act: (world) => {
      if (world.consumers.size === 0) return;
      world.setMood(world.random.pick([...world.consumers.keys()]), world.random.pick(moods));
    },
  },
  {
    name: "pause or resume",
    weight: 2,
    act: (world) => {
      if (world.consumers.size === 0) return;
      const id = world.random.pick([...world.consumers.keys()]);
      world.pause(id, world.random.chance(0.3));
    },
  },
  { name: "subscribe", weight: 3, act: subscribe },
  { name: "seek", weight: 1, act: seek },
];

function seek(world: World): void {
  const { random, consumers, running } = world;
  if (consumers.size === 0) return;
  const { first, next } = running.log.bounds();
  // A jump leaves tens of thousands of offsets out, so most goals would lie in a gap.
  const goal = next > 60_000 ? random.pick([first, next]) : random.integer(first, next);
  world.seek(random.pick([...consumers.keys()]), goal);
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
  });
}
