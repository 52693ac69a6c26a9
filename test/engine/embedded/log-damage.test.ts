import assert from "node:assert/strict";
import { mkdir, readFile, readdir, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import {
  FORMAT_VERSION,
  GROUP_HEADER_BYTES,
  SEGMENT_DATA_START,
  SEGMENT_HEADER_BYTES,
  encodeSegmentHeader,
} from "../../../src/engine/embedded/log-format.ts";
import { createSegment } from "../../../src/engine/embedded/segments.ts";
import type { Damage, EventLog } from "../../../src/engine/engine.ts";
import type { Content } from "./log-kit.ts";
import { append, contentOf, everything, listOf, open, temporaryDirectory } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** Three groups: events 0–2, 3, 4–5, and a closing marker when the log was closed. */
const TEXTS = ["zero", "one", "two", "three", "four", "five"];

async function smallLog(disk: MemoryDisk, options: { readonly isClosed: boolean }): Promise<void> {
  const log = await open("/log", { disk });
  await append(log, ...TEXTS.slice(0, 3));
  await append(log, ...TEXTS.slice(3, 4));
  await append(log, ...TEXTS.slice(4));
  if (options.isClosed) await log.close();
}

const PATH = "/log/0000000000000000-00000000.log";

/** Every event served is one that was written, at its offset. */
function assertOnlyTruth({ events }: Content, texts: readonly string[] = TEXTS): void {
  for (const [offset, text] of events) assert.equal(text, texts[offset]);
}

/** Events and gaps cover every offset below next, each once. */
function assertComplete({ events, gaps, next }: Content): void {
  const covered = [...events.keys()];
  for (const gap of gaps) for (let at = gap.from; at <= gap.to; at++) covered.push(at);
  assert.deepEqual(
    covered.toSorted((a, b) => a - b),
    Array.from({ length: next }, (_, offset) => offset),
  );
}

async function reopened(disk: MemoryDisk): Promise<Content & { damages: readonly Damage[] }> {
  const log = await open("/log", { disk });
  const content = await contentOf(log);
  const damages = log.damages();
  await log.close();
  return { ...content, damages };
}

test("a tail torn at any byte is cut to whole groups, reported and kept beside", async () => {
  const disk = new MemoryDisk();
  await smallLog(disk, { isClosed: false });
  const whole = Buffer.from(disk.bytesOf(PATH));
  const ends = await groupEnds(whole);
  for (let bytes = SEGMENT_DATA_START; bytes < whole.length; bytes++) {
    const torn = new MemoryDisk();
    await smallLog(torn, { isClosed: false });
    torn.overwrite(PATH, whole.subarray(0, bytes));
    const content = await reopened(torn);
    const kept = ends.findLast((group) => group.end <= bytes);
    assert.equal(content.next, kept?.next ?? 0, `cut to ${bytes} bytes`);
    assert.equal(content.events.size, content.next);
    assertOnlyTruth(content);
    const isTorn = bytes !== (kept?.end ?? SEGMENT_DATA_START);
    assert.equal(content.damages.length, isTorn ? 1 : 0);
    const cuts = torn.namesIn("/log").filter((name) => name.includes(".cut-"));
    assert.equal(cuts.length, isTorn ? 1 : 0);
    if (isTorn) {
      const end = kept?.end ?? SEGMENT_DATA_START;
      assert.deepEqual(torn.bytesOf(`/log/${cuts[0]}`), whole.subarray(end, bytes));
      assert.equal(content.damages[0]?.position, end);
      assert.equal(content.damages[0]?.from, content.next);
    }
  }
});

test("a log that was cut goes on at the offset it was cut to", async () => {
  const disk = new MemoryDisk();
  await smallLog(disk, { isClosed: false });
  const whole = Buffer.from(disk.bytesOf(PATH));
  disk.overwrite(PATH, whole.subarray(0, whole.length - 1));
  const log = await open("/log", { disk });
  assert.equal(await append(log, "again four"), 4);
  await log.close();
  const texts = [...TEXTS.slice(0, 4), "again four"];
  assert.deepEqual([...(await reopened(disk)).events.values()], texts);
});

test("a tail that is all zeros or noise is cut", async () => {
  for (const junk of [Buffer.alloc(5000), Buffer.alloc(3, 7), Buffer.from("mgrp".repeat(99))]) {
    const disk = new MemoryDisk();
    await smallLog(disk, { isClosed: true });
    disk.overwrite(PATH, Buffer.concat([disk.bytesOf(PATH), junk]));
    const content = await reopened(disk);
    assert.deepEqual([...content.events.values()], TEXTS);
    assert.deepEqual([content.damages.length, content.gaps.length], [1, 0]);
  }
});

test("any flipped bit below durableTo costs its own event at most, and is always detected", async () => {
  const original = new MemoryDisk();
  await smallLog(original, { isClosed: true });
  const whole = Buffer.from(original.bytesOf(PATH));
  const markerStart = whole.length - GROUP_HEADER_BYTES;
  // Two or three bits of each byte, other ones in the next; test/long flips at random places.
  for (let bit = 0; bit < markerStart * 8; bit += bit < SEGMENT_DATA_START * 8 ? 37 : 3) {
    const disk = await flipped(whole, bit);
    const content = await reopened(disk);
    const where = `bit ${bit % 8} of byte ${bit >>> 3}`;
    assertOnlyTruth(content);
    assertComplete(content);
    assert.equal(content.next, TEXTS.length, where);
    assert(content.events.size >= TEXTS.length - 1, where);
    assert(content.damages.length > 0, `${where} was not detected`);
    assert(content.gaps.every((gap) => gap.reason === "damaged"));
  }
});

test("any flipped bit above durableTo cuts at its group, and is always detected", async () => {
  const original = new MemoryDisk();
  await smallLog(original, { isClosed: false });
  const whole = Buffer.from(original.bytesOf(PATH));
  const groups = await groupEnds(whole);
  const lastStart = groups.at(-2)?.end ?? 0;
  for (let bit = lastStart * 8; bit < whole.length * 8; bit++) {
    const disk = await flipped(whole, bit);
    const content = await reopened(disk);
    assert.deepEqual([...content.events.values()], TEXTS.slice(0, 4));
    assert.deepEqual([content.next, content.gaps.length], [4, 0]);
    assert.equal(content.damages.length, 1, `bit ${bit}`);
  }
});

test("a flipped bit in the closing marker costs no event", async () => {
  const original = new MemoryDisk();
  await smallLog(original, { isClosed: true });
  const whole = Buffer.from(original.bytesOf(PATH));
  for (let bit = (whole.length - GROUP_HEADER_BYTES) * 8; bit < whole.length * 8; bit++) {
    const content = await reopened(await flipped(whole, bit));
    assert.deepEqual([...content.events.values()], TEXTS);
    assert.equal(content.damages.length, 1);
  }
});

test("damage found while a log is open is reported once, as a gap, and the rest is served", async (context) => {
  const directory = await temporaryDirectory(context);
  const log = await open(directory, { segmentBytesMax: 4096 });
  for (let index = 0; index < 60; index++) await append(log, `event ${index} ${"x".repeat(100)}`);
  await log.close();
  const again = await open(directory, { segmentBytesMax: 4096 });
  const name = (await readdir(directory)).toSorted()[1] ?? "";
  const bytes = await readFile(join(directory, name));
  const at = bytes.indexOf("event 30");
  assert(at > 0);
  bytes.fill("Y", at, at + 3);
  await writeFile(join(directory, name), bytes);
  for (let round = 0; round < 3; round++) {
    const content = await contentOf(again);
    assert.deepEqual(content.gaps, [{ from: 30, to: 30, reason: "damaged" }]);
    assertComplete(content);
    assert.deepEqual((await contentOf(again, 30)).gaps, content.gaps);
    assert.equal((await again.read(31, everything)).offsets[0], 31);
  }
  assert.equal(again.damages().length, 1);
  assert.deepEqual(
    (await listOf(again.verify())).map(({ from, to, file }) => [from, to, file]),
    [[30, 30, join(directory, name)]],
  );
  await again.close();
});

/** Rows of the damage table in spec/log-format.md that touch whole files. */
interface FileCase {
  readonly what: string;
  readonly damage: (directory: string, names: readonly string[]) => Promise<void>;
  readonly check: (log: EventLog, content: Content, segments: readonly { first: number }[]) => void;
}

const fileCases: readonly FileCase[] = [
  {
    what: "a leftover .tmp file is removed",
    damage: (directory) => writeFile(join(directory, "0000000000000100-00000099.log.tmp"), "half"),
    check: (_, content) => assert.equal(content.events.size, 60),
  },
  {
    what: "a foreign file is left alone",
    damage: (directory) => writeFile(join(directory, "notes.txt"), "hello"),
    check: (_, content) => assert.equal(content.events.size, 60),
  },
  {
    what: "a sealed segment with one damaged header copy is served from the other",
    damage: (directory, names) => zero(join(directory, names[1] ?? ""), 0, SEGMENT_HEADER_BYTES),
    check: (_, content) => assert.equal(content.events.size, 60),
  },
  {
    what: "the newest segment with one damaged header copy is served from the other",
    damage: (directory, names) => zero(join(directory, names.at(-1) ?? ""), 512, 1024),
    check: (_, content) => assert.equal(content.events.size, 60),
  },
  {
    what: "a sealed segment with both header copies damaged is a gap as a whole",
    damage: (directory, names) => zero(join(directory, names[1] ?? ""), 0, SEGMENT_DATA_START),
    check: assertSecondSegmentIsGap,
  },
  {
    what: "an empty sealed segment file is a gap as a whole",
    damage: (directory, names) => truncate(join(directory, names[1] ?? ""), 0),
    check: assertSecondSegmentIsGap,
  },
  {
    what: "a segment of another log is a gap as a whole",
    async damage(directory, names) {
      const path = join(directory, names[1] ?? "");
      const header = { first: 0, number: 1, previousNext: 0, previousTime: 0, created: 0 };
      const foreign = encodeSegmentHeader({ ...header, logId: Buffer.alloc(16, 9) });
      await writeFile(path, Buffer.concat([foreign, (await readFile(path)).subarray(1024)]));
    },
    check: assertSecondSegmentIsGap,
  },
  {
    what: "a missing segment in the middle is a gap",
    damage: (directory, names) => rm(join(directory, names[1] ?? "")),
    check: assertSecondSegmentIsGap,
  },
  {
    what: "a sealed segment that was cut short is a gap at its end",
    damage: (directory, names) => truncate(join(directory, names[1] ?? ""), 2000),
    check(_, content, segments) {
      assert.equal(content.gaps.length, 1);
      assert.equal(content.gaps[0]?.to, (segments[2]?.first ?? 0) - 1);
    },
  },
  {
    what: "bytes behind the end of a sealed segment are never seen",
    async damage(directory, names) {
      const path = join(directory, names[1] ?? "");
      const bytes = await readFile(path);
      await writeFile(path, Buffer.concat([bytes, bytes.subarray(SEGMENT_DATA_START)]));
    },
    check: (_, content) => assert.equal(content.events.size, 60),
  },
];

function assertSecondSegmentIsGap(
  _: EventLog,
  { gaps }: Content,
  segments: readonly { first: number }[],
): void {
  const from = segments[1]?.first;
  const to = (segments[2]?.first ?? 0) - 1;
  assert.deepEqual(gaps, [{ from, to, reason: "damaged" }]);
}

for (const { what, damage, check } of fileCases) {
  test(what, async (context) => {
    const { directory, names, segments, texts } = await segmentedLog(context);
    await damage(directory, names);
    const log = await open(directory, { segmentBytesMax: 4096 });
    const content = await contentOf(log);
    assertOnlyTruth(content, texts);
    assertComplete(content);
    assert.equal(content.next, 60);
    check(log, content, segments);
    assert.equal(content.gaps.length > 0, (await listOf(log.verify())).some(hasLoss));
    assert.equal(await append(log, "goes on"), 60);
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.endsWith(".tmp")),
      [],
    );
    await log.close();
  });
}

