import { createMemoryEngine } from "../../src/engine/engines.ts";
import { engineContract } from "../../src/testing/testing.ts";

engineContract("memory", ({ clock, segmentBytes }) =>
  Promise.resolve({
    isDurable: false,
    // The contract fills segments with records of a kilobyte.
    engine: () => createMemoryEngine({ clock, segmentRecords: segmentBytes / 1024 }),
    remove: () => Promise.resolve(),
  }),
);
