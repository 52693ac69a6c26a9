import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { after, test } from "node:test";
import { SEGMENT_HEADER_BYTES } from "../../../src/engine/embedded/log-format.ts";
import type { Engine } from "../../../src/engine/engine.ts";
import { createEmbeddedEngine } from "../../../src/engine/engines.ts";
import type { Finding, RepairReport, VerifyReport } from "../../../src/engine/offline.ts";
import { dataStats, repairData, verifyData } from "../../../src/engine/offline.ts";
import { KEY_BYTES, encodeFacts } from "../../../src/engine/record-facts.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";

/** `millrace data verify|repair|stats`: what they find, and what repairing changes. */
const EVENTS = 60;

function engineOn(dataDir: string): Engine {
  return createEmbeddedEngine({
    dataDir,
    clock: new FakeClock(),
    logger: silentLogger,
    segmentBytesMax: 4096,
  });
}

interface Data {
  readonly dataDir: string;
  /** The log's directory, and its segments. */
  readonly log: string;
  readonly names: readonly string[];
}

/** A data directory with one bus, a subscription with state, and keys in some events. */
async function dataDirectory(context: TestContext): Promise<Data> {
  template ??= makeTemplate();
  const root = await mkdtemp(join(tmpdir(), "millrace-offline-"));
  context.after(() => rm(root, { recursive: true, force: true }));
  const dataDir = join(root, "data");
  await cp(await template, dataDir, { recursive: true });
  const [name = ""] = await readdir(join(dataDir, "logs"));
  const directory = join(dataDir, "logs", name);
  return { dataDir, log: directory, names: (await readdir(directory)).toSorted() };
}

let template: Promise<string> | undefined;
after(async () => {
  if (template !== undefined) await rm(await template, { recursive: true, force: true });
});

async function makeTemplate(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), "millrace-offline-template-"));
  const engine = engineOn(dataDir);
  await engine.open();
  const log = await engine.log("orders");
  for (let number = 0; number < EVENTS; number++) {
    const facts = encodeFacts({ key: Buffer.alloc(KEY_BYTES, `${number} `) });
    const payload = Buffer.from(`event ${number} ${"x".repeat(100)}`);
    await new Promise<void>((done) => log.append([{ payload, hops: 0, facts }], () => done()));
  }
  await commitState(engine);
  await engine.close();
  return dataDir;
}

async function commitState(engine: Engine): Promise<void> {
  const lease = await engine.leases.acquire("orders", new AbortController().signal);
  const named = { subscription: "s1", offset: 12 };
  await engine.consumerState.commit("orders", lease.token, {
    position: 50,
    subscriptions: [
      {
        subscription: "s1",
        generation: 1,
        start: 5,
        position: undefined,
        counters: { delivered: 30, dead: 1, discarded: 0, expired: 0, skipped: 0 },
        unsettled: [44, 46],
        details: "{}",
      },
    ],
    parked: [{ ...named, dueAt: 1, attempts: 1, firstAttemptAt: 0, pausedMs: 0, lastError: "{}" }],
    unparked: [],
    deadLetters: [
      {
        subscription: "s1",
        letter: "l1",
        offset: 20,
        generation: 1,
        time: 1,
        reason: "rejected",
        eventType: undefined,
        eventSource: undefined,
        details: "{}",
      },
    ],
    deletedLetters: [],
    deletedSubscriptions: [],
    attempts: [],
    replays: [],
    deletedReplays: [],
    rescued: [],
  });
  await lease.release();
}

async function withDatabase(data: Data, ...statements: readonly string[]): Promise<void> {
  const database = new DatabaseSync(join(data.dataDir, "state.db"));
  for (const statement of statements) database.exec(statement);
  database.close();
}

function repair(data: Data, options: { readonly isApplied: boolean }): Promise<RepairReport> {
  return repairData({ ...data, ...options, onRepair: () => undefined });
}

function damagesOf({ findings }: VerifyReport): readonly Finding[] {
  return findings.filter(({ severity }) => severity === "damage");
}

test("a whole data directory verifies, and nothing in it is touched", async (context) => {
  const data = await dataDirectory(context);
  const before = await contentsOf(data.dataDir);
  const report = await verifyData(data);
  assert.deepEqual(report.findings, []);
  assert.deepEqual(report.buses, ["orders"]);
  assert(report.bytes > EVENTS * 100);
  assert.deepEqual(await contentsOf(data.dataDir), before);
});

