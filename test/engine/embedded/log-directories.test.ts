import assert from "node:assert/strict";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { nodeDisk } from "../../../src/engine/embedded/disk.ts";
import { LogDirectories } from "../../../src/engine/embedded/log-directories.ts";
import { StateDatabase } from "../../../src/engine/embedded/state-database.ts";
import type { Logger } from "../../../src/kernel/logger.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { SeededRandom } from "../../../src/testing/testing.ts";
import { scratchDirectory } from "./child.ts";

interface Place {
  readonly root: string;
  readonly database: StateDatabase;
  readonly directories: LogDirectories;
}

async function place(context: TestContext, logger: Logger = silentLogger): Promise<Place> {
  const scratch = await scratchDirectory(context);
  const root = join(scratch, "logs");
  await mkdir(root);
  const database = await StateDatabase.open({ file: join(scratch, "state.db") });
  context.after(() => database.close());
  const random = new SeededRandom(1);
  const directories = new LogDirectories({ root, database, disk: nodeDisk, logger, random });
  return { root, database, directories };
}

async function fill(directory: string): Promise<{ path: string; close: () => Promise<void> }> {
  await writeFile(join(directory, "segment"), "events");
  return { path: directory, close: () => Promise.resolve() };
}

test("a crash before a log is finished leaves no bus and no directory", async (context) => {
  const { root, database, directories } = await place(context);
  await database.request("insertLog", { bus: "row-only", directory: "row-only-1" });
  await database.request("insertLog", { bus: "half", directory: "half-1" });
  await mkdir(join(root, "half-1", "deep"), { recursive: true });
  await fill(join(root, "half-1"));
  await directories.tidyUp();
  assert.deepEqual(await readdir(root), []);
  assert.deepEqual(await database.request("listLogs", {}), []);
  assert.equal(await directories.find("half"), undefined);
});

test("a crash while a log is deleted is finished by the next open", async (context) => {
  const { root, database, directories } = await place(context);
  const kept = await directories.create("kept", fill);
  await directories.create("marked", fill);
  await directories.create("renamed", fill);
  for (const bus of ["marked", "renamed"]) await database.request("markLogDeleted", bus);
  const renamed = (await readdir(root)).find((name) => name.startsWith("renamed")) ?? "";
  await rename(join(root, renamed), join(root, `${renamed}.deleted`));
  await directories.tidyUp();
  assert.equal(await directories.find("kept"), kept.path);
  assert.deepEqual(
    (await readdir(root)).map((name) => join(root, name)),
    [kept.path],
  );
  assert.equal((await database.request("listLogs", {})).length, 1);
});

test("a recreated bus gets a directory of its own", async (context) => {
  const { root, directories } = await place(context);
  const first = await directories.create("orders", fill);
  await directories.delete("orders");
  assert.deepEqual(await readdir(root), []);
  const second = await directories.create("orders", fill);
  assert.notEqual(second.path, first.path);
});

test("a making that failed is cleared away when the bus is asked for again", async (context) => {
  const { root, directories } = await place(context);
  const failing = directories.create("orders", () => Promise.reject(new Error("disk full")));
  await assert.rejects(failing, /disk full/);
  assert.equal(await directories.find("orders"), undefined);
  assert.deepEqual(await readdir(root), []);
  const made = await directories.create("orders", fill);
  assert.equal(await directories.find("orders"), made.path);
});

test("a log that is missing or empty is corruption, and its bus can be deleted", async (context) => {
  const { directories } = await place(context);
  for (const isEmptied of [false, true]) {
    const { path } = await directories.create("orders", fill);
    await rm(path, { recursive: true });
    if (isEmptied) await mkdir(path);
    await assert.rejects(directories.find("orders"), {
      code: "data_corrupt",
      message: /log of bus 'orders' is missing/,
    });
    await directories.delete("orders");
    assert.equal(await directories.find("orders"), undefined);
  }
});

test("logs without a state database are refused, not deleted", async (context) => {
  const { root, directories } = await place(context);
  await mkdir(join(root, "orders-abc"));
  await fill(join(root, "orders-abc"));
  await assert.rejects(directories.tidyUp(), { code: "data_corrupt", message: /orders-abc/ });
  assert.deepEqual(await readdir(join(root, "orders-abc")), ["segment"]);
});

test("a directory that belongs to no bus is left alone and said", async (context) => {
  const warnings: unknown[] = [];
  const logger = {
    ...silentLogger,
    warn: (fields: Record<string, unknown>) => void warnings.push(fields["directories"]),
  };
  const { root, directories } = await place(context, logger);
  await directories.create("orders", fill);
  await mkdir(join(root, "stranger"));
  await directories.tidyUp();
  assert.deepEqual(warnings, [["stranger"]]);
  assert.ok((await readdir(root)).includes("stranger"));
});
