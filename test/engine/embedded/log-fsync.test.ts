import assert from "node:assert/strict";
import { test } from "node:test";
import type { SegmentedLog } from "../../../src/engine/embedded/log.ts";
import { RESERVATION_NAME } from "../../../src/engine/embedded/offset-reservation.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { append, codeOf, contentOf, open, settle, tryAppend } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

type Loose = "interval" | "never";
const block = limits.offsetReserveCount;

interface Bench {
  readonly disk: MemoryDisk;
  readonly clock: FakeClock;
  readonly log: SegmentedLog;
}

async function bench(fsync: Loose): Promise<Bench> {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const log = await open("/log", { disk, clock, fsync });
  return { disk, clock, log };
}

async function textsIn(log: SegmentedLog): Promise<string[]> {
  return [...(await contentOf(log)).events.values()];
}

function syncs(disk: MemoryDisk): number {
  return disk.counts.get("dataSync") ?? 0;
}

async function pass(clock: FakeClock, ms: number): Promise<void> {
  await clock.advanceAsync(ms);
  await settle();
}

for (const fsync of ["interval", "never"] as const) {
  test(`${fsync}: an append is acknowledged and read without a sync of its own`, async () => {
    const { disk, log } = await bench(fsync);
    await append(log, "first");
    const before = syncs(disk);
    for (let index = 0; index < 20; index++) await append(log, `event ${index}`);
    assert.equal(syncs(disk), before);
    assert.equal((await textsIn(log)).length, 21);
    await log.close();
  });

  test(`${fsync}: after a power cut no offset that was seen is given again, and the gap is told`, async () => {
    const { disk, log } = await bench(fsync);
    for (let index = 0; index < 10; index++) await append(log, `event ${index}`);
    disk.crash();
    for (const next of ["always", fsync] as const) {
      const left = disk.fork();
      const again = await open("/log", { disk: left, fsync: next });
      const { first, next: at } = again.bounds();
      assert.equal(first, 0);
      assert(at >= 10, "what was seen lies below");
      const { events, gaps } = await contentOf(again);
      assert.equal(events.size, 0);
      assert.deepEqual(gaps, [{ from: 0, to: at - 1, reason: "jumped" }]);
      assert.equal(await append(again, "after"), at);
      await again.close();
      // Closed cleanly, it goes on without another jump.
      assert(!left.namesIn("/log").includes(RESERVATION_NAME));
      const third = await open("/log", { disk: left, fsync });
      assert.equal(await append(third, "and on"), at + 1);
      await third.close();
    }
  });

  test(`${fsync}: what kill -9 leaves is kept, and the log goes on behind the mark`, async () => {
    const { disk, log } = await bench(fsync);
    for (let index = 0; index < 10; index++) await append(log, `event ${index}`);
    const again = await open("/log", { disk: disk.fork(), fsync });
    assert.equal((await textsIn(again)).length, 10);
    const at = again.bounds().next;
    assert.deepEqual((await contentOf(again)).gaps, [{ from: 10, to: at - 1, reason: "jumped" }]);
    assert(at <= 10 + 2 * block);
    await again.close();
  });

  test(`${fsync}: a clean stop leaves everything on the disk and nothing reserved`, async () => {
    const { disk, log } = await bench(fsync);
    for (let index = 0; index < 10; index++) await append(log, `event ${index}`);
    await log.close();
    disk.crash();
    const again = await open("/log", { disk });
    assert.equal((await textsIn(again)).length, 10);
    assert.equal(again.bounds().next, 10);
    assert.deepEqual(again.damages(), []);
    await again.close();
  });

  test(`${fsync}: a segment is synced before the next one says that it is`, async () => {
    const disk = new MemoryDisk();
    const log = await open("/log", { disk, fsync, segmentBytesMax: 2048 });
    for (let index = 0; index < 40; index++) await append(log, `event ${index} ${"x".repeat(80)}`);
    const sealed = log.segments().at(-1)?.first ?? 0;
    assert(sealed > 0);
    disk.crash();
    const again = await open("/log", { disk });
    const { events } = await contentOf(again);
    for (let offset = 0; offset < sealed; offset++) assert(events.has(offset), `offset ${offset}`);
    assert.deepEqual(again.damages(), []);
    await again.close();
  });

  test(`${fsync}: offsets are reserved ahead in blocks, durably, before they are given`, async () => {
    const { disk, log } = await bench(fsync);
    const names = Array.from({ length: 1000 }, (_, index) => `${index}`);
    let seen = 0;
    while (seen < 2.5 * block) {
      const appends = await Promise.all(Array.from({ length: 16 }, () => append(log, ...names)));
      seen = Math.max(...appends) + names.length;
      const left = disk.fork();
      left.crash();
      const again = await open("/log", { disk: left });
      assert(again.bounds().next >= seen, `${seen} were seen, ${again.bounds().next} comes next`);
    }
    await log.close();
  });

  test(`${fsync}: where no offsets can be reserved appends are refused, and taken again later`, async () => {
    const { disk, clock, log } = await bench(fsync);
    disk.inject({ operation: "rename", code: "ENOSPC" });
    assert.equal(await codeOf(tryAppend(log, "refused")), "disk_full");
    assert.equal(log.refusal?.code, "disk_full");
    disk.heal();
    await pass(clock, limits.diskRetryMs);
    assert.equal(await append(log, "a"), 0);
    disk.crash();
    const again = await open("/log", { disk });
    assert(again.bounds().next >= 1);
    await again.close();
  });
}