async function contentsOf(directory: string): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for (const entry of await readdir(directory, { recursive: true })) {
    const path = join(directory, entry);
    // SQLite makes and removes files of its own beside its databases.
    if (/-(?:wal|shm)$/.test(entry) || (await stat(path)).isDirectory()) continue;
    contents.set(entry, (await readFile(path)).toString("base64"));
  }
  return contents;
}

test("a directory that a broker owns is refused, and so is one that is none", async (context) => {
  const data = await dataDirectory(context);
  const engine = engineOn(data.dataDir);
  await engine.open();
  await assert.rejects(verifyData(data), { code: "data_dir_in_use" });
  await assert.rejects(dataStats(data.dataDir), { code: "data_dir_in_use" });
  await engine.close();
  const empty = join(data.dataDir, "..", "empty");
  await mkdir(empty);
  await assert.rejects(verifyData({ dataDir: empty }), { code: "invalid_config" });
  assert.deepEqual(await readdir(empty), []);
});

interface Case {
  readonly what: string;
  readonly damage: (data: Data) => Promise<void>;
  /** Of what a finding says. */
  readonly says: RegExp;
  readonly severity: Finding["severity"];
  /** Nothing is left to say after repair. */
  readonly isMended: boolean;
}

const segment = (data: Data, index: number): string => join(data.log, data.names.at(index) ?? "");

async function overwrite(path: string, at: number, bytes: Buffer): Promise<void> {
  const content = await readFile(path);
  bytes.copy(content, at < 0 ? content.length + at : at);
  await writeFile(path, content);
}

const cases: readonly Case[] = [
  {
    what: "a flipped byte in an event",
    damage: (data) => overwrite(segment(data, 1), 2000, Buffer.from([0xff])),
    says: /offset \d+ cannot be read/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a damaged copy of a segment's header",
    damage: (data) => overwrite(segment(data, 1), SEGMENT_HEADER_BYTES + 20, Buffer.from([9])),
    says: /copy 2 of the segment's header/,
    severity: "damage",
    isMended: true,
  },
  {
    what: "a damaged list of keys",
    damage: (data) => overwrite(segment(data, 1), -1, Buffer.from([0x7f])),
    says: /list of keys is not whole/,
    severity: "damage",
    isMended: true,
  },
  {
    what: "a torn end",
    damage: async (data) => {
      const path = segment(data, -1);
      await writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(77, 1)]));
    },
    says: /the last 77 bytes .* never provably acknowledged/,
    severity: "notice",
    isMended: false,
  },
  {
    what: "a half-made segment",
    damage: (data) => writeFile(join(data.log, "0000000000000999-00000999.log.tmp"), "half"),
    says: /being made when the broker died/,
    severity: "notice",
    isMended: true,
  },
  {
    what: "a missing segment",
    damage: (data) => rm(segment(data, 1)),
    says: /offsets \d+ to \d+ cannot be read/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a log that belongs to no bus",
    damage: (data) => mkdir(join(data.dataDir, "logs", "stray-000000000000")).then(() => undefined),
    says: /belongs to no bus/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a bus whose log is missing",
    damage: (data) => rm(data.log, { recursive: true }),
    says: /log of bus 'orders' is missing/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a newest segment without a header",
    damage: (data) => overwrite(segment(data, -1), 0, Buffer.alloc(1024)),
    says: /cannot be opened: .*no copy of the header/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a negative counter",
    damage: (data) => withDatabase(data, "UPDATE subscription_states SET delivered = -3"),
    says: /counter 'delivered' is -3/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "more accounted for than there was (P2)",
    damage: (data) => withDatabase(data, "UPDATE subscription_states SET delivered = 900"),
    says: /accounts for 904 events, and there were 55/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a dead letter that nobody counts (P2)",
    damage: (data) => withDatabase(data, "UPDATE subscription_states SET dead = 0"),
    says: /counts 0 dead events and has 1 letters/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a parked row before the start of its subscription",
    damage: (data) => withDatabase(data, "UPDATE parked SET offset = 2"),
    says: /1 rows of bus 'orders' name offset 2/,
    severity: "damage",
    isMended: false,
  },
  {
    what: "a log that is older than its state",
    damage: (data) => withDatabase(data, "UPDATE logs SET position = 1000"),
    says: /position of bus 'orders' is 1000, beyond the end of its log at 60/,
    severity: "damage",
    isMended: true,
  },
  {
    what: "a subscription that has read beyond the log",
    damage: (data) => withDatabase(data, "UPDATE subscription_states SET position = 99"),
    says: /position 99 is beyond the end of the log at 60/,
    severity: "damage",
    isMended: true,
  },
  {
    what: "a rescued event that nobody names",
    damage: (data) =>
      withDatabase(data, "INSERT INTO rescued SELECT log, 3, 0, 0, x'00' FROM logs"),
    says: /1 rescued events of bus 'orders' are named by nobody \(offset 3\)/,
    severity: "damage",
    isMended: true,
  },
  {
    what: "rows of a bus that is gone",
    damage: (data) => withDatabase(data, "INSERT INTO rescued VALUES (77, 3, 0, 0, x'00')"),
    says: /1 rows belong to no bus/,
    severity: "damage",
    isMended: true,
  },
  {
    what: "a state database that is none",
    damage: (data) => writeFile(join(data.dataDir, "state.db"), "not SQLite at all ".repeat(300)),
    says: /state database cannot be opened/,
    severity: "damage",
    isMended: false,
  },
];

