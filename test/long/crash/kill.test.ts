/** F1 and F27 at length: MILLRACE_CRASH_ROUNDS lives each (the figures ask for 500 and 50). */
import { test } from "node:test";
import { Storm } from "../../crash/storm.ts";
import { temporaryDirectory } from "../../support/broker-process.ts";

const ROUNDS = Number(process.env["MILLRACE_CRASH_ROUNDS"] ?? 50);
const SEED = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
const FLAGS = [[], ["--fsync", "interval"], ["--fsync", "never"]];

for (const flags of FLAGS) {
  // A jump takes 65 536 offsets and more a crash, so the loose modes need no more than a few.
  const rounds = flags.length === 0 ? ROUNDS : Math.min(ROUNDS, 10);
  test(`F1, P1, P2: ${rounds} lives ended by kill -9, ${flags.join(" ") || "--fsync always"}`, async (t) => {
    t.diagnostic(`MILLRACE_SEED=${SEED}`);
    await using directory = await temporaryDirectory();
    await using storm = await Storm.begin({
      dataDir: directory.path,
      seed: SEED,
      lifeMs: [50, 3000],
      flags,
      restMs: 4,
      waitsForTrim: true,
    });
    await storm.run(rounds);
    t.diagnostic(storm.summary());
  });
}

test(`F27, P1, P2: ${ROUNDS} lives ended by SIGTERM`, async (t) => {
  t.diagnostic(`MILLRACE_SEED=${SEED}`);
  await using directory = await temporaryDirectory();
  const options = { dataDir: directory.path, seed: SEED, lifeMs: [50, 2000], end: "stop" } as const;
  await using storm = await Storm.begin(options);
  await storm.run(ROUNDS);
  t.diagnostic(storm.summary());
});
