/**
 * P1, P2: acknowledged before it was synced, and the process is killed. The system still has what
 * it was handed, so nothing is lost; offsets that may have been seen are not given again.
 */
import { test } from "node:test";
import { temporaryDirectory } from "../support/broker-process.ts";
import { Storm } from "./storm.ts";

for (const mode of ["interval", "never"]) {
  test(`P1, P2: with fsync ${mode} kill -9 under load loses nothing acknowledged and gives no offset twice`, async (t) => {
    const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
    t.diagnostic(`MILLRACE_SEED=${seed}`);
    await using directory = await temporaryDirectory();
    const flags = ["--fsync", mode];
    const options = { dataDir: directory.path, seed, flags, lifeMs: [300, 800] } as const;
    await using storm = await Storm.begin(options);
    await storm.run(1);
    t.diagnostic(storm.summary());
  });
}
