import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LogShare } from "../../../src/engine/embedded/log-share.ts";
import type { RecordBatch } from "../../../src/engine/engine.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import {
  append,
  codeOf,
  contentOf,
  everything,
  listOf,
  open,
  record,
  settle,
  temporaryDirectory,
  textsOf,
  tryAppend,
} from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

test("appended records come back with offset, time and hops, after a restart too", async (context) => {
  const directory = await temporaryDirectory(context);
  const clock = new FakeClock(1_700_000_000_123);
  const log = await open(directory, { clock });
  const appended = new Promise<number>((resolve) => {
    const facts = Buffer.from("of the broker");
    log.append([{ payload: Buffer.from("a"), hops: 7, facts }, record("")], (_, first) =>
      resolve(first),
    );
  });
  assert.equal(await appended, 0);
  clock.advance(5);
  assert.equal(await append(log, "c"), 2);
  const check = (batch: RecordBatch): void => {
    assert.deepEqual(textsOf(batch), ["a", "", "c"]);
    assert.deepEqual(batch.offsets, [0, 1, 2]);
    assert.deepEqual(batch.times, [1_700_000_000_123, 1_700_000_000_123, 1_700_000_000_128]);
    assert.deepEqual(batch.hops, [7, 0, 0]);
    assert.equal(batch.next, 3);
    assert.deepEqual(batch.gaps, []);
  };
  check(await log.read(0, everything));
  await log.close();
  const again = await open(directory);
  check(await again.read(0, everything));
  assert.deepEqual(again.damages(), []);
  assert.equal(await append(again, "d"), 3);
  await again.close();
});

test("callbacks come after append has returned, in the order of the calls, and share a sync", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk });
  const syncsBefore = disk.counts.get("dataSync") ?? 0;
  const order: number[] = [];
  const advances: number[] = [];
  log.onAdvance((next) => advances.push(next));
  const all = Array.from({ length: 300 }, (_, caller) => {
    const appended = append(log, `event ${caller}`, "second").then((first) => {
      assert.equal(first, caller * 2);
      order.push(caller);
    });
    assert.equal(order.length, 0);
    return appended;
  });
  await Promise.all(all);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.equal((disk.counts.get("dataSync") ?? 0) - syncsBefore, 1);
  assert.deepEqual(advances, [600]);
  await log.close();
});

test("many callers at once get distinct contiguous offsets and find their events there", async (context) => {
  const log = await open(await temporaryDirectory(context), { segmentBytesMax: 50_000 });
  const stored = new Map<number, string>();
  const caller = async (id: number): Promise<void> => {
    for (let round = 0; round < 20; round++) {
      const texts = Array.from({ length: 1 + (round % 3) }, (_, n) => `${id}/${round}/${n}`);
      const first = await append(log, ...texts);
      for (const [n, text] of texts.entries()) stored.set(first + n, text);
    }
  };
  await Promise.all(Array.from({ length: 50 }, (_, id) => caller(id)));
  const { events, gaps } = await contentOf(log);
  assert.deepEqual(gaps, []);
  assert.equal(stored.size, events.size);
  for (const [offset, text] of stored) assert.equal(events.get(offset), text);
  assert(log.segments().length > 1);
  await log.close();
});

test("nothing is visible before its sync has returned", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk });
  const appended = append(log, "a");
  // The header of the segment was synced before; the group's sync is the second.
  while ((disk.counts.get("dataSync") ?? 0) < 2) {
    assert.equal(log.bounds().next, 0);
    assert.equal((await log.read(0, everything)).next, 0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await appended;
  assert.equal(log.bounds().next, 1);
  await log.close();
});

test("short writes are continued until the group is whole", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk });
  disk.writeBytesMax = 7;
  assert.equal(await append(log, "a longer event", "and another one"), 0);
  disk.crash();
  const again = await open("/log", { disk });
  assert.deepEqual(
    [...(await contentOf(again)).events.values()],
    ["a longer event", "and another one"],
  );
  await again.close();
});