test("interval: what was written is synced once an interval, and not when nothing was", async () => {
  const { disk, clock, log } = await bench("interval");
  await append(log, "a");
  await append(log, "b");
  const before = syncs(disk);
  await pass(clock, limits.fsyncIntervalMs - 1);
  assert.equal(syncs(disk), before);
  await pass(clock, 1);
  assert.equal(syncs(disk), before + 1);
  await pass(clock, 10 * limits.fsyncIntervalMs);
  assert.equal(syncs(disk), before + 1);
  disk.crash();
  const again = await open("/log", { disk });
  assert.deepEqual(await textsIn(again), ["a", "b"]);
  await again.close();
});

test("never: nothing is synced while the log runs, and no marker says so", async () => {
  const { disk, clock, log } = await bench("never");
  await append(log, "a");
  const before = syncs(disk);
  const bytes = log.bounds().bytes;
  await pass(clock, 100 * limits.fsyncIntervalMs);
  assert.equal(syncs(disk), before);
  assert.equal(log.bounds().bytes, bytes);
  await log.close();
});

test("interval: damage above what was synced is cut, damage below is kept as corruption", async () => {
  const { disk, clock, log } = await bench("interval");
  await append(log, "synced");
  await pass(clock, limits.fsyncIntervalMs);
  await append(log, "not synced");
  await append(log, "nor this");
  const [name = ""] = disk.namesIn("/log").filter((each) => each.endsWith(".log"));
  const bytes = Buffer.from(disk.bytesOf(`/log/${name}`));
  for (const [text, isCut] of [
    ["not synced", true],
    ["synced", false],
  ] as const) {
    const left = disk.fork();
    const flipped = Buffer.from(bytes);
    const at = flipped.indexOf(text);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    left.overwrite(`/log/${name}`, flipped);
    const again = await open("/log", { disk: left });
    const { events, gaps } = await contentOf(again);
    assert.deepEqual([...events.values()], isCut ? ["synced"] : ["not synced", "nor this"]);
    assert.equal(
      gaps.some(({ reason }) => reason === "damaged"),
      !isCut,
    );
    await again.close();
  }
});

test("interval: a failed sync leaves the segment, nothing more is acknowledged out of it", async () => {
  const { disk, clock, log } = await bench("interval");
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  await pass(clock, limits.fsyncIntervalMs);
  assert.equal(log.segments().length, 2);
  assert.equal(await append(log, "b"), 1);
  await pass(clock, limits.fsyncIntervalMs);
  // The failed file would say yes now; the log must not have asked it again.
  disk.crash();
  const again = await open("/log", { disk });
  const { events, gaps } = await contentOf(again);
  assert.deepEqual([...events], [[1, "b"]]);
  assert.deepEqual(gaps.map(({ from, to, reason }) => ({ from, to, reason })).at(0), {
    from: 0,
    to: 0,
    reason: "damaged",
  });
  await again.close();
});

