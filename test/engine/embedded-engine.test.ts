import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEmbeddedEngine } from "../../src/engine/engines.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { engineContract } from "../../src/testing/testing.ts";

engineContract("embedded", async ({ clock, segmentBytes }) => {
  const root = await mkdtemp(join(tmpdir(), "millrace-engine-"));
  return {
    isDurable: true,
    engine: () =>
      createEmbeddedEngine({
        dataDir: join(root, "data"),
        clock,
        logger: silentLogger,
        segmentBytesMax: segmentBytes,
      }),
    remove: () => rm(root, { recursive: true, force: true }),
  };
});
