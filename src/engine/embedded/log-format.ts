import { crc32 } from "node:zlib";
import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";

/**
 * The bytes of the log, version 2. All integers are little-endian; every byte is covered by a
 * checksum (CRC-32 as in zlib). `spec/log-format.md` draws the same tables and says what recovery
 * does with each kind of damage.
 *
 *     segment = header (twice), then groups until the end of the file
 *     group   = group header, then its records
 *
 * Segment header, 512 bytes, written twice in a row: one bad sector costs no segment.
 *
 *       0   8  magic "millrace"
 *       8   4  version of the format
 *      12   4  number of the segment, growing within a log
 *      16   8  first offset
 *      24   8  where the segment before ended; less than the first offset after a jump
 *      32   8  append time of the last record before this segment, 0 when there is none
 *      40   8  when the segment was made
 *      48  16  id of the log, the same in all its segments
 *      64   8  bytes of the segment before, its keys (key-page.ts) not counted; 0 = unknown
 *      72   1  keys in the segment before: 0 = unknown, 1 = none, 2 = some
 *      73 435  zero
 *     508   4  checksum of bytes 0 … 507: the segment's identity
 *
 * The identity seeds every checksum inside the segment, so that bytes of another file, or a forged
 * frame inside an event's data, never pass for a record of this one. Version 1 ended at byte 64 and
 * knew no keys; its zeros mean the same here.
 */
export const FORMAT_VERSION = 2;
export const SEGMENT_HEADER_BYTES = 512;
export const SEGMENT_HEADER_COPIES = 2;
/** Where the first group of a segment begins. */
export const SEGMENT_DATA_START: number = SEGMENT_HEADER_BYTES * SEGMENT_HEADER_COPIES;
export const LOG_ID_BYTES = 16;

/**
 * Group header, 48 bytes. A group is what one write and one sync made durable.
 *
 *       0   4  magic "mgrp"
 *       4   4  checksum of bytes 8 … 47, seeded with the segment's identity
 *       8   4  bytes of the group, header included
 *      12   4  count of records; 0 in a closing marker
 *      16   8  offset of the first record
 *      24   8  durableTo: every offset below it was synced when this group was written
 *      32   8  append time of the first record; of a marker, when it was written
 *      40   1  kind: 1 = records, 2 = keys of a sealed segment (key-page.ts)
 *      41   7  zero
 */
export const GROUP_HEADER_BYTES = 48;
const groupKinds: readonly (GroupKind | undefined)[] = [undefined, "records", "keys"];

export type GroupKind = "records" | "keys";

/**
 * Record header, 28 bytes, then the facts, then the payload.
 *
 *       0   4  checksum of everything after it, seeded with the segment's identity
 *       4   4  bytes of the record, header included
 *       8   8  offset
 *      16   6  append time in ms since 1970
 *      22   1  flags, zero
 *      23   1  hops
 *      24   2  bytes of facts
 *      26   2  zero
 *      28      facts (the broker's), payload (the event as published)
 */
export const RECORD_HEADER_BYTES = 28;
export const FACTS_BYTES_MAX = 0xffff;

const SEGMENT_MAGIC = Buffer.from("millrace", "latin1");
/** "mgrp" read as a little-endian number. */
const GROUP_MAGIC = 0x70_72_67_6d;
const TWO_32 = 2 ** 32;

/** Whether records of a segment carry deduplication keys. */
export type KeyPresence = "unknown" | "none" | "some";
const keyPresences: readonly KeyPresence[] = ["unknown", "none", "some"];

export interface SegmentHeader {
  readonly number: number;
  readonly first: Offset;
  readonly previousNext: Offset;
  readonly previousTime: EpochMs;
  readonly created: EpochMs;
  readonly logId: Buffer;
  /** Where the groups of the segment before end; undefined when nobody said so. */
  readonly previousBytes?: number | undefined;
  readonly previousKeys?: KeyPresence | undefined;
}