for (const { what, damage, says, severity, isMended } of cases) {
  test(`${what} is found${isMended ? " and mended" : ""}`, async (context) => {
    const data = await dataDirectory(context);
    await damage(data);
    const before = await contentsOf(data.dataDir);
    const found = await verifyData(data);
    const finding = found.findings.find((each) => says.test(each.what));
    assert(finding !== undefined, JSON.stringify(found.findings));
    assert.equal(finding.severity, severity);
    const said = await repair(data, { isApplied: false });
    assert.deepEqual(await contentsOf(data.dataDir), before, "nothing is touched without --yes");
    assert(said.repairs.length > 0 || !isMended);
    const done = await repair(data, { isApplied: true });
    assert.deepEqual(done.repairs, said.repairs);
    const after = await verifyData(data);
    if (isMended) assert.deepEqual(after.findings, []);
    else assert(damagesOf(after).length <= damagesOf(found).length);
    if (done.repairs.length === 0) assert.deepEqual(await contentsOf(data.dataDir), before);
  });
}

test("cutting a torn end keeps the bytes beside the segment and every event", async (context) => {
  const data = await dataDirectory(context);
  const path = segment(data, -1);
  const whole = await readFile(path);
  await writeFile(path, Buffer.concat([whole, Buffer.alloc(77, 1)]));
  await repair(data, { isApplied: true });
  assert.deepEqual(await readFile(path), whole);
  assert.deepEqual(await readFile(`${path}.cut-1`), Buffer.alloc(77, 1));
  const engine = engineOn(data.dataDir);
  await engine.open();
  const log = await engine.log("orders");
  assert.equal(log.bounds().next, EVENTS);
  assert.deepEqual(log.damages(), []);
  await engine.close();
});

test("stats count segments, events and rows", async (context) => {
  const data = await dataDirectory(context);
  const [stats, ...others] = await dataStats(data.dataDir);
  assert.deepEqual(others, []);
  assert(stats !== undefined);
  const { bus, segments, events, first, next, damages } = stats;
  assert.deepEqual(
    { bus, segments, events, first, next, damages },
    { bus: "orders", segments: data.names.length, events: EVENTS, first: 0, next: 60, damages: 0 },
  );
  const { subscriptions, parked, deadLetters, rescued, delayed } = stats;
  assert.deepEqual([subscriptions, parked, deadLetters, rescued, delayed], [1, 1, 1, 0, 0]);
  const sizes = await Promise.all(data.names.map((name) => stat(join(data.log, name))));
  assert.equal(
    stats.bytes,
    sizes.reduce((sum, { size }) => sum + size, 0),
  );
});

test("a directory of a later version is refused and stays as it is", async (context) => {
  const data = await dataDirectory(context);
  await withDatabase(data, "UPDATE meta SET value = 999 WHERE name = 'schema_version'");
  const before = await contentsOf(data.dataDir);
  await assert.rejects(verifyData(data), { code: "data_dir_too_new" });
  await assert.rejects(repair(data, { isApplied: true }), { code: "data_dir_too_new" });
  assert.deepEqual(await contentsOf(data.dataDir), before);
});