test("a log begins a new segment at its size and reads on across the seam", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = await open(directory, { segmentBytesMax: 4096 });
  for (let index = 0; index < 100; index++) await append(log, `event ${index} ${"x".repeat(100)}`);
  const segments = log.segments();
  assert(segments.length > 3);
  assert(segments.every((segment) => segment.bytes <= 4096));
  for (const [index, segment] of segments.entries()) {
    assert.equal(segment.next, segments[index + 1]?.first ?? 100);
  }
  await log.close();
  const again = await open(directory, { segmentBytesMax: 4096 });
  const { events, gaps } = await contentOf(again);
  assert.equal(events.size, 100);
  assert.deepEqual(gaps, []);
  assert.deepEqual(again.segments(), log.segments());
  assert.deepEqual(
    (await readdir(directory)).filter((name) => name.endsWith(".tmp")),
    [],
  );
  await again.close();
});

test("a segment whose first record is old enough makes way, on an idle log too", async () => {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const log = await open("/log", { disk, clock, rollAfterMs: 60_000 });
  await append(log, "a");
  await clock.advanceAsync(30_000);
  await append(log, "b");
  await clock.advanceAsync(29_000);
  await settle();
  assert.equal(log.segments().length, 1);
  await clock.advanceAsync(1_000);
  await settle();
  assert.deepEqual(
    log.segments().map((segment) => [segment.first, segment.next]),
    [
      [0, 2],
      [2, 2],
    ],
  );
  assert.equal(log.trimmable(2), 2);
  await log.trim(2);
  const { first, next, firstTime } = log.bounds();
  assert.deepEqual({ first, next, firstTime }, { first: 2, next: 2, firstTime: undefined });
  assert.equal(await append(log, "c"), 2);
  await log.close();
});

test("a changed roll age takes effect at once", async () => {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const log = await open("/log", { disk, clock });
  await append(log, "a");
  await clock.advanceAsync(10_000);
  log.setRollAfter(5_000);
  await clock.advanceAsync(0);
  await settle();
  assert.equal(log.segments().length, 2);
  await log.close();
});

test("an idle log writes a closing marker within its delay, once", async () => {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const log = await open("/log", { disk, clock });
  await append(log, "a");
  const before = log.bounds().bytes;
  await clock.advanceAsync(limits.closingMarkerDelayMs);
  await settle();
  const after = log.bounds().bytes;
  assert(after > before);
  await clock.advanceAsync(60_000);
  await settle();
  assert.equal(log.bounds().bytes, after);
  assert.equal(log.bounds().next, 1);
  await log.close();
  assert.equal(clock.timers, 0);
});

test("append times never run backwards, whatever the clock does", async (context) => {
  const directory = await temporaryDirectory(context);
  const clock = new FakeClock(2_000_000);
  const log = await open(directory, { clock });
  await append(log, "a");
  clock.jumpWall(-1_000_000);
  await append(log, "b");
  await log.close();
  const again = await open(directory, { clock });
  await append(again, "c");
  assert.deepEqual((await again.read(0, everything)).times, [2_000_000, 2_000_000, 2_000_000]);
  await again.close();
});

test("offsetAt finds the first record at or after a time, in memory and on disk", async (context) => {
  const directory = await temporaryDirectory(context);
  const clock = new FakeClock(1_000);
  const log = await open(directory, { clock, segmentBytesMax: 4096 });
  for (let index = 0; index < 300; index++) {
    await append(log, `event ${index}`);
    clock.advance(10);
  }
  const check = async (tested: typeof log): Promise<void> => {
    assert.equal(await tested.offsetAt(0), 0);
    assert.equal(await tested.offsetAt(1_000), 0);
    assert.equal(await tested.offsetAt(1_001), 1);
    for (const index of [7, 42, 123, 222, 299]) {
      assert.equal(await tested.offsetAt(1_000 + 10 * index), index);
      assert.equal(await tested.offsetAt(1_000 + 10 * index - 9), index);
    }
    assert.equal(await tested.offsetAt(1_000 + 2_991), 300);
  };
  await check(log);
  await log.close();
  const again = await open(directory, { clock });
  await check(again);
  await again.close();
});