function hasLoss(damage: Damage): boolean {
  return damage.to >= damage.from;
}

test("the newest segment without any valid header refuses to open and names the file", async (context) => {
  const { directory, names } = await segmentedLog(context);
  const path = join(directory, names.at(-1) ?? "");
  await zero(path, 0, SEGMENT_DATA_START);
  const before = await readFile(path);
  await assert.rejects(open(directory), (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, "data_corrupt");
    assert(thrown.message.includes(path));
    return true;
  });
  assert.deepEqual(await readFile(path), before);
});

test("a segment that was renamed is not taken for the one it pretends to be", async (context) => {
  const { directory, names, segments } = await segmentedLog(context);
  const [first, second] = names;
  assert(first !== undefined && second !== undefined);
  await rename(join(directory, first), join(directory, second));
  const log = await open(directory);
  const { gaps, events } = await contentOf(log, segments[1]?.first ?? 0);
  assert.equal(gaps.length, 1);
  assert(!events.has(segments[1]?.first ?? 0));
  await log.close();
});

test("a directory of a later version is refused and stays untouched", async (context) => {
  const { directory, names } = await segmentedLog(context);
  const path = join(directory, names[1] ?? "");
  const bytes = await readFile(path);
  bytes.writeUInt32LE(FORMAT_VERSION + 1, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 508)), 508);
  await writeFile(path, bytes);
  await writeFile(join(directory, "0000000000000100-00000099.log.tmp"), "half");
  const before = await readdir(directory);
  await assert.rejects(open(directory), { code: "data_dir_too_new" });
  assert.deepEqual(await readdir(directory), before);
});

