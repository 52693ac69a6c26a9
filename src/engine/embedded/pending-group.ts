import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import type { BrokerError } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { AppendCallback, EncodedRecord } from "../engine.ts";
import { hasKey } from "../record-facts.ts";
import {
  GROUP_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  encodeGroupHeader,
  recordBytes,
  recordTime,
  sealRecord,
  writeRecord,
} from "./log-format.ts";
import type { SparseIndex } from "./sparse-index.ts";
import { INDEX_INTERVAL_BYTES } from "./sparse-index.ts";

const SLAB_BYTES_MIN = 4 * 1024;
const SLAB_BYTES_MAX = 256 * 1024;

/**
 * Memory in which groups are filled one behind the other, as they will lie in the file. Readers of
 * the tail see these buffers, so a byte is written once and never changed after its group is
 * durable. Slabs grow with the traffic: an idle bus costs 4 KiB, a busy one allocates rarely, and
 * one batch of the tail cache can span many groups.
 */
export class Slabs {
  #buffer: Buffer = Buffer.alloc(0);
  #used = 0;
  #bytesNext = SLAB_BYTES_MIN;

  /** A group that begins where the last one ended. The last one must not grow any more. */
  begin(bytes: number): PendingGroup {
    const needed = GROUP_HEADER_BYTES + bytes;
    if (this.#buffer.length - this.#used < needed) this.#replace(needed);
    return new PendingGroup(this, this.#buffer, this.#used);
  }

  /** Room for a group that has outgrown its buffer; its bytes are copied to the front. */
  move(group: PendingGroup, bytes: number): Buffer {
    this.#replace(group.bytes + bytes);
    group.buffer.copy(this.#buffer, 0, group.start, group.end);
    return this.#buffer;
  }

  /** Where the newest group ends now. */
  fill(end: number): void {
    this.#used = end;
  }

  /** Forgets a large slab, so that an idle log holds on to little. */
  release(): void {
    if (this.#buffer.length <= SLAB_BYTES_MIN) return;
    this.#buffer = Buffer.alloc(0);
    this.#used = 0;
    this.#bytesNext = SLAB_BYTES_MIN;
  }

  #replace(needed: number): void {
    // Twice the need leaves a group that outgrew its slab room to go on growing.
    const bytes = Math.max(this.#bytesNext, needed > SLAB_BYTES_MIN ? needed * 2 : needed);
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#used = 0;
    this.#bytesNext = Math.min(SLAB_BYTES_MAX, this.#bytesNext * 2);
  }
}

/** What a group becomes a part of when it is written. */
export interface GroupSeal {
  readonly identity: number;
  /** Offset of its first record. */
  readonly first: Offset;
  /** Every offset below it was synced. */
  readonly durableTo: Offset;
  /** The time of a closing marker; a group with records has that of its first record. */
  readonly time: EpochMs;
}

/** Records of many appends that will be written and synced at once. */
export class PendingGroup {
  buffer: Buffer;
  start: number;
  end: number;
  records = 0;
  /** Whether any record carries a deduplication key. */
  hasKeys = false;
  firstTime: EpochMs = 0;
  lastTime: EpochMs = 0;
  readonly #slabs: Slabs;
  // Two arrays side by side instead of an object for each append.
  readonly #callbacks: AppendCallback[] = [];
  readonly #counts: number[] = [];

  constructor(slabs: Slabs, buffer: Buffer, start: number) {
    this.#slabs = slabs;
    this.buffer = buffer;
    this.start = start;
    this.end = start + GROUP_HEADER_BYTES;
    slabs.fill(this.end);
  }

  get bytes(): number {
    return this.end - this.start;
  }

  add(records: readonly EncodedRecord[], time: EpochMs, settled: AppendCallback): void {
    for (const record of records) {
      const { payload, facts, hops } = record;
      const bytes = storedBytes(record);
      if (this.end + bytes > this.buffer.length) this.#grow(bytes);
      if (facts !== undefined && !this.hasKeys) this.hasKeys = hasKey(facts);
      this.end = writeRecord(this.buffer, this.end, { payload, facts, hops, time });
    }
    if (this.records === 0) this.firstTime = time;
    this.lastTime = time;
    this.records += records.length;
    this.#callbacks.push(settled);
    this.#counts.push(records.length);
    this.#slabs.fill(this.end);
  }

  #grow(bytes: number): void {
    this.buffer = this.#slabs.move(this, bytes);
    this.end -= this.start;
    this.start = 0;
  }

  /**
   * Writes offsets and checksums. Not before the group's turn has come: its offsets depend on
   * whether the group before it could be stored.
   */
  seal({ identity, first, durableTo, time }: GroupSeal): void {
    let at = this.start + GROUP_HEADER_BYTES;
    for (let index = 0; index < this.records; index++) {
      at = sealRecord({ buffer: this.buffer, at, identity }, first + index);
    }
    assert(at === this.end, "the records fill the group to its end");
    const { bytes, records, buffer, start } = this;
    encodeGroupHeader(
      { bytes, records, first, durableTo, time: records === 0 ? time : this.firstTime },
      { buffer, at: start, identity },
    );
  }

  /** Notes in the index where the group lies in the file, and what lies within a large one. */
  extendIndex(
    index: SparseIndex,
    place: { readonly first: Offset; readonly position: number },
  ): void {
    const { buffer, start } = this;
    index.extend(place.first, place.position, this.firstTime);
    if (this.bytes < INDEX_INTERVAL_BYTES) return;
    let at = start + GROUP_HEADER_BYTES;
    for (let record = 0; record < this.records; record++) {
      index.extend(place.first + record, place.position + at - start, recordTime(buffer, at));
      at += recordBytes(buffer, at);
    }
  }

  /** Tells every append what became of it, in the order of the calls. */
  settle(failure: BrokerError | undefined, first: Offset): void {
    let offset = first;
    for (let index = 0; index < this.#callbacks.length; index++) {
      this.#callbacks[index]?.(failure, offset);
      offset += this.#counts[index] ?? 0;
    }
  }
}

/** What the record takes in the log. */
export function storedBytes(record: EncodedRecord): number {
  const factsBytes = record.facts === undefined ? 0 : record.facts.length;
  return RECORD_HEADER_BYTES + factsBytes + record.payload.length;
}
