import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { createEmbeddedEngine } from "../../src/engine/engines.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import type { Ran } from "../support/run-cli.ts";
import { millrace as run } from "../support/run-cli.ts";

const millrace = (...argv: readonly string[]): Promise<Ran> => run(argv);

/** A data directory with one bus of three events. */
async function dataDirectory(context: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "millrace-cli-data-"));
  context.after(() => rm(root, { recursive: true, force: true }));
  const dataDir = join(root, "data");
  const engine = createEmbeddedEngine({ dataDir, clock: new FakeClock(), logger: silentLogger });
  await engine.open();
  const log = await engine.log("orders");
  for (const text of ["one", "two", "three"]) {
    const record = { payload: Buffer.from(text), hops: 0, facts: undefined };
    await new Promise<void>((done) => log.append([record], () => done()));
  }
  await engine.close();
  return dataDir;
}

async function segmentIn(dataDir: string): Promise<string> {
  const [log = ""] = await readdir(join(dataDir, "logs"));
  const [segment = ""] = await readdir(join(dataDir, "logs", log));
  return join(dataDir, "logs", log, segment);
}

test("data verify says that all is well with status 0, and names damage with status 1", async (context) => {
  const dataDir = await dataDirectory(context);
  const whole = await millrace("data", "verify", "--data-dir", dataDir);
  assert.equal(whole.status, 0, whole.noticed);
  assert.match(whole.printed, /1 bus and .* MiB of logs read: nothing is damaged/);
  const path = await segmentIn(dataDir);
  const bytes = await readFile(path);
  bytes.write("TWO", bytes.indexOf("two"));
  await writeFile(path, bytes);
  const damaged = await millrace("data", "verify", "--data-dir", dataDir);
  assert.equal(damaged.status, 1);
  assert.match(damaged.noticed, /^DAMAGE {2}.*\.log\n.*offset 1 cannot be read/);
  assert.match(damaged.printed, /1 damage found/);
  const json = await millrace("data", "verify", "--data-dir", dataDir, "--output", "json");
  assert.equal(json.status, 1);
  assert.equal(json.noticed, "");
  const report = JSON.parse(json.printed) as { isDamaged: boolean; findings: unknown[] };
  assert.deepEqual([report.isDamaged, report.findings.length], [true, 1]);
});

test("data repair says what it would do, and does it only with --yes", async (context) => {
  const dataDir = await dataDirectory(context);
  const path = await segmentIn(dataDir);
  const whole = await readFile(path);
  const damaged = Buffer.from(whole).fill(0, 512, 1024);
  await writeFile(path, damaged);
  const said = await millrace("data", "repair", "--data-dir", dataDir);
  assert.equal(said.status, 1);
  assert.match(said.noticed, /^would {2}write copy 2 of the header/m);
  assert.match(said.printed, /1 change to make; nothing was touched.*--yes/);
  assert.deepEqual(await readFile(path), damaged);
  const done = await millrace("data", "repair", "--data-dir", dataDir, "--yes");
  assert.equal(done.status, 0, done.printed);
  assert.match(done.noticed, /^repair {2}write copy 2 of the header/m);
  assert.deepEqual(await readFile(path), whole);
  assert.equal((await millrace("data", "verify", "--data-dir", dataDir)).status, 0);
});

test("data stats shows a row per bus, and what is no data directory is refused", async (context) => {
  const dataDir = await dataDirectory(context);
  const { status, printed } = await millrace("data", "stats", "--data-dir", dataDir);
  assert.equal(status, 0);
  assert.match(printed, /orders +1 +0\.0 MiB +3 +0 to 2/);
  const refused = await millrace("data", "stats", "--data-dir", join(dataDir, "none"));
  assert.equal(refused.status, 1);
  assert.match(refused.noticed, /no data directory of millrace.*--data-dir/s);
});

test("the data commands take no address and no token: they talk to no broker", async () => {
  const { printed } = await millrace("data", "verify", "--help");
  assert.doesNotMatch(printed, /--url|--token/);
  assert.match(printed, /--data-dir/);
});
