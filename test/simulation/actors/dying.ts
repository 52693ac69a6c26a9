import type { Act } from "../act.ts";

export const dying: readonly Act[] = [
  { name: "kill", weight: 3, act: (world) => world.restart("kill") },
  { name: "power cut", weight: 4, act: (world) => world.restart("power cut") },
  { name: "stop", weight: 1.5, act: (world) => world.restart("stop") },
  {
    name: "death ordered",
    weight: 6,
    act: (world) => world.orderDeath(world.random.integer(0, 25)),
  },
  {
    // The kernel calls the pages clean, and whoever comes next finds them in its cache.
    name: "dies of a failed sync",
    weight: 2,
    act: async (world) => {
      world.fallSick();
      world.ledger.syncFailed = true;
      world.disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
      world.disk.dieAt({ operation: "truncate", afterCalls: 0, moment: "before" });
      world.publish(1);
      await world.turns(12);
    },
  },
  {
    // Here the failed sync is that of the closing marker.
    name: "dies of a failed sync when idle",
    weight: 1.5,
    act: async (world) => {
      world.publish(1);
      await world.turns(30);
      world.fallSick();
      world.ledger.syncFailed = true;
      world.disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
      world.disk.dieAt({ operation: "truncate", afterCalls: 0, moment: "before" });
      await world.advance(1500);
    },
  },
  {
    name: "trims and loses power",
    weight: 1.5,
    act: async (world) => {
      world.trim(world.running.log.bounds().next);
      await world.turns(world.random.integer(10, 60));
      await world.restart("power cut");
    },
  },
];
