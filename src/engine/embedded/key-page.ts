import { crc32 } from "node:zlib";
import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { KeyBatch } from "../engine.ts";
import { KEY_BYTES } from "../record-facts.ts";
import type { FramePlace, GroupHeader } from "./log-format.ts";
import { GROUP_HEADER_BYTES, encodeGroupHeader, readInteger, writeInteger } from "./log-format.ts";

/**
 * A page of the footer that lists the deduplication keys of a sealed segment: a group of kind
 * `keys` behind the segment's last group of records. Its header says `first` = `durableTo` = where
 * the segment ends, and 0 records; then:
 *
 *      48   4  checksum of bytes 52 … end, seeded with the segment's identity
 *      52   4  count of keys
 *      56   8  covers the records from this offset
 *      64   8  … to below this one; the pages of a footer join on to each other
 *      72  40  per key: offset 8, append time 8, key 24
 */
const PAGE_HEADER_BYTES = 72;
const ENTRY_BYTES = 16 + KEY_BYTES;
const PAGE_KEYS_MAX = 4096;
export const KEY_PAGE_BYTES_MAX: number = PAGE_HEADER_BYTES + PAGE_KEYS_MAX * ENTRY_BYTES;

/** Gathers the keys of one page. */
export class KeyPageBuilder {
  readonly #buffer: Buffer = Buffer.alloc(KEY_PAGE_BYTES_MAX);
  #count = 0;
  /** Append time of the newest record the page covers. */
  time: EpochMs = 0;

  /** False when the page is full; then the key belongs to the next one. */
  add(offset: Offset, time: EpochMs, key: Uint8Array): boolean {
    if (this.#count === PAGE_KEYS_MAX) return false;
    const at = PAGE_HEADER_BYTES + this.#count * ENTRY_BYTES;
    writeInteger(this.#buffer, offset, at);
    writeInteger(this.#buffer, time, at + 8);
    this.#buffer.set(key, at + 16);
    this.#count += 1;
    return true;
  }

  /** The page as it goes to the file. */
  seal(covers: Covered, segment: PageSegment): Buffer {
    assert(covers.from < covers.to && covers.to <= segment.next, "a page covers some records");
    const bytes = PAGE_HEADER_BYTES + this.#count * ENTRY_BYTES;
    const buffer = this.#buffer.subarray(0, bytes);
    const { identity, next } = segment;
    const { time } = this;
    buffer.writeUInt32LE(this.#count, 52);
    writeInteger(buffer, covers.from, 56);
    writeInteger(buffer, covers.to, 64);
    buffer.writeUInt32LE(crc32(buffer.subarray(52), identity), GROUP_HEADER_BYTES);
    encodeGroupHeader(
      { kind: "keys", bytes, records: 0, first: next, durableTo: next, time },
      { buffer, at: 0, identity },
    );
    return buffer;
  }
}

/** Records [from, to). */
export interface Covered {
  readonly from: Offset;
  readonly to: Offset;
}

export interface PageSegment {
  readonly identity: number;
  readonly next: Offset;
}

/** Whether the page whose valid header stands at `at` is whole. The buffer reaches to its end. */
export function isKeyPageIntact(place: FramePlace, { bytes, records }: GroupHeader): boolean {
  const { buffer, at, identity } = place;
  if (records !== 0 || bytes < PAGE_HEADER_BYTES || bytes > KEY_PAGE_BYTES_MAX) return false;
  if (bytes !== PAGE_HEADER_BYTES + buffer.readUInt32LE(at + 52) * ENTRY_BYTES) return false;
  const checksum = crc32(buffer.subarray(at + 52, at + bytes), identity);
  return checksum === buffer.readUInt32LE(at + GROUP_HEADER_BYTES);
}

export function coveredBy(buffer: Buffer, at: number): Covered {
  return { from: readInteger(buffer, at + 56), to: readInteger(buffer, at + 64) };
}

/** The keys of an intact page that are not older than `since`, copied out of the buffer. */
export function keysOnPage(buffer: Buffer, at: number, since: EpochMs): KeyBatch {
  const count = buffer.readUInt32LE(at + 52);
  let first = 0;
  const entryAt = (index: number): number => at + PAGE_HEADER_BYTES + index * ENTRY_BYTES;
  while (first < count && readInteger(buffer, entryAt(first) + 8) < since) first += 1;
  const offsets: Offset[] = [];
  const times: EpochMs[] = [];
  const keys = Buffer.alloc((count - first) * KEY_BYTES);
  for (let index = first; index < count; index++) {
    const entry = entryAt(index);
    offsets.push(readInteger(buffer, entry));
    times.push(readInteger(buffer, entry + 8));
    buffer.copy(keys, (index - first) * KEY_BYTES, entry + 16, entry + ENTRY_BYTES);
  }
  return { offsets, times, keys };
}
