import assert from "node:assert/strict";
import { mkdir, readFile, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createEmbeddedEngine } from "../../../src/engine/engines.ts";
import type { Engine } from "../../../src/engine/engine.ts";
import { systemClock } from "../../../src/kernel/clock.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { Child, scratchDirectory } from "./child.ts";

function engineOn(dataDir: string): Engine {
  return createEmbeddedEngine({ dataDir, clock: systemClock, logger: silentLogger });
}

test("a second process is refused while the first lives, and served when it was killed", async (context) => {
  const directory = join(await scratchDirectory(context), "data");
  const first = new Child(context, "open-program.ts", directory);
  assert.equal(await first.line(), "open");

  const second = new Child(context, "open-program.ts", directory);
  const refusal = await second.line();
  assert.match(refusal, /^data_dir_in_use /);
  assert.ok(refusal.includes(directory), "the message names the directory");

  await first.kill();
  const third = new Child(context, "open-program.ts", directory);
  assert.equal(await third.line(), "open");
});

test("a second engine in one process is refused, also under another path", async (context) => {
  const scratch = await scratchDirectory(context);
  const directory = join(scratch, "data");
  const first = engineOn(directory);
  await first.open();
  await symlink(directory, join(scratch, "alias"));
  for (const path of [directory, join(scratch, "alias")]) {
    await assert.rejects(engineOn(path).open(), { code: "data_dir_in_use" });
  }
  const child = new Child(context, "open-program.ts", directory);
  assert.match(await child.line(), /^data_dir_in_use /, "the refused opens let nothing go");
  await first.close();
  const second = engineOn(directory);
  await second.open();
  await second.close();
});

test("the data directory is made for its owner alone, an existing one keeps its mode", async (context) => {
  const scratch = await scratchDirectory(context);
  const made = engineOn(join(scratch, "deep", "data"));
  await made.open();
  await made.close();
  assert.equal((await stat(join(scratch, "deep", "data"))).mode & 0o777, 0o700);

  await mkdir(join(scratch, "given"), { mode: 0o755 });
  const given = engineOn(join(scratch, "given"));
  await given.open();
  await given.close();
  assert.equal((await stat(join(scratch, "given"))).mode & 0o777, 0o755);
});

test("a directory that cannot be made is refused with its path", async (context) => {
  const scratch = await scratchDirectory(context);
  await writeFile(join(scratch, "file"), "");
  await assert.rejects(engineOn(join(scratch, "file", "data")).open(), {
    code: "invalid_config",
    message: /file\/data cannot be created \(ENOTDIR\)/,
  });
});

test("a place that takes no directories is refused instead of tried for ever", async () => {
  await assert.rejects(engineOn("/proc/nowhere/data").open(), {
    code: "invalid_config",
    message: /\/proc\/nowhere\/data cannot be created/,
  });
});

test("a directory of a later format is refused untouched", async (context) => {
  const directory = await scratchDirectory(context);
  const marker = '{"format":99,"more":true}\n';
  await writeFile(join(directory, "format.json"), marker);
  await assert.rejects(engineOn(directory).open(), {
    code: "data_dir_too_new",
    message: /has format 99/,
  });
  assert.deepEqual(await readdir(directory), ["format.json"]);
  assert.equal(await readFile(join(directory, "format.json"), "utf8"), marker);
});

test("a format marker that says nothing is corruption", async (context) => {
  for (const marker of ["", "null", '{"format":"1"}', '{"format":0}', "{"]) {
    const directory = await scratchDirectory(context);
    await writeFile(join(directory, "format.json"), marker);
    await assert.rejects(engineOn(directory).open(), { code: "data_corrupt" });
  }
});

test("an engine that failed to open has let go of the directory", async (context) => {
  const directory = await scratchDirectory(context);
  await writeFile(join(directory, "state.db"), "this is no database, but long enough to be one");
  const failed = engineOn(directory);
  await assert.rejects(failed.open(), { code: "data_corrupt" });
  await failed.close();
  await writeFile(join(directory, "state.db"), "");
  const engine = engineOn(directory);
  await engine.open();
  await engine.close();
});
