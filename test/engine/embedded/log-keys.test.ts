import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogOptions, SegmentedLog } from "../../../src/engine/embedded/log.ts";
import { KEY_BYTES, encodeFacts } from "../../../src/engine/record-facts.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { contentOf, listOf, open, record, settle } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** Deduplication keys in the footers of sealed segments (spec/log-format.md, Keys). */
const START = Date.UTC(2026, 0, 1);

function keyOf(number: number): Buffer {
  return Buffer.alloc(KEY_BYTES, `key ${number} `);
}

async function appendKeyed(log: SegmentedLog, number: number, isKeyed: boolean): Promise<void> {
  const facts = isKeyed ? encodeFacts({ key: keyOf(number) }) : undefined;
  await new Promise<void>((resolve, reject) => {
    const payload = Buffer.from(`event ${number} ${"x".repeat(80)}`);
    log.append([{ payload, hops: 0, facts }], (failure) =>
      failure === undefined ? resolve() : reject(failure),
    );
  });
}

interface Listed {
  readonly offset: number;
  readonly time: number;
  readonly key: string;
}

async function keysOf(log: SegmentedLog, since = 0): Promise<Listed[]> {
  const listed: Listed[] = [];
  for await (const { offsets, times, keys } of log.keys(since)) {
    for (const [index, offset] of offsets.entries()) {
      const key = keys.toString("latin1", index * KEY_BYTES, (index + 1) * KEY_BYTES);
      listed.push({ offset, time: times[index] ?? 0, key });
    }
  }
  return listed;
}

function expectedKeys(count: number, isKeyed: (number: number) => boolean): Listed[] {
  return Array.from({ length: count }, (_, offset) => ({
    offset,
    time: START + offset * 1000,
    key: keyOf(offset).toString("latin1"),
  })).filter(({ offset }) => isKeyed(offset));
}

const everyThird = (number: number): boolean => number % 3 === 0;
const EVENTS = 60;

/** A log of several segments in which some events carry keys, each a second after the last. */
async function keyedLog(
  disk: MemoryDisk,
  isKeyed: (number: number) => boolean = everyThird,
  options: Partial<LogOptions> = {},
): Promise<SegmentedLog> {
  const clock = new FakeClock(START);
  const log = await open("/log", { disk, clock, segmentBytesMax: 3000, ...options });
  for (let number = 0; number < EVENTS; number++) {
    await appendKeyed(log, number, isKeyed(number));
    await clock.advanceAsync(1000);
  }
  await settle();
  return log;
}

function reopen(disk: MemoryDisk): Promise<SegmentedLog> {
  const clock = new FakeClock(START + EVENTS * 1000);
  return open("/log", { disk, clock, segmentBytesMax: 3000 });
}

/** Bytes read from the disk while listing all keys. */
async function readsOf(disk: MemoryDisk, log: SegmentedLog, since = 0): Promise<number> {
  const before = disk.counts.get("read") ?? 0;
  await keysOf(log, since);
  return (disk.counts.get("read") ?? 0) - before;
}

test("keys are listed with offsets and times, before and after a restart", async () => {
  const disk = new MemoryDisk();
  const log = await keyedLog(disk);
  const expected = expectedKeys(EVENTS, everyThird);
  assert.deepEqual(await keysOf(log), expected);
  await log.close();
  const again = await reopen(disk);
  assert(again.segments().length > 3);
  assert.deepEqual(await keysOf(again), expected);
  assert.deepEqual(await listOf(again.verify()), []);
  assert.deepEqual(again.damages(), []);
  await again.close();
});

test("keys from a time on leave out what is older, within a segment too", async () => {
  const disk = new MemoryDisk();
  await (await keyedLog(disk)).close();
  const log = await reopen(disk);
  for (const from of [0, 1, 7, 30, 31, EVENTS - 1, EVENTS]) {
    const expected = expectedKeys(EVENTS, everyThird).filter(({ offset }) => offset >= from);
    assert.deepEqual(await keysOf(log, START + from * 1000), expected, `from ${from}`);
  }
  await log.close();
});

test("the keys of sealed segments are read from their footers, not from their records", async () => {
  const disk = new MemoryDisk();
  await (await keyedLog(disk)).close();
  for (const name of disk.namesIn("/log").slice(0, -1)) {
    // Whoever read the records would find them gone, and no keys.
    const path = `/log/${name}`;
    const bytes = Buffer.from(disk.bytesOf(path));
    const footerAt = bytes.lastIndexOf("mgrp");
    bytes.fill(0, 1024, footerAt);
    disk.overwrite(path, bytes);
  }
  const log = await reopen(disk);
  assert.deepEqual(await keysOf(log), expectedKeys(EVENTS, everyThird));
  await log.close();
});

test("a segment without keys has no footer, and nobody reads it for keys", async () => {
  const disk = new MemoryDisk();
  await (await keyedLog(disk, (number) => number === EVENTS - 1)).close();
  const log = await reopen(disk);
  const sealed = log.segments().length - 1;
  assert(sealed >= 3);
  for (const name of disk.namesIn("/log").slice(0, -1)) {
    const { bytes } = log.segments()[disk.namesIn("/log").indexOf(name)] ?? { bytes: 0 };
    assert.equal(disk.bytesOf(`/log/${name}`).length, bytes);
  }
  assert((await readsOf(disk, log)) <= 3, "only the active segment is read");
  assert.equal((await keysOf(log)).length, 1);
  await log.close();
});

