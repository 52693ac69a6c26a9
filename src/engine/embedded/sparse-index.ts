import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";

/** A place in a segment where a frame begins: the next record there has this offset and time. */
export interface IndexEntry {
  readonly offset: Offset;
  readonly position: number;
  readonly time: EpochMs;
}

/** One entry for every so many bytes: 10 GB of log cost 4 MB of memory once all of it was read. */
export const INDEX_INTERVAL_BYTES: number = 64 * 1024;

/** An entry is three numbers side by side: offset, position, time. */
const ENTRY_NUMBERS = 3;
const SLOTS_MIN = 8;
const nothing = new Float64Array(0);

/**
 * Where to start reading in a segment. A cache: filled while writing, or while readers pass, and
 * complete only as far as somebody has read. Losing it costs time, never an answer, so that a
 * budget over all segments may take its memory back at any moment.
 *
 * The file is divided into slots of INDEX_INTERVAL_BYTES; each keeps the first frame that was told
 * of it. Position 0 is no frame and stands for an empty slot.
 */
export class SparseIndex {
  readonly #budget: IndexBudget;
  #entries: Float64Array = nothing;

  constructor(budget: IndexBudget = processIndexBudget) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#entries.byteLength;
  }

  /** Notes a frame, unless its slot knows one. */
  extend(offset: Offset, position: number, time: EpochMs): void {
    const at = Math.floor(position / INDEX_INTERVAL_BYTES) * ENTRY_NUMBERS;
    if (at >= this.#entries.length) this.#grow(at + ENTRY_NUMBERS);
    const entries = this.#entries;
    if (entries[at + 1] !== 0) return;
    entries[at] = offset;
    entries[at + 1] = position;
    entries[at + 2] = time;
  }

  #grow(needed: number): void {
    const before = this.#entries;
    const length = Math.max(SLOTS_MIN * ENTRY_NUMBERS, before.length * 2, needed);
    this.#entries = new Float64Array(length);
    this.#entries.set(before);
    this.#budget.grew(this, this.#entries.byteLength - before.byteLength);
  }

  /** The last known frame at or before the record with this offset. */
  floorOffset(offset: Offset): IndexEntry | undefined {
    return this.#last((at) => (this.#entries[at] ?? 0) <= offset);
  }

  /** The last known frame that is surely before the first record of this time. */
  floorTime(time: EpochMs): IndexEntry | undefined {
    return this.#last((at) => (this.#entries[at + 2] ?? 0) < time);
  }

  /** From the end: at most 1 024 slots, and fewer steps than a search around the empty ones. */
  #last(fits: (at: number) => boolean): IndexEntry | undefined {
    this.#budget.used(this);
    const entries = this.#entries;
    for (let at = entries.length - ENTRY_NUMBERS; at >= 0; at -= ENTRY_NUMBERS) {
      const position = entries[at + 1] ?? 0;
      if (position === 0 || !fits(at)) continue;
      return { offset: entries[at] ?? 0, position, time: entries[at + 2] ?? 0 };
    }
    return undefined;
  }

  /** Gives its memory back; what passes later fills it again. */
  clear(): void {
    this.#budget.left(this, this.#entries.byteLength);
    this.#entries = nothing;
  }
}

/** Bounds the memory of all indexes together; the one not used for longest goes first. */
export class IndexBudget {
  readonly #bytesMax: number;
  readonly #indexes = new Set<SparseIndex>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  grew(index: SparseIndex, bytes: number): void {
    this.#indexes.delete(index);
    this.#indexes.add(index);
    this.#bytes += bytes;
    for (const oldest of this.#indexes) {
      if (this.#bytes <= this.#bytesMax || oldest === index) return;
      oldest.clear();
    }
  }

  used(index: SparseIndex): void {
    if (this.#indexes.delete(index)) this.#indexes.add(index);
  }

  left(index: SparseIndex, bytes: number): void {
    if (this.#indexes.delete(index)) this.#bytes -= bytes;
  }
}

/** The memory is the process's, whatever logs and engines it has open. */
const processIndexBudget = new IndexBudget(limits.logIndexBytesMax);
