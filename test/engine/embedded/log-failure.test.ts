import assert from "node:assert/strict";
import { test } from "node:test";
import type { SegmentedLog } from "../../../src/engine/embedded/log.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { append, codeOf, contentOf, everything, open, settle, tryAppend } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

interface Bench {
  readonly disk: MemoryDisk;
  readonly clock: FakeClock;
  readonly log: SegmentedLog;
}

async function bench(): Promise<Bench> {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const log = await open("/log", { disk, clock });
  return { disk, clock, log };
}

async function textsIn(log: SegmentedLog): Promise<string[]> {
  return [...(await contentOf(log)).events.values()];
}

test("a failed sync is outcome_unknown for its own group only, and its offset was never seen", async () => {
  const { disk, log } = await bench();
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  const failed = tryAppend(log, "lost");
  await new Promise((resolve) => setImmediate(resolve));
  const waiting = append(log, "b");
  assert.equal((await failed).failure?.code, "outcome_unknown");
  assert.equal(await waiting, 1);
  assert.deepEqual(await textsIn(log), ["a", "b"]);
  assert.deepEqual(
    log.segments().map(({ first, next }) => [first, next]),
    [
      [0, 1],
      [1, 2],
    ],
  );
  // The failed file would say yes now, as Linux does; the log must not believe it.
  disk.crash();
  const again = await open("/log", { disk });
  assert.deepEqual(await textsIn(again), ["a", "b"]);
  await again.close();
});

test("a group whose sync failed is not taken for stored after the process dies", async () => {
  const { disk, log } = await bench();
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  disk.inject({ operation: "rename", code: "EIO" });
  assert.equal(await codeOf(tryAppend(log, "lost")), "outcome_unknown");
  await settle();
  disk.heal();
  // kill -9: what programs see stays as it is, and with it what never reached the disk.
  const again = await open("/log", { disk });
  assert.equal(await append(again, "b"), 1);
  disk.crash();
  const third = await open("/log", { disk });
  assert.deepEqual(await textsIn(third), ["a", "b"]);
  await third.close();
});

test("a failed write is storage_unavailable, nothing of it is stored, and the log goes on", async () => {
  const { disk, log } = await bench();
  await append(log, "a");
  disk.inject({ operation: "write", code: "EIO", times: 1, writtenBytes: 60 });
  const { failure } = await tryAppend(log, "lost", "lost too");
  assert.equal(failure?.code, "storage_unavailable");
  assert.equal(failure?.retryAfterSeconds, 1);
  assert.equal(await append(log, "b"), 1);
  assert.deepEqual(await textsIn(log), ["a", "b"]);
  disk.crash();
  const again = await open("/log", { disk });
  assert.deepEqual(await textsIn(again), ["a", "b"]);
  assert.deepEqual(again.damages(), []);
  await again.close();
});

test("a segment that fails at its first group is replaced, and no offset is given twice", async () => {
  const { disk, log } = await bench();
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  assert.equal(await codeOf(tryAppend(log, "lost")), "outcome_unknown");
  assert.equal(await append(log, "a"), 0);
  assert.equal(log.segments().length, 1);
  assert.deepEqual(disk.namesIn("/log"), ["0000000000000000-00000001.log"]);
  disk.inject({ operation: "unlink", code: "EIO" });
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  assert.equal(await codeOf(tryAppend(log, "lost")), "outcome_unknown");
  disk.inject({ operation: "dataSync", code: "EIO", after: 2, times: 1 });
  assert.equal(await append(log, "b"), 1);
  await log.close();
  disk.heal();
  const again = await open("/log", { disk });
  assert.deepEqual(await textsIn(again), ["a", "b"]);
  await again.close();
});