test("damage below durableTo followed by a torn end keeps the one and cuts the other", async () => {
  const disk = new MemoryDisk();
  await smallLog(disk, { isClosed: false });
  const bytes = Buffer.from(disk.bytesOf(PATH));
  bytes.write("ONE", bytes.indexOf("one"));
  disk.overwrite(PATH, bytes.subarray(0, bytes.length - 5));
  const content = await reopened(disk);
  assert.deepEqual([...content.events.keys()], [0, 2, 3]);
  assert.deepEqual(content.gaps, [{ from: 1, to: 1, reason: "damaged" }]);
  assert.equal(content.next, 4);
  const again = await reopened(disk);
  assert.deepEqual([...again.events.keys()], [0, 2, 3]);
});

test("nothing is appended to a segment that is damaged inside", async () => {
  const disk = new MemoryDisk();
  await smallLog(disk, { isClosed: true });
  const bytes = Buffer.from(disk.bytesOf(PATH));
  bytes.write("ONE", bytes.indexOf("one"));
  disk.overwrite(PATH, bytes);
  const log = await open("/log", { disk });
  assert.equal(await append(log, "six"), 6);
  assert.deepEqual(
    log.segments().map(({ first }) => first),
    [0, 6],
  );
  assert.deepEqual(disk.bytesOf(PATH), bytes);
  await log.close();
});