test("trim deletes whole segments and a restart keeps the new first offset", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = await open(directory, { segmentBytesMax: 2048 });
  for (let index = 0; index < 100; index++) await append(log, `event ${index} ${"x".repeat(80)}`);
  const [, second, third] = log.segments();
  assert(second !== undefined && third !== undefined);
  const goal = log.trimmable(third.first + 1);
  assert.equal(goal, third.first);
  assert.equal(log.trimmable(0), 0);
  const trimming = log.trim(third.first + 1);
  assert.equal(log.bounds().first, goal);
  assert.equal(log.readCached(goal - 1, everything), undefined);
  await trimming;
  const batch = await log.read(0, everything);
  assert.deepEqual(batch.gaps, [{ from: 0, to: goal - 1, reason: "trimmed" }]);
  assert.equal(batch.offsets[0], goal);
  await log.trim(second.first);
  assert.equal(log.bounds().first, goal);
  await log.close();
  const again = await open(directory, { segmentBytesMax: 2048 });
  assert.equal(again.bounds().first, goal);
  assert.equal((await contentOf(again)).events.size, 100 - goal);
  assert.equal(await append(again, "more"), 100);
  await again.trim(1_000_000);
  assert.equal(again.segments().length, 1);
  await again.close();
});

test("a reader in the middle of a segment that is trimmed gets its records or the gap", async () => {
  const disk = new MemoryDisk();
  const share = new LogShare();
  const log = await open("/log", { disk, share, segmentBytesMax: 2048 });
  for (let index = 0; index < 60; index++) await append(log, `event ${index} ${"x".repeat(80)}`);
  await log.close();
  const again = await open("/log", { disk, share, segmentBytesMax: 2048 });
  const goal = again.trimmable(30);
  const [batch] = await Promise.all([again.read(0, everything), again.trim(30)]);
  const isGap = batch.gaps[0]?.to === goal - 1;
  assert(isGap || batch.offsets[0] === 0);
  assert.deepEqual((await again.read(0, everything)).offsets[0], goal);
  await again.close();
});

test("read limits hold for records and bytes, and the first record always comes", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = await open(directory);
  const large = "x".repeat(200_000);
  await append(log, "a", "bb", "ccc", large, "d");
  await log.close();
  const cold = await open(directory);
  const warm = await open(await temporaryDirectory(context));
  await append(warm, "a", "bb", "ccc", large, "d");
  for (const tested of [cold, warm]) {
    const read = async (from: number, records: number, bytes: number): Promise<string[]> =>
      textsOf(await tested.read(from, { records, bytes }));
    assert.deepEqual(await read(0, 2, 1000), ["a", "bb"]);
    assert.deepEqual(await read(0, 100, 3), ["a", "bb"]);
    assert.deepEqual(await read(0, 100, 5), ["a", "bb"]);
    assert.deepEqual(await read(2, 100, 1000), ["ccc"]);
    assert.deepEqual(await read(3, 100, 1), [large]);
    assert.deepEqual(await read(4, 100, 1), ["d"]);
    assert.equal((await tested.read(5, everything)).next, 5);
    assert.equal((await contentOf(tested, 0, { records: 1, bytes: 1 })).events.size, 5);
    await tested.close();
  }
});

test("the tail cache gives the same batches as the disk", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = await open(directory, { segmentBytesMax: 30_000 });
  for (let group = 0; group < 60; group++) {
    const texts = Array.from({ length: 1 + (group % 20) }, (_, n) => `${group}.${n}`.repeat(n + 1));
    await Promise.all([append(log, ...texts), append(log, "alone")]);
  }
  const cold = await open(directory, { segmentBytesMax: 30_000 });
  const { next } = log.bounds();
  for (let from = 0; from < next; from += 7) {
    const cached = log.readCached(from, everything);
    assert(cached !== undefined && cached.count > 0);
    const stored = await cold.read(from, { records: cached.count, bytes: everything.bytes });
    const count = Math.min(stored.count, cached.count);
    assert.deepEqual(textsOf(stored).slice(0, count), textsOf(cached).slice(0, count));
    assert.deepEqual(stored.offsets.slice(0, count), cached.offsets.slice(0, count));
    assert.deepEqual(stored.times.slice(0, count), cached.times.slice(0, count));
    assert.deepEqual(stored.hops.slice(0, count), cached.hops.slice(0, count));
  }
  const caughtUp = log.readCached(next, everything);
  assert.deepEqual([caughtUp?.count, caughtUp?.next], [0, next]);
  await log.close();
  await cold.close();
});