test("two segments that begin at one offset open as one log", async () => {
  const { disk, log } = await bench();
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  disk.inject({ operation: "truncate", code: "EIO" });
  await codeOf(tryAppend(log, "lost"));
  assert.equal(await append(log, "b"), 1);
  disk.inject({ operation: "unlink", code: "EIO" });
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  await codeOf(tryAppend(log, "lost again"));
  disk.inject({ operation: "dataSync", code: "EIO", after: 1, times: 1 });
  await codeOf(tryAppend(log, "and again"));
  assert.equal(await append(log, "c"), 2);
  await log.close();
  disk.heal();
  assert.equal(
    disk.namesIn("/log").filter((name) => name.startsWith("0".repeat(15) + "2")).length,
    2,
  );
  const again = await open("/log", { disk });
  assert.deepEqual(await textsIn(again), ["a", "b", "c"]);
  assert.deepEqual(again.damages(), []);
  await again.close();
});

for (const code of ["ENOSPC", "EDQUOT"]) {
  test(`${code} refuses with disk_full until there is room; reads go on`, async () => {
    const { disk, clock, log } = await bench();
    const seen: (string | undefined)[] = [];
    log.onHealth((refusal) => seen.push(refusal?.code));
    await append(log, "a");
    disk.free = 0;
    disk.inject({ operation: "write", code, writtenBytes: 100 });
    const failed = tryAppend(log, "lost");
    await new Promise((resolve) => setImmediate(resolve));
    const queued = tryAppend(log, "queued");
    assert.equal((await failed).failure?.code, "disk_full");
    assert.equal((await queued).failure?.code, "disk_full");
    const refused = (await tryAppend(log, "refused")).failure;
    assert.equal(refused?.code, "disk_full");
    assert((refused?.retryAfterSeconds ?? 0) >= 1);
    assert.equal(log.refusal?.code, "disk_full");
    for (let probe = 0; probe < 3; probe++) {
      await clock.advanceAsync(limits.diskRetryMs);
      await settle();
    }
    assert.equal((await log.read(0, everything)).count, 1);
    assert.equal(await codeOf(tryAppend(log, "still")), "disk_full");
    assert.deepEqual(disk.namesIn("/log").length, 1);
    disk.heal();
    await clock.advanceAsync(limits.diskRetryMs);
    await settle();
    assert.equal(await codeOf(tryAppend(log, "no headroom yet")), "disk_full");
    disk.free = limits.diskHeadroomBytesMin;
    await clock.advanceAsync(limits.diskRetryMs);
    await settle();
    assert.equal(log.refusal, undefined);
    assert.equal(await append(log, "b"), 1);
    assert.deepEqual(await textsIn(log), ["a", "b"]);
    assert.equal(seen[0], "disk_full");
    assert.equal(seen.at(-1), undefined);
    await log.close();
    const again = await open("/log", { disk });
    assert.deepEqual(await textsIn(again), ["a", "b"]);
    await again.close();
  });
}

for (const operation of ["open", "write", "dataSync", "rename", "syncDirectory"] as const) {
  test(`a new segment whose ${operation} fails refuses until a probe succeeds`, async () => {
    const { disk, clock, log } = await bench();
    await append(log, "a");
    log.setRollAfter(1);
    disk.inject({ operation, code: "EIO" });
    await clock.advanceAsync(10);
    await settle();
    assert.equal(await codeOf(tryAppend(log, "refused")), "storage_unavailable");
    assert.equal((await log.read(0, everything)).count, 1);
    disk.heal();
    await clock.advanceAsync(limits.diskRetryMs);
    await settle();
    assert.equal(await append(log, "b"), 1);
    await log.close();
    disk.crash();
    const again = await open("/log", { disk });
    assert.deepEqual(await textsIn(again), ["a", "b"]);
    await again.close();
  });
}

test("a failed closing marker costs no event and the log goes on", async () => {
  const { disk, clock, log } = await bench();
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  await clock.advanceAsync(limits.closingMarkerDelayMs);
  await settle();
  assert.equal(log.segments().length, 2);
  assert.equal(await append(log, "b"), 1);
  await log.close();
  const again = await open("/log", { disk });
  assert.deepEqual(await textsIn(again), ["a", "b"]);
  await again.close();
});

