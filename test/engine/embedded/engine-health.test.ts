import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { Disk, DiskFile } from "../../../src/engine/embedded/disk.ts";
import { nodeDisk } from "../../../src/engine/embedded/disk.ts";
import type { Engine, EngineHealth, EventLog } from "../../../src/engine/engine.ts";
import { createEmbeddedEngine } from "../../../src/engine/engines.ts";
import type { BrokerError } from "../../../src/kernel/errors.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { FakeClock } from "../../../src/testing/testing.ts";
import { scratchDirectory } from "./child.ts";

/** The real disk, which can be told to be full. */
class FillableDisk {
  isFull = false;
  free = 2 ** 30;

  readonly disk: Disk = {
    ...nodeDisk,
    open: async (path, mode) => {
      if (this.isFull && mode === "create") throw fullError();
      return this.#wrap(await nodeDisk.open(path, mode));
    },
    freeBytes: () => Promise.resolve(this.free),
    totalBytes: () => Promise.resolve(2 ** 40),
  };

  #wrap(file: DiskFile): DiskFile {
    return {
      ...file,
      write: (span, done) => {
        if (this.isFull) setImmediate(() => done(fullError(), 0));
        else file.write(span, done);
      },
    };
  }
}

function fullError(): Error {
  return Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
}

interface Fixture {
  readonly engine: Engine;
  readonly clock: FakeClock;
  readonly fillable: FillableDisk;
  readonly told: EngineHealth[];
}

async function openEngine(context: TestContext): Promise<Fixture & { opened: EngineHealth }> {
  const clock = new FakeClock();
  const fillable = new FillableDisk();
  const dataDir = join(await scratchDirectory(context), "data");
  const engine = createEmbeddedEngine({
    dataDir,
    clock,
    logger: silentLogger,
    disk: fillable.disk,
  });
  context.after(() => engine.close());
  const told: EngineHealth[] = [];
  engine.onHealth((health) => told.push(health));
  const opened = await engine.open();
  return { engine, clock, fillable, told, opened };
}

function append(log: EventLog): Promise<BrokerError | undefined> {
  return new Promise((resolve) => {
    log.append([{ payload: Buffer.from("event"), hops: 0, facts: undefined }], resolve);
  });
}

async function until(clock: FakeClock, isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn += 1) {
    assert.ok(turn < 10_000, "what was waited for did not come");
    await clock.advanceAsync(10);
  }
}

test("a full disk makes the engine not writable, and room makes it writable again", async (context) => {
  const { engine, clock, fillable, told, opened } = await openEngine(context);
  assert.deepEqual(opened, {
    engine: "embedded",
    durability: "disk",
    fsync: "always",
    writable: true,
    reason: undefined,
    freeBytes: 2 ** 30,
  });
  const log = await engine.log("orders");
  assert.equal(await append(log), undefined);

  fillable.isFull = true;
  assert.equal((await append(log))?.code, "disk_full");
  await until(clock, () => told.at(-1)?.writable === false);
  assert.match(told.at(-1)?.reason ?? "", /bus 'orders'/);

  fillable.isFull = false;
  await until(clock, () => told.at(-1)?.writable === true);
  assert.equal(await append(log), undefined);
});

test("free space is told when it has moved by more than a hundredth", async (context) => {
  const { engine, clock, fillable, told } = await openEngine(context);
  fillable.free -= fillable.free / 200;
  await clock.advanceAsync(limits.freeBytesIntervalMs);
  await engine.log("orders");
  assert.equal(told.length, 0);
  fillable.free = 2 ** 29;
  await until(clock, () => told.length > 0);
  assert.deepEqual(
    told.map((health) => health.freeBytes),
    [2 ** 29],
  );
});

test("deleting a log that refuses appends ends the refusal", async (context) => {
  const { engine, clock, fillable, told } = await openEngine(context);
  const log = await engine.log("orders");
  fillable.isFull = true;
  await append(log);
  await until(clock, () => told.at(-1)?.writable === false);
  await engine.deleteLog("orders");
  assert.equal(told.at(-1)?.writable, true);
});

test("P7: below the headroom every log refuses, reads and state go on, and it ends by itself", async (context) => {
  const { engine, clock, fillable, told } = await openEngine(context);
  const orders = await engine.log("orders");
  const other = await engine.log("other");
  assert.equal(await append(orders), undefined);
  // The reserve is not made yet, and what it will take is nobody else's.
  fillable.free =
    limits.diskHeadroomBytesMin + limits.diskReserveBytes + limits.diskStartReserveBytes - 1;
  await until(clock, () => told.at(-1)?.writable === false);
  for (const log of [orders, other]) {
    const failure = await append(log);
    assert.equal(failure?.code, "disk_full");
    assert.equal(failure?.retryAfterSeconds, 1);
  }
  assert.equal((await orders.read(0, { records: 10, bytes: 1000 })).count, 1);
  await engine.resources.put({ kind: "setting", id: "x", value: "{}" });
  // Not enough yet: it would flicker.
  fillable.free += 1000;
  await clock.advanceAsync(5 * limits.freeBytesIntervalMs);
  await engine.resources.put({ kind: "setting", id: "x", value: "{}" });
  assert.equal((await append(orders))?.code, "disk_full");
  fillable.free += limits.diskHeadroomBytesMin / 4;
  await until(clock, () => told.at(-1)?.writable === true);
  assert.equal(await append(orders), undefined);
  assert.equal(await append(other), undefined);
});

test("much written since the last measurement brings on the next", async (context) => {
  const { engine, clock, fillable, told } = await openEngine(context);
  const log = await engine.log("orders");
  const leftBytes = 8_000_000;
  fillable.free =
    limits.diskHeadroomBytesMin +
    limits.diskReserveBytes +
    limits.diskStartReserveBytes +
    leftBytes;
  await until(clock, () => told.length > 0);
  told.length = 0;
  fillable.free = 0;
  const payload = Buffer.alloc(100_000);
  const enough = (2 * leftBytes) / payload.length;
  for (let appended = 0; appended < enough && told.length === 0; appended += 50) {
    const appends = Array.from({ length: 50 }, () => {
      const records = [{ payload, hops: 0, facts: undefined }];
      return new Promise<void>((resolve) => log.append(records, () => resolve()));
    });
    await Promise.all(appends);
  }
  assert.equal(told.at(-1)?.writable, false);
  assert.equal((await append(log))?.code, "disk_full");
});
