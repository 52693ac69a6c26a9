import type { DiskOperation } from "../../../src/testing/faulty-disk.ts";
import type { Act } from "../act.ts";
import { slowestCallMs } from "../world.ts";
import type { World } from "../world.ts";

const operations: readonly (DiskOperation | "any")[] = [
  "write",
  "write",
  "dataSync",
  "dataSync",
  "rename",
  "syncDirectory",
  "truncate",
  "unlink",
  "open",
  "read",
  "any",
];

/** More than this, and two flips may hit the two copies of one thing. */
const rottedMax = 2;

export const failing: readonly Act[] = [
  { name: "disk fault", weight: 6, act: faultyDisk },
  {
    name: "short writes",
    weight: 2,
    act: (world) => {
      world.disk.writeBytesMax = world.random.integer(1, 700);
    },
  },
  {
    name: "slow disk",
    weight: 2,
    act: (world) => {
      world.disk.delayMs = world.random.pick([1, 20, 300, slowestCallMs]);
    },
  },
  {
    name: "full disk",
    weight: 2,
    act: (world) => {
      world.fallSick();
      world.disk.capacityBytes = world.random.integer(0, 20_000);
    },
  },
  {
    name: "bit rot",
    weight: 1,
    act: (world) => {
      // Without syncs before the answers nothing is proved by what follows.
      if (world.ledger.rotted < rottedMax && !world.ledger.isWeak) world.rot();
    },
  },
  { name: "state database", weight: 4, act: faultyState },
  {
    name: "recover",
    weight: 10,
    act: async (world) => {
      world.heal();
      await world.advance(1100);
    },
  },
];

function faultyDisk(world: World): void {
  const { random, disk, trace } = world;
  const operation = random.pick(operations);
  const code = random.pick(["EIO", "EIO", "ENOSPC", "EDQUOT", "EMFILE", "short"]);
  world.fallSick();
  if (operation === "dataSync" || operation === "any") world.ledger.syncFailed = true;
  trace.add(`fault ${operation} ${code}`);
  disk.inject({
    ...(operation === "any" ? {} : { operation }),
    code,
    after: random.integer(0, 4),
    times: random.integer(1, 3),
    writtenBytes: random.integer(0, 600),
  });
}

function faultyState(world: World): void {
  const { random, state } = world;
  world.fallSick();
  if (random.chance(0.4)) state.delayMs = random.pick([1, 50, 700]);
  else state.fault = { kind: random.pick(["fails", "unknown"]), times: random.integer(1, 4) };
}