test("closing a log that the disk refuses ends, with every callback called", async () => {
  const { disk, clock, log } = await bench();
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO" });
  const failed = tryAppend(log, "lost");
  const closing = log.close();
  assert.equal((await failed).failure?.code, "outcome_unknown");
  await closing;
  assert.equal(clock.timers, 0);
});

test("a read that fails is storage_unavailable and works again with the disk", async () => {
  const { disk, log } = await bench();
  await append(log, "a");
  await log.close();
  const again = await open("/log", { disk });
  disk.inject({ operation: "read", code: "EIO", times: 20 });
  await assert.rejects(again.read(0, everything), { code: "storage_unavailable" });
  disk.heal();
  assert.deepEqual(await textsIn(again), ["a"]);
  await again.close();
});

test("a trim that fails part-way moves the bound all the same and is finished by the next", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk, segmentBytesMax: 2048 });
  for (let index = 0; index < 40; index++) await append(log, `event ${index} ${"x".repeat(80)}`);
  const files = disk.namesIn("/log").length;
  disk.inject({ operation: "unlink", code: "EIO", after: 1, times: 1 });
  const goal = log.trimmable(30);
  await assert.rejects(log.trim(30), { code: "storage_unavailable" });
  assert.equal(log.bounds().first, goal);
  assert.equal(disk.namesIn("/log").length, files - 1);
  await log.trim(30);
  assert.equal(disk.namesIn("/log").length, log.segments().length);
  await log.close();
});

test("segments trimmed before a power cut do not come back after it", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk, segmentBytesMax: 2048 });
  for (let index = 0; index < 40; index++) await append(log, `event ${index} ${"x".repeat(80)}`);
  const goal = log.trimmable(30);
  assert(goal > 0);
  await log.trim(30);
  disk.crash();
  const again = await open("/log", { disk });
  assert.equal(again.bounds().first, goal);
  await again.close();
});

test("what a killed process left in the page cache is on the disk once it is seen", async () => {
  const { disk, log } = await bench();
  await append(log, "a");
  // The kernel has dropped the pages, and the process dies before it can cut them off.
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  disk.inject({ operation: "truncate", code: "EIO" });
  disk.inject({ operation: "open", code: "EIO" });
  assert.equal(await codeOf(tryAppend(log, "b")), "outcome_unknown");
  const left = disk.fork();
  const next = await open("/log", { disk: left });
  assert.deepEqual(await textsIn(next), ["a", "b"]);
  left.crash();
  const third = await open("/log", { disk: left });
  assert.deepEqual(await textsIn(third), ["a", "b"]);
  await third.close();
});

test("a segment whose name was not synced is not lost once it is seen", async () => {
  const { disk, clock, log } = await bench();
  await append(log, "a");
  log.setRollAfter(1);
  const syncsBefore = disk.counts.get("syncDirectory") ?? 0;
  await clock.advanceAsync(10);
  // The process dies after the renaming and before the directory's sync.
  let left = disk.fork();
  while ((disk.counts.get("syncDirectory") ?? 0) === syncsBefore) {
    left = disk.fork();
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(left.namesIn("/log").filter((name) => name.endsWith(".log")).length, 2);
  const next = await open("/log", { disk: left });
  assert.equal(await append(next, "b"), 1);
  left.crash();
  const third = await open("/log", { disk: left });
  assert.deepEqual(await textsIn(third), ["a", "b"]);
  await third.close();
});

test("P1: what is stored behind a closing marker that reached the page cache only survives a power cut", async () => {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const log = await open("/log", { disk, clock });
  await append(log, "a");
  // The marker's sync fails, and the process dies before it could cut the marker off again.
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  disk.inject({ operation: "truncate", code: "EIO" });
  disk.inject({ operation: "open", code: "EIO" });
  clock.advance(2 * limits.closingMarkerDelayMs);
  await settle();
  disk.heal();
  const again = await open("/log", { disk });
  await append(again, "b");
  disk.crash();
  const last = await open("/log", { disk });
  assert.deepEqual(await textsIn(last), ["a", "b"]);
  await last.close();
});