test("offsets that were jumped over are a gap of their own kind, not damage", async () => {
  const disk = new MemoryDisk();
  await smallLog(disk, { isClosed: true });
  const logId = Buffer.from(disk.bytesOf(PATH).subarray(48, 64));
  const times = { previousTime: 0, created: 0 };
  const header = { number: 1, first: 100, previousNext: TEXTS.length, logId, ...times };
  await createSegment(disk, "/log", header);
  const log = await open("/log", { disk });
  assert.equal(await append(log, "behind the jump"), 100);
  const { events, gaps } = await contentOf(log);
  assert.equal(events.size, TEXTS.length + 1);
  assert.deepEqual(gaps, [{ from: TEXTS.length, to: 99, reason: "jumped" }]);
  assert.deepEqual((await contentOf(log, 50)).gaps, [{ from: 50, to: 99, reason: "jumped" }]);
  assert.deepEqual(await listOf(log.verify()), []);
  await log.close();
});

test("event data that looks like frames of the log never passes for one", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk });
  await append(log, "a");
  await append(log, "b");
  const forged = disk.bytesOf(PATH).subarray(SEGMENT_DATA_START).toString("latin1");
  await append(log, forged.repeat(3));
  await append(log, "last");
  await log.close();
  const bytes = Buffer.from(disk.bytesOf(PATH));
  const start = bytes.lastIndexOf("mgrp", bytes.indexOf("last"));
  bytes.fill(0, SEGMENT_DATA_START + 200, SEGMENT_DATA_START + 220);
  disk.overwrite(PATH, bytes);
  assert(start > 0);
  const content = await reopened(disk);
  assertComplete(content);
  for (const [offset, text] of content.events) {
    assert(offset === 3 ? text === "last" : ["a", "b"][offset] === text);
  }
});

async function flipped(whole: Buffer, bit: number): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory("/log");
  const file = await disk.open(PATH, "create");
  await file.close();
  await disk.syncDirectory("/log");
  const bytes = Buffer.from(whole);
  bytes.writeUInt8(bytes.readUInt8(bit >>> 3) ^ (1 << (bit & 7)), bit >>> 3);
  disk.overwrite(PATH, bytes);
  return disk;
}

/** Where each group of a whole segment ends, and the offset after it. */
async function groupEnds(whole: Buffer): Promise<readonly { end: number; next: number }[]> {
  const ends: { end: number; next: number }[] = [];
  for (let at = SEGMENT_DATA_START; at < whole.length;) {
    const end = at + whole.readUInt32LE(at + 8);
    ends.push({ end, next: whole.readUInt32LE(at + 16) + whole.readUInt32LE(at + 12) });
    at = end;
  }
  return ends;
}

async function segmentedLog(context: TestContext): Promise<{
  readonly directory: string;
  readonly names: readonly string[];
  readonly segments: readonly { first: number }[];
  readonly texts: readonly string[];
}> {
  const root = await temporaryDirectory(context);
  const directory = join(root, "log");
  await mkdir(directory);
  const log = await open(directory, { segmentBytesMax: 4096 });
  const texts = Array.from({ length: 60 }, (_, index) => `event ${index} ${"x".repeat(100)}`);
  for (const text of texts) await append(log, text);
  const segments = log.segments();
  await log.close();
  const names = (await readdir(directory)).toSorted();
  assert(names.length >= 3);
  return { directory, names, segments, texts };
}

async function zero(path: string, from: number, to: number): Promise<void> {
  const bytes = await readFile(path);
  await writeFile(path, bytes.fill(0, from, to));
}
