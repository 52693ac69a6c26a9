/** F27: a broker that is stopped under load and started again, as an upgrade does it. */
import { test } from "node:test";
import { temporaryDirectory } from "../support/broker-process.ts";
import { Storm } from "./storm.ts";

const ROUNDS = 2;

test(`F27, P1, P2: after SIGTERM under load, ${ROUNDS} times, nothing is lost and nothing settled comes again`, async (t) => {
  const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`MILLRACE_SEED=${seed}`);
  await using directory = await temporaryDirectory();
  const options = { dataDir: directory.path, seed, lifeMs: [50, 500], end: "stop" } as const;
  await using storm = await Storm.begin(options);
  await storm.run(ROUNDS);
  t.diagnostic(storm.summary());
});