test("interval: a group written while the sync before it fails is outcome_unknown", async () => {
  const { disk, clock, log } = await bench("interval");
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  const during = tryAppend(log, "during");
  clock.advance(limits.fsyncIntervalMs);
  // Both are under way now, and the sync comes back first.
  assert.equal(await codeOf(during), "outcome_unknown");
  assert.equal(await append(log, "b"), 1);
  await log.close();
  const again = await open("/log", { disk });
  assert.equal((await contentOf(again)).events.get(1), "b");
  await again.close();
});

test("interval: while no new segment can be made after a failed sync, appends are refused", async () => {
  const { disk, clock, log } = await bench("interval");
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO" });
  await pass(clock, limits.fsyncIntervalMs);
  assert.equal(await codeOf(tryAppend(log, "refused")), "storage_unavailable");
  assert.equal(log.refusal?.code, "storage_unavailable");
  // What follows "a" is on no disk: a process that dies now has left its mark.
  const left = disk.fork();
  left.heal();
  disk.heal();
  await pass(clock, limits.diskRetryMs);
  assert.equal(await append(log, "b"), 1);
  await log.close();
  left.crash();
  const again = await open("/log", { disk: left });
  assert(again.bounds().next > 1);
  await again.close();
});

test("interval: a log closed while a failed sync is not made good leaves its mark", async () => {
  const { disk, clock, log } = await bench("interval");
  await append(log, "a");
  disk.inject({ operation: "dataSync", code: "EIO" });
  await pass(clock, limits.fsyncIntervalMs);
  await log.close();
  disk.heal();
  disk.crash();
  const again = await open("/log", { disk });
  assert(again.bounds().next > 1, "the offset of the lost event is not given again");
  await again.close();
});

test("interval: what a failed sync may have cost is said, with its offsets", async () => {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const said: Record<string, unknown>[] = [];
  const logger = {
    ...silentLogger,
    error: (fields: Record<string, unknown>) => void said.push(fields),
  };
  const log = await open("/log", { disk, clock, logger, fsync: "interval" });
  await append(log, "synced");
  await pass(clock, limits.fsyncIntervalMs);
  await append(log, "a");
  await append(log, "b");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  await pass(clock, limits.fsyncIntervalMs);
  const lost = said.filter((fields) => "from" in fields);
  assert.deepEqual(
    lost.map(({ from, to }) => [from, to]),
    [[1, 2]],
  );
  await log.close();
});

test("a reservation that is damaged, of another log or of a later version is refused", async () => {
  const { disk, log } = await bench("never");
  await append(log, "a");
  const path = `/log/${RESERVATION_NAME}`;
  const whole = Buffer.from(disk.bytesOf(path));
  for (const [at, code] of [
    [20, "data_corrupt"],
    [30, "data_corrupt"],
    [0, "data_corrupt"],
    [8, "data_dir_too_new"],
  ] as const) {
    const left = disk.fork();
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) + 1;
    left.overwrite(path, changed);
    const before = left.namesIn("/log");
    await assert.rejects(open("/log", { disk: left }), { code });
    assert.deepEqual(left.namesIn("/log"), before);
  }
  const left = disk.fork();
  for (const name of left.namesIn("/log")) {
    if (name.endsWith(".log")) await left.unlink(`/log/${name}`);
  }
  await assert.rejects(open("/log", { disk: left }), { code: "data_corrupt", message: /segment/ });
  await log.close();
});

test("a segment that fails at its first group after a jump still tells of the jump", async () => {
  const { disk, log } = await bench("never");
  await append(log, "a");
  const left = disk.fork();
  const again = await open("/log", { disk: left });
  const at = again.bounds().next;
  left.inject({ operation: "dataSync", code: "EIO", times: 1 });
  assert.equal(await codeOf(tryAppend(again, "lost")), "outcome_unknown");
  assert.equal(await append(again, "b"), at);
  await again.close();
  const third = await open("/log", { disk: left });
  const { events, gaps } = await contentOf(third);
  assert.deepEqual([...events.values()], ["a", "b"]);
  assert.deepEqual(gaps, [{ from: 1, to: at - 1, reason: "jumped" }]);
  assert.deepEqual(third.damages(), []);
  await third.close();
  await log.close();
});