/** What one copy of a segment header says. */
export type SegmentHeaderVerdict =
  | { readonly verdict: "valid"; readonly header: SegmentHeader; readonly identity: number }
  | { readonly verdict: "too-new"; readonly version: number }
  | { readonly verdict: "damaged" };

/** Both copies, ready to be written at position 0. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  assert(header.logId.length === LOG_ID_BYTES, "a log id has 16 bytes");
  assert(header.previousNext <= header.first, "a segment begins where the last one ended or later");
  const block = Buffer.alloc(SEGMENT_DATA_START);
  SEGMENT_MAGIC.copy(block, 0);
  block.writeUInt32LE(FORMAT_VERSION, 8);
  block.writeUInt32LE(header.number, 12);
  writeInteger(block, header.first, 16);
  writeInteger(block, header.previousNext, 24);
  writeInteger(block, header.previousTime, 32);
  writeInteger(block, header.created, 40);
  header.logId.copy(block, 48);
  writeInteger(block, header.previousBytes ?? 0, 64);
  block[72] = keyPresences.indexOf(header.previousKeys ?? "unknown");
  block.writeUInt32LE(crc32(block.subarray(0, 508)), 508);
  block.copyWithin(SEGMENT_HEADER_BYTES, 0, SEGMENT_HEADER_BYTES);
  return block;
}

export function decodeSegmentHeader(copy: Buffer): SegmentHeaderVerdict {
  if (copy.length < SEGMENT_HEADER_BYTES) return { verdict: "damaged" };
  if (!copy.subarray(0, 8).equals(SEGMENT_MAGIC)) return { verdict: "damaged" };
  const identity = copy.readUInt32LE(508);
  if (crc32(copy.subarray(0, 508)) !== identity) return { verdict: "damaged" };
  const version = copy.readUInt32LE(8);
  if (version > FORMAT_VERSION) return { verdict: "too-new", version };
  const header: SegmentHeader = {
    number: copy.readUInt32LE(12),
    first: readInteger(copy, 16),
    previousNext: readInteger(copy, 24),
    previousTime: readInteger(copy, 32),
    created: readInteger(copy, 40),
    logId: Buffer.from(copy.subarray(48, 48 + LOG_ID_BYTES)),
    previousBytes: readInteger(copy, 64) || undefined,
    previousKeys: keyPresences[copy[72] ?? 0] ?? "unknown",
  };
  return { verdict: "valid", header, identity };
}

/** The identity that the checksum of this encoded header gives its segment. */
export function identityOf(encodedHeader: Buffer): number {
  return encodedHeader.readUInt32LE(508);
}

export interface GroupHeader {
  readonly kind: GroupKind;
  readonly bytes: number;
  readonly records: number;
  readonly first: Offset;
  readonly durableTo: Offset;
  readonly time: EpochMs;
}

/** A group holds records unless it says otherwise. */
export type GroupFields = Omit<GroupHeader, "kind"> & Partial<Pick<GroupHeader, "kind">>;

/** Where a frame is to be written or checked, and with which seed. */
export interface FramePlace {
  readonly buffer: Buffer;
  readonly at: number;
  readonly identity: number;
}

export function encodeGroupHeader(header: GroupFields, { buffer, at, identity }: FramePlace): void {
  assert(header.durableTo <= header.first, "a group is written after what is durable");
  buffer.writeUInt32LE(GROUP_MAGIC, at);
  buffer.writeUInt32LE(header.bytes, at + 8);
  buffer.writeUInt32LE(header.records, at + 12);
  writeInteger(buffer, header.first, at + 16);
  writeInteger(buffer, header.durableTo, at + 24);
  writeInteger(buffer, header.time, at + 32);
  buffer.writeUInt32LE(groupKinds.indexOf(header.kind ?? "records"), at + 40);
  buffer.writeUInt32LE(0, at + 44);
  buffer.writeUInt32LE(crc32(buffer.subarray(at + 8, at + GROUP_HEADER_BYTES), identity), at + 4);
}

