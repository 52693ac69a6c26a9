/** F1, P1, P2, P9: `kill -9` at random moments, under all that a broker does at once. */
import { test } from "node:test";
import { temporaryDirectory } from "../support/broker-process.ts";
import { Storm } from "./storm.ts";

const ROUNDS = Number(process.env["MILLRACE_CRASH_ROUNDS"] ?? 5);

test(`F1, P1, P2: after kill -9 under load, ${ROUNDS} times, nothing is lost, changed, doubled or miscounted`, async (t) => {
  const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`MILLRACE_SEED=${seed}`);
  await using directory = await temporaryDirectory();
  await using storm = await Storm.begin({
    dataDir: directory.path,
    seed,
    lifeMs: [50, 600],
    waitsForTrim: true,
  });
  await storm.run(ROUNDS);
  t.diagnostic(storm.summary());
});
