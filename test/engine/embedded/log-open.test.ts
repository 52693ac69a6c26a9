import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import {
  SEGMENT_DATA_START,
  SEGMENT_HEADER_BYTES,
  encodeSegmentHeader,
} from "../../../src/engine/embedded/log-format.ts";
import {
  INDEX_INTERVAL_BYTES,
  IndexBudget,
  SparseIndex,
} from "../../../src/engine/embedded/sparse-index.ts";
import { append, contentOf, everything, listOf, open } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

const EVENTS = 120;

function textOf(index: number): string {
  return `event ${index} ${"x".repeat(200)}`;
}

async function filled(disk: MemoryDisk): Promise<number> {
  const log = await open("/log", { disk, segmentBytesMax: 3000 });
  for (let index = 0; index < EVENTS; index++) await append(log, textOf(index));
  await log.close();
  return log.segments().length;
}

test("opening reads the front of each sealed segment, and of its events nothing", async () => {
  const disk = new MemoryDisk();
  const segments = await filled(disk);
  assert(segments > 10);
  const before = disk.counts.get("read") ?? 0;
  const log = await open("/log", { disk, segmentBytesMax: 3000 });
  // A front is one read, the last segment another and one that finds its end.
  const reads = (disk.counts.get("read") ?? 0) - before;
  assert(reads <= segments + 4, `${reads} reads for ${segments} segments`);
  assert.equal((await contentOf(log)).events.size, EVENTS);
  await log.close();
});

test("a log of version 1 opens, reads and goes on, and is whole in the end", async () => {
  const disk = new MemoryDisk();
  await disk.makeDirectory("/log");
  const path = "/log/0000000000000000-00000000.log";
  const file = await disk.open(path, "create");
  await file.close();
  await disk.syncDirectory("/log");
  disk.overwrite(path, headerOfVersion1());
  const segments = await filled(disk);
  assert(segments > 10);
  const log = await open("/log", { disk });
  const { events, gaps } = await contentOf(log);
  assert.deepEqual(gaps, []);
  assert.equal(events.size, EVENTS);
  assert.equal(disk.bytesOf(path).readUInt32LE(8), 1);
  assert.deepEqual(await listOf(log.verify()), []);
  await log.close();
});

function headerOfVersion1(): Buffer {
  const header = { number: 0, first: 0, previousNext: 0, previousTime: 0, created: 0 };
  const block = encodeSegmentHeader({ ...header, logId: Buffer.alloc(16, 3) });
  block.writeUInt32LE(1, 8);
  block.fill(0, 64, 508);
  block.writeUInt32LE(crc32(block.subarray(0, 508)), 508);
  block.copy(block, SEGMENT_HEADER_BYTES, 0, SEGMENT_HEADER_BYTES);
  assert.equal(block.length, SEGMENT_DATA_START);
  return block;
}

test("an index knows the last frame at or before an offset or a time, in whatever order it was told", () => {
  const index = new SparseIndex(new IndexBudget(1_000_000));
  for (const slot of [7, 2, 5, 0]) {
    index.extend(slot * 100, slot * INDEX_INTERVAL_BYTES + 1024, slot * 1000);
  }
  assert.equal(index.floorOffset(99)?.offset, 0);
  assert.equal(index.floorOffset(200)?.offset, 200);
  assert.equal(index.floorOffset(699)?.offset, 500);
  assert.equal(index.floorOffset(10_000)?.offset, 700);
  assert.equal(index.floorTime(0), undefined);
  assert.equal(index.floorTime(2000)?.offset, 0);
  assert.equal(index.floorTime(2001)?.offset, 200);
});

test("the indexes of all segments together stay within their budget; the oldest goes first (P7)", () => {
  const budget = new IndexBudget(10_000);
  const indexes = Array.from({ length: 20 }, () => new SparseIndex(budget));
  for (const index of indexes) {
    for (let slot = 0; slot < 64; slot++) index.extend(slot, slot * INDEX_INTERVAL_BYTES + 1, slot);
    assert(budget.bytes <= 10_000 || index.bytes > 10_000);
    // Whoever is used stays.
    indexes[0]?.floorOffset(5);
  }
  assert.equal(indexes[0]?.floorOffset(5)?.offset, 5);
  assert.equal(indexes[1]?.floorOffset(5), undefined);
  assert.equal(
    budget.bytes,
    indexes.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  for (const index of indexes) index.clear();
  assert.equal(budget.bytes, 0);
});

test("a log whose index was dropped reads the same", async () => {
  const disk = new MemoryDisk();
  await filled(disk);
  const log = await open("/log", { disk });
  await contentOf(log);
  // Another log's reading may take the memory at any time.
  const crowd = new SparseIndex();
  for (let slot = 0; slot < 1_000_000; slot += 1000) {
    crowd.extend(slot, slot * INDEX_INTERVAL_BYTES + 1, 0);
  }
  for (const from of [0, 17, EVENTS - 1]) {
    const { events } = await contentOf(log, from, { ...everything, records: 7 });
    assert.equal(events.size, EVENTS - from);
  }
  crowd.clear();
  await log.close();
});
