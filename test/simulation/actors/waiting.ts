import type { Act } from "../act.ts";

export const waiting: readonly Act[] = [
  { name: "turns", weight: 14, act: (world) => world.turns(world.random.integer(1, 12)) },
  { name: "a moment", weight: 8, act: (world) => world.advance(world.random.integer(1, 100)) },
  { name: "a while", weight: 4, act: (world) => world.advance(world.random.integer(500, 4000)) },
  {
    name: "the wall clock jumps",
    weight: 0.5,
    act: (world) => world.clock.jumpWall(world.random.integer(-100_000, 100_000)),
  },
];