test("the tail cache keeps to its limit and sends earlier readers to the disk", async (context) => {
  const log = await open(await temporaryDirectory(context));
  const text = "x".repeat(limits.eventBytesMax);
  for (let index = 0; index < 20; index++) await append(log, text);
  assert.equal(log.readCached(0, everything), undefined);
  assert.equal(log.readCached(19, everything)?.count, 1);
  assert.equal((await log.read(0, everything)).offsets[0], 0);
  await log.close();
});

test("a buffer that a reader holds never changes afterwards", async () => {
  const log = await open("/log", { disk: new MemoryDisk() });
  await append(log, "first");
  const batch = log.readCached(0, everything);
  assert(batch !== undefined);
  const before = textsOf(batch);
  for (let index = 0; index < 500; index++) await append(log, `later ${index}`);
  assert.deepEqual(textsOf(batch), before);
  await log.close();
});

test("at most so many reads are at the disk at once, over all logs", async () => {
  const disk = new MemoryDisk();
  const share = new LogShare();
  for (const path of ["/one", "/two"]) {
    const log = await open(path, { disk });
    for (let index = 0; index < 10; index++) await append(log, `${index}`);
    await log.close();
  }
  const logs = await Promise.all(["/one", "/two"].map((path) => open(path, { disk, share })));
  disk.readsAtOnceMax = 0;
  await Promise.all(
    logs.flatMap((log) => Array.from({ length: 10 }, (_, from) => log.read(from, everything))),
  );
  assert.equal(disk.readsAtOnceMax, limits.concurrentLogReadsMax);
  await Promise.all(logs.map((log) => log.close()));
});

test("a full queue refuses with overloaded, through the callback, and recovers", async (context) => {
  const log = await open(await temporaryDirectory(context));
  const text = "x".repeat(limits.eventBytesMax);
  const all = Array.from({ length: 70 }, () => tryAppend(log, text));
  const results = await Promise.all(all);
  const refused = results.filter(({ failure }) => failure !== undefined);
  assert.equal(refused.length, 70 - 63);
  for (const { failure } of refused) {
    assert.equal(failure?.code, "overloaded");
    assert.equal(failure?.retryAfterSeconds, 1);
  }
  assert.equal(await append(log, "room again"), 63);
  await log.close();
});

test("an append that does not fit a group is refused as too large", async (context) => {
  const log = await open(await temporaryDirectory(context));
  const texts = Array.from({ length: limits.groupRecordsMax + 1 }, () => "x");
  assert.equal(await codeOf(tryAppend(log, ...texts)), "batch_too_large");
  assert.equal(await codeOf(tryAppend(log, "x".repeat(limits.groupBytesMax))), "batch_too_large");
  assert.equal(await append(log, ...texts.slice(1)), 0);
  await log.close();
});

test("close stores what was appended, then refuses; a second close is harmless", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = await open(directory);
  const appended = append(log, "a");
  await Promise.all([log.close(), log.close()]);
  assert.equal(await appended, 0);
  assert.equal(await codeOf(tryAppend(log, "b")), "stopping");
  const again = await open(directory);
  assert.equal(again.bounds().next, 1);
  await again.close();
});

test("verify finds nothing on a sound log and reads every segment", async (context) => {
  const log = await open(await temporaryDirectory(context), { segmentBytesMax: 4096 });
  for (let index = 0; index < 50; index++) await append(log, "x".repeat(500));
  assert.deepEqual(await listOf(log.verify()), []);
  await log.close();
});

test("opening an idle, closed log changes no file", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = await open(directory);
  await append(log, "a");
  await log.close();
  const [name] = await readdir(directory);
  assert(name !== undefined);
  const before = await stat(join(directory, name));
  const again = await open(directory);
  await again.close();
  const after = await stat(join(directory, name));
  assert.deepEqual([after.size, after.mtimeMs], [before.size, before.mtimeMs]);
});
