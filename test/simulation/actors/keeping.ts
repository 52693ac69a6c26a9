import type { Act } from "../act.ts";

export const keeping: readonly Act[] = [
  {
    name: "trim",
    weight: 5,
    act: (world) => {
      const { first, next } = world.running.log.bounds();
      world.trim(world.random.integer(first, next));
    },
  },
  { name: "read", weight: 5, act: async (world) => void (await world.checkLog()) },
];
