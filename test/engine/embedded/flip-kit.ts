import assert from "node:assert/strict";
import type { SegmentedLog } from "../../../src/engine/embedded/log.ts";
import { KEY_BYTES, encodeFacts } from "../../../src/engine/record-facts.ts";
import { SeededRandom } from "../../../src/testing/seeded-random.ts";
import { contentOf, listOf, open, settle } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** Single-bit flips anywhere in a log of several segments with keys (F7 of the fault tests). */
const EVENTS = 40;
const SEGMENT_BYTES = 2600;

export interface FlipResult {
  readonly flips: number;
  /** By what was hit. */
  readonly places: ReadonlyMap<string, number>;
}

interface Original {
  readonly disk: MemoryDisk;
  readonly names: readonly string[];
}

/** Flips `count` random bits, one at a time, and checks what a reader then sees. */
export async function flipBits(seed: number, count: number): Promise<FlipResult> {
  const random = new SeededRandom(seed);
  const original = await keyedLog();
  const places = new Map<string, number>();
  for (let flip = 0; flip < count; flip++) {
    const index = random.integer(0, original.names.length - 1);
    const name = original.names[index] ?? "";
    const path = `/log/${name}`;
    const whole = original.disk.bytesOf(path);
    const bit = random.integer(0, whole.length * 8 - 1);
    const where = `seed ${seed}, flip ${flip}: bit ${bit % 8} of byte ${bit >>> 3} of ${name}`;
    const disk = original.disk.fork();
    const bytes = Buffer.from(whole);
    bytes.writeUInt8(bytes.readUInt8(bit >>> 3) ^ (1 << (bit & 7)), bit >>> 3);
    disk.overwrite(path, bytes);
    const isLast = index === original.names.length - 1;
    const place = placeOf(bit >>> 3, whole.lastIndexOf("mgrp"), isLast);
    places.set(place, (places.get(place) ?? 0) + 1);
    try {
      await check(disk, path, place);
    } catch (thrown) {
      throw new Error(`${where} (${place})`, { cause: thrown });
    }
  }
  return { flips: count, places };
}

function placeOf(byte: number, lastGroupAt: number, isLast: boolean): string {
  if (byte < 1024) return "header";
  if (byte >= lastGroupAt) return isLast ? "closing marker" : "footer";
  return isLast ? "active" : "sealed";
}

async function keyedLog(): Promise<Original> {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk, segmentBytesMax: SEGMENT_BYTES });
  for (let number = 0; number < EVENTS; number++) await append(log, number);
  await settle();
  await log.close();
  return { disk, names: disk.namesIn("/log") };
}

function textOf(number: number): string {
  return `event ${number} ${"x".repeat(60 + number)}`;
}

function append(log: SegmentedLog, number: number): Promise<void> {
  const payload = Buffer.from(textOf(number));
  const facts = encodeFacts({ key: Buffer.alloc(KEY_BYTES, `key ${number} `) });
  return new Promise((resolve) => log.append([{ payload, hops: 0, facts }], () => resolve()));
}

async function check(disk: MemoryDisk, path: string, place: string): Promise<void> {
  const log = await open("/log", { disk, segmentBytesMax: SEGMENT_BYTES });
  const { events, gaps, next } = await contentOf(log);
  assert.equal(next, EVENTS);
  for (const [offset, text] of events) assert.equal(text, textOf(offset));
  // One flipped bit costs the record it hit, and nothing besides.
  assert(events.size >= EVENTS - 1);
  const missing = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  assert.equal(events.size + missing, EVENTS);
  for await (const { offsets, keys } of log.keys(0)) {
    for (const [index, offset] of offsets.entries()) {
      const key = keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES);
      assert.deepEqual(key, Buffer.alloc(KEY_BYTES, `key ${offset} `));
    }
  }
  const found = [...(await listOf(log.verify())), ...log.damages()];
  await settle();
  const isFooterOfNewest = place === "footer" && !(await isStillDamaged(disk, path));
  assert(found.length > 0 || isFooterOfNewest, "the flip was not detected");
  await log.close();
}

/** The footer of the newest sealed segment is written anew when the log opens. */
async function isStillDamaged(disk: MemoryDisk, path: string): Promise<boolean> {
  const log = await open("/log", { disk, segmentBytesMax: SEGMENT_BYTES });
  await settle();
  const damages = await listOf(log.verify());
  await log.close();
  return damages.some((damage) => damage.file === path);
}

/** What recovery must cope with at the end of the active segment (F6). */
export type Tear = "truncated" | "zeroed" | "garbage";

/** Tears the active segment at every byte of its last three records. Answers how many cases. */
export async function tearTail(tears: readonly Tear[], step: number): Promise<number> {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk });
  const ends: number[] = [];
  const path = "/log/0000000000000000-00000000.log";
  for (let number = 0; number < 6; number++) {
    await append(log, number);
    ends.push(disk.bytesOf(path).length);
  }
  const whole = Buffer.from(disk.bytesOf(path));
  let cases = 0;
  for (let at = ends[2] ?? 0; at < whole.length; at += step) {
    for (const tear of tears) {
      const torn = disk.fork();
      torn.overwrite(path, tornAt(whole, at, tear));
      // The torn record goes; the ones before stand, for the next group vouches for them.
      const kept = ends.filter((end) => end <= at).length;
      await checkTorn(torn, kept, `${tear} at byte ${at}`);
      cases += 1;
    }
  }
  return cases;
}

function tornAt(whole: Buffer, at: number, tear: Tear): Buffer {
  if (tear === "truncated") return whole.subarray(0, at);
  const bytes = Buffer.from(whole);
  if (tear === "zeroed") return bytes.fill(0, at);
  for (let index = at; index < bytes.length; index++) bytes[index] = (index * 167 + 13) & 0xff;
  return bytes;
}

async function checkTorn(disk: MemoryDisk, kept: number, where: string): Promise<void> {
  const log = await open("/log", { disk });
  const { events, gaps, next } = await contentOf(log);
  assert.equal(next, kept, where);
  assert.deepEqual(gaps, [], where);
  assert.deepEqual(
    [...events.values()],
    Array.from({ length: kept }, (_, number) => textOf(number)),
    where,
  );
  await append(log, kept);
  assert.equal((await contentOf(log)).next, kept + 1, where);
  await log.close();
}