test("a footer torn or flipped anywhere gives no wrong key: the records say what it does not", async () => {
  const original = new MemoryDisk();
  await (await keyedLog(original)).close();
  const name = original.namesIn("/log")[1] ?? "";
  const whole = Buffer.from(original.bytesOf(`/log/${name}`));
  const footerAt = whole.lastIndexOf("mgrp");
  const expected = expectedKeys(EVENTS, everyThird);
  for (let at = footerAt; at < whole.length; at += 3) {
    for (const damaged of [whole.subarray(0, at), flip(whole, at)]) {
      const disk = original.fork();
      disk.overwrite(`/log/${name}`, damaged);
      const log = await reopen(disk);
      assert.deepEqual(await keysOf(log), expected, `byte ${at}`);
      assert.deepEqual((await contentOf(log)).gaps, []);
      // Without a single byte of it there is no footer that could be damaged.
      const damages = await listOf(log.verify());
      assert.equal(damages.length, damaged.length === footerAt ? 0 : 1, `byte ${at}`);
      assert(damages.every((damage) => damage.to < damage.from));
      await log.close();
    }
  }
});

function flip(bytes: Buffer, at: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at & 7)), at);
  return flipped;
}

test("a crash before, in the midst of and after the footer loses no event and no key (P1)", async () => {
  const disk = new MemoryDisk();
  await (await keyedLog(disk)).close();
  const names = disk.namesIn("/log");
  const sealed = `/log/${names.at(-2) ?? ""}`;
  const whole = Buffer.from(disk.bytesOf(sealed));
  const footerAt = whole.lastIndexOf("mgrp");
  for (const end of [footerAt, footerAt + 20, whole.length - 1, whole.length]) {
    const crashed = disk.fork();
    crashed.overwrite(sealed, whole.subarray(0, end));
    const log = await reopen(crashed);
    await settle();
    // The newest sealed segment is looked after: its footer is whole again.
    assert.deepEqual(crashed.bytesOf(sealed), whole, `cut at ${end - footerAt}`);
    assert.deepEqual(await keysOf(log), expectedKeys(EVENTS, everyThird));
    assert.deepEqual(await listOf(log.verify()), []);
    await log.close();
  }
});

test("a last segment that ends with a footer is opened, appended to, and sealed again", async () => {
  const disk = new MemoryDisk();
  await (await keyedLog(disk)).close();
  const names = disk.namesIn("/log");
  const last = names.at(-1) ?? "";
  const first = Number(last.slice(0, 16));
  await disk.unlink(`/log/${last}`);
  await disk.syncDirectory("/log");
  const log = await open("/log", { disk, clock: new FakeClock(START + EVENTS * 1000) });
  assert.deepEqual(log.damages(), []);
  assert.equal(log.bounds().next, first);
  const segments = log.segments().length;
  for (let number = first; number < first + 30; number++) await appendKeyed(log, number, true);
  await settle();
  const expected = expectedKeys(first + 30, (number) => number >= first || everyThird(number));
  const offsetsOf = (keys: Listed[]): unknown => keys.map(({ offset, key }) => [offset, key]);
  assert.deepEqual(offsetsOf(await keysOf(log)), offsetsOf(expected));
  assert.equal(log.segments().length, segments, "the log goes on behind the footer");
  assert.equal((await contentOf(log)).events.size, first + 30);
  assert.deepEqual(await listOf(log.verify()), []);
  await log.close();
  const again = await reopen(disk);
  assert.deepEqual(offsetsOf(await keysOf(again)), offsetsOf(expected));
  assert.equal((await contentOf(again)).events.size, first + 30);
  assert.deepEqual(await listOf(again.verify()), []);
  await again.close();
});

test("a segment whose write failed gets no footer, and its keys are found all the same", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk, clock: new FakeClock(START) });
  await appendKeyed(log, 0, true);
  const path = `/log/${disk.namesIn("/log")[0] ?? ""}`;
  const { length } = disk.bytesOf(path);
  disk.inject({ operation: "write", code: "EIO", times: 1, writtenBytes: 30 });
  await assert.rejects(appendKeyed(log, 1, true));
  await appendKeyed(log, 1, true);
  await settle();
  assert.equal(log.segments().length, 2);
  assert.equal(disk.bytesOf(path).length, length, "the failed segment is not written again");
  assert.deepEqual(
    (await keysOf(log)).map(({ offset }) => offset),
    [0, 1],
  );
  await log.close();
  const again = await reopen(disk);
  assert.equal((await keysOf(again)).length, 2);
  assert.deepEqual(await listOf(again.verify()), []);
  await again.close();
});

test("many keys fill several pages", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk, clock: new FakeClock(START), segmentBytesMax: 2 ** 20 });
  const count = 10_000;
  for (let from = 0; from < count; from += 1000) {
    const records = Array.from({ length: 1000 }, (_, index) => ({
      ...record("e"),
      facts: encodeFacts({ key: keyOf(from + index) }),
    }));
    await new Promise<void>((resolve) => log.append(records, () => resolve()));
  }
  log.setRollAfter(1);
  await settle();
  await log.close();
  const again = await reopen(disk);
  const listed = await keysOf(again);
  assert.equal(listed.length, count);
  assert(listed.every(({ offset, key }) => key === keyOf(offset).toString("latin1")));
  assert.deepEqual(await listOf(again.verify()), []);
  await again.close();
});
