import assert from "node:assert/strict";
import { mkdir, readFile, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { StateDatabase } from "../../../src/engine/embedded/state-database.ts";
import type { Migration } from "../../../src/engine/embedded/state-schema.ts";
import { migrate, migrations, schemaVersion } from "../../../src/engine/embedded/state-schema.ts";
import type { ParkedState } from "../../../src/engine/engine.ts";
import type { BrokerError } from "../../../src/kernel/errors.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { FakeClock } from "../../../src/testing/testing.ts";
import { scratchDirectory } from "./child.ts";
import { fillUp, smallFileSystem } from "./small-file-system.ts";

async function openIn(context: TestContext): Promise<{ database: StateDatabase; file: string }> {
  const file = join(await scratchDirectory(context), "state.db");
  const database = await StateDatabase.open({ file });
  context.after(() => database.close());
  return { database, file };
}

const bus = (value: string): { kind: "bus"; id: string; value: string } => ({
  kind: "bus",
  id: "orders",
  value,
});

test("requests are answered in order, and a failed one fails alone", async (context) => {
  const { database } = await openIn(context);
  const results = await Promise.allSettled([
    database.request("putResource", { ...bus("1"), expect: 0 }),
    database.request("putResource", { ...bus("2"), expect: 0 }),
    database.request("putResource", { ...bus("3"), expect: 1 }),
    database.request("getResource", { kind: "bus", id: "orders" }),
  ]);
  assert.deepEqual(
    results.map((result) => result.status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled"],
  );
  const [, refused, , read] = results;
  assert.equal((refused as { reason: BrokerError }).reason.code, "precondition_failed");
  const { value } = read as { value: { value: string; revision: number } };
  assert.deepEqual({ ...value }, { kind: "bus", id: "orders", revision: 2, value: "3" });
});

test("a request that fails half way takes back what it wrote, and nothing else", async (context) => {
  const { database } = await openIn(context);
  await database.request("insertLog", { bus: "orders", directory: "orders-1" });
  await database.request("finishLog", "orders-1");
  const leaseToken = await database.request("issueToken", "orders");
  const parts = {
    subscriptions: [],
    unparked: [],
    deadLetters: [],
    deletedLetters: [],
    deletedSubscriptions: [],
    attempts: [],
    replays: [],
    deletedReplays: [],
    rescued: [],
  };
  const parked = { subscription: "s", dueAt: 1, attempts: 1, firstAttemptAt: 1, pausedMs: 0 };
  const rowOf = (offset: number): ParkedState => ({ ...parked, offset, lastError: '""' });
  const commit = (position: number, rows: readonly ParkedState[]): Promise<void> =>
    database.request("commitConsumers", {
      bus: "orders",
      leaseToken,
      changes: { ...parts, position, parked: rows },
    });
  const results = await Promise.allSettled([
    commit(1, [rowOf(1)]),
    // The tables are strict: no column of offsets takes a fraction.
    commit(2, [rowOf(2), rowOf(2.5)]),
    database.request("putResource", bus("after")),
  ]);
  assert.deepEqual(
    results.map((result) => result.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  const loaded = await database.request("loadConsumers", "orders");
  assert.equal(loaded.position, 1);
  assert.deepEqual(
    loaded.parked.map(({ offset }) => offset),
    [1],
  );
});

test("close answers what was requested before, and refuses what comes after", async (context) => {
  const { database, file } = await openIn(context);
  const put = database.request("putResource", bus("1"));
  const closed = database.close();
  await assert.rejects(database.request("listResources", "bus"), { code: "stopping" });
  assert.equal(await put, 1);
  await closed;
  await database.close();
  assert.deepEqual(await readdir(join(file, "..")), ["state.db"], "the WAL was folded back");
});

test("when the worker dies, everything pending is outcome_unknown, and a new one goes on", async (context) => {
  const file = join(await scratchDirectory(context), "state.db");
  const clock = new FakeClock();
  const deaths: BrokerError[] = [];
  const revived = Promise.withResolvers<void>();
  const database = await StateDatabase.open({
    file,
    clock,
    onDeath: (cause) => deaths.push(cause),
    onRevival: revived.resolve,
  });
  context.after(() => database.close());
  await database.request("putResource", bus("kept"));
  // A log that was never inserted cannot become ready: an assertion that ends the worker.
  const pending = await Promise.allSettled([
    database.request("finishLog", "never-inserted"),
    database.request("putResource", bus("lost")),
  ]);
  for (const result of pending) {
    assert.equal(result.status, "rejected");
    assert.equal((result.reason as BrokerError).code, "outcome_unknown");
  }
  assert.equal(deaths.length, 1);
  await assert.rejects(database.request("listResources", "bus"), {
    code: "storage_unavailable",
    retryAfterSeconds: 1,
  });
  clock.advance(limits.stateRestartDelayMs);
  await revived.promise;
  const [resource] = await database.request("listResources", "bus");
  assert.equal(resource?.value, "kept", "the transaction of the death left nothing");
  await database.request("putResource", bus("new"));
  assert.equal(deaths.length, 1);
});

test("a database that cannot be opened again is tried until it can, and close ends that", async (context) => {
  const file = join(await scratchDirectory(context), "state.db");
  const clock = new FakeClock();
  const deaths: BrokerError[] = [];
  const revived = Promise.withResolvers<void>();
  const database = await StateDatabase.open({
    file,
    clock,
    onDeath: (cause) => deaths.push(cause),
    onRevival: revived.resolve,
  });
  await database.request("putResource", bus("kept"));
  await assert.rejects(database.request("finishLog", "never"), { code: "outcome_unknown" });
  await rename(file, `${file}.away`);
  await mkdir(file);
  for (const count of [2, 3]) {
    clock.advance(limits.stateRestartDelayMs);
    while (deaths.length < count) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(deaths.at(-1)?.code, "storage_unavailable");
  }
  await rmdir(file);
  await rename(`${file}.away`, file);
  clock.advance(limits.stateRestartDelayMs);
  await revived.promise;
  assert.equal((await database.request("listResources", "bus")).length, 1);
  await assert.rejects(database.request("finishLog", "never"), { code: "outcome_unknown" });
  await database.close();
  assert.equal(clock.timers, 0);
  await assert.rejects(database.request("listResources", "bus"), { code: "stopping" });
});

test("a full disk costs the reserve, not the request, and the order of requests holds", async (context) => {
  const directory = await smallFileSystem(context, 1);
  if (directory === undefined) return;
  const reserveFile = join(directory, "reserve");
  await writeFile(reserveFile, Buffer.alloc(512 * 1024, 1));
  const reserves = { reserveFile, startReserveFile: join(directory, "none") };
  const database = await StateDatabase.open({ file: join(directory, "state.db"), reserves });
  context.after(() => database.close());
  await fillUp(join(directory, "filler"));
  const value = (index: number): string => `${index} ${"x".repeat(index === 10 ? 200_000 : 100)}`;
  const puts = Array.from({ length: 20 }, (_, index) =>
    database.request("putResource", { ...bus(value(index)), expect: index }),
  );
  assert.deepEqual(
    await Promise.all(puts),
    [...puts.keys()].map((index) => index + 1),
  );
  assert.deepEqual((await readdir(directory)).includes("reserve"), false);
  // Without a reserve it is said, nothing is changed, and it ends with the full disk.
  await fillUp(join(directory, "more"));
  const huge = "y".repeat(2_000_000);
  await assert.rejects(database.request("putResource", bus(huge)), { code: "disk_full" });
  const kept = await database.request("getResource", { kind: "bus", id: "orders" });
  assert.equal(kept?.value, value(19));
  await rm(join(directory, "filler"));
  await rm(join(directory, "more"));
  assert.equal(await database.request("putResource", bus("after")), 21);
});

test("at most stateRequestsMax requests wait", async (context) => {
  const { database } = await openIn(context);
  const waiting = Array.from({ length: limits.stateRequestsMax }, () =>
    database.request("getResource", { kind: "bus", id: "x" }),
  );
  await assert.rejects(database.request("listResources", "bus"), { code: "overloaded" });
  await Promise.all(waiting);
  assert.deepEqual(await database.request("listResources", "bus"), []);
});

test("a database of a later schema is refused untouched", async (context) => {
  const { database, file } = await openIn(context);
  await database.close();
  const editor = new DatabaseSync(file);
  editor.exec("UPDATE meta SET value = 99 WHERE name = 'schema_version'");
  editor.close();
  const before = await readFile(file);
  await assert.rejects(StateDatabase.open({ file }), {
    code: "data_dir_too_new",
    message: /state\.db has schema 99/,
  });
  assert.ok(before.equals(await readFile(file)), "the file is as it was");
  assert.deepEqual(await readdir(join(file, "..")), ["state.db"]);
});

test("the database of another program, or no database, is refused", async (context) => {
  const directory = await scratchDirectory(context);
  const foreign = join(directory, "foreign.db");
  const editor = new DatabaseSync(foreign);
  editor.exec("CREATE TABLE theirs (a)");
  editor.close();
  await assert.rejects(StateDatabase.open({ file: foreign }), { code: "data_corrupt" });

  const noise = join(directory, "noise.db");
  await writeFile(noise, "neither is this a database".repeat(100));
  await assert.rejects(StateDatabase.open({ file: noise }), { code: "data_corrupt" });

  await assert.rejects(StateDatabase.open({ file: join(directory, "none", "state.db") }), {
    code: "storage_unavailable",
  });
});

test("an earlier schema is migrated step by step, a failed step leaves the one before", () => {
  const database = new DatabaseSync(":memory:");
  migrate(database);
  assert.equal(schemaVersion(database), migrations.length);

  const addTable: Migration = (target) => target.exec("CREATE TABLE later (a)");
  const fail: Migration = (target) => {
    target.exec("CREATE TABLE never (a)");
    throw new Error("this step fails");
  };
  assert.throws(() => migrate(database, [...migrations, addTable, fail]), /this step fails/);
  assert.equal(schemaVersion(database), migrations.length + 1);
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE name IN ('later', 'never')")
    .all();
  assert.deepEqual(
    tables.map((row) => row["name"]),
    ["later"],
  );
  database.close();
});