export function hasGroupMagic(buffer: Buffer, at: number): boolean {
  return buffer.readUInt32LE(at) === GROUP_MAGIC;
}

/** Undefined when the 48 bytes at `at` are not a whole and sensible group header. */
export function decodeGroupHeader({ buffer, at, identity }: FramePlace): GroupHeader | undefined {
  if (!hasGroupMagic(buffer, at)) return undefined;
  const checksum = crc32(buffer.subarray(at + 8, at + GROUP_HEADER_BYTES), identity);
  if (checksum !== buffer.readUInt32LE(at + 4)) return undefined;
  const kind = groupKinds[buffer[at + 40] ?? 0];
  if (kind === undefined) return undefined;
  const header: GroupHeader = {
    kind,
    bytes: buffer.readUInt32LE(at + 8),
    records: buffer.readUInt32LE(at + 12),
    first: readInteger(buffer, at + 16),
    durableTo: readInteger(buffer, at + 24),
    time: readInteger(buffer, at + 32),
  };
  const isSensible = header.bytes >= GROUP_HEADER_BYTES && header.durableTo <= header.first;
  return isSensible ? header : undefined;
}

export interface RecordFields {
  readonly payload: Uint8Array;
  readonly facts: Uint8Array | undefined;
  readonly hops: number;
  readonly time: EpochMs;
}

/** Writes everything but offset and checksum; those wait for `sealRecord`. Returns the end. */
export function writeRecord(buffer: Buffer, at: number, fields: RecordFields): number {
  const factsBytes = fields.facts === undefined ? 0 : fields.facts.length;
  const factsAt = at + RECORD_HEADER_BYTES;
  const payloadAt = factsAt + factsBytes;
  const end = payloadAt + fields.payload.length;
  buffer.writeUInt32LE(end - at, at + 4);
  buffer.writeUInt32LE(fields.time >>> 0, at + 16);
  buffer.writeUInt16LE(Math.floor(fields.time / TWO_32), at + 20);
  buffer[at + 22] = 0;
  buffer[at + 23] = fields.hops;
  buffer.writeUInt32LE(factsBytes, at + 24);
  if (fields.facts !== undefined) buffer.set(fields.facts, factsAt);
  buffer.set(fields.payload, payloadAt);
  return end;
}

/** Gives a written record its offset and checksum. Returns where the next one begins. */
export function sealRecord({ buffer, at, identity }: FramePlace, offset: Offset): number {
  const end = at + buffer.readUInt32LE(at + 4);
  writeInteger(buffer, offset, at + 8);
  buffer.writeUInt32LE(crc32(buffer.subarray(at + 4, end), identity), at);
  return end;
}

export function isRecordIntact({ buffer, at, identity }: FramePlace): boolean {
  const end = at + recordBytes(buffer, at);
  return crc32(buffer.subarray(at + 4, end), identity) === buffer.readUInt32LE(at);
}

export function recordBytes(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at + 4);
}

export function recordOffset(buffer: Buffer, at: number): Offset {
  return readInteger(buffer, at + 8);
}

export function recordTime(buffer: Buffer, at: number): EpochMs {
  return buffer.readUInt32LE(at + 16) + buffer.readUInt16LE(at + 20) * TWO_32;
}

export function recordHops(buffer: Buffer, at: number): number {
  return buffer[at + 23] ?? 0;
}

/** Where the payload begins; the facts lie between the header and it. */
export function payloadStart(buffer: Buffer, at: number): number {
  return at + RECORD_HEADER_BYTES + buffer.readUInt16LE(at + 24);
}

/** Offsets and times stay below 2^53, so two halves hold them without a BigInt. */
export function writeInteger(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value >>> 0, at);
  buffer.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
}

export function readInteger(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * TWO_32;
}
