import type { Act } from "../act.ts";

export const publishing: readonly Act[] = [
  { name: "publish one", weight: 14, act: (world) => world.publish(1) },
  {
    name: "publish some",
    weight: 14,
    act: (world) => {
      const count = world.random.integer(2, 5);
      for (let index = 0; index < count; index++) world.publish(1);
    },
  },
  {
    name: "publish a batch",
    weight: 8,
    act: (world) => world.publish(world.random.integer(2, 12)),
  },
];
