import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";

/** A place in a segment where a frame begins: the next record there has this offset and time. */
export interface IndexEntry {
  readonly offset: Offset;
  readonly position: number;
  readonly time: EpochMs;
}

/** One entry about every so many bytes: 10 GB of log cost a few megabytes of memory. */
export const INDEX_INTERVAL_BYTES: number = 64 * 1024;

/**
 * Where to start reading in a segment. A cache: built while writing, or while readers pass, and
 * complete only as far as somebody has read. Losing it costs time, never an answer.
 */
export class SparseIndex {
  readonly #offsets: Offset[] = [];
  readonly #positions: number[] = [];
  readonly #times: EpochMs[] = [];

  /** Adds a frame that lies far enough behind the last entry; ignores all others. */
  extend(offset: Offset, position: number, time: EpochMs): void {
    const last = this.#positions.at(-1);
    if (last !== undefined && position < last + INDEX_INTERVAL_BYTES) return;
    this.#offsets.push(offset);
    this.#positions.push(position);
    this.#times.push(time);
  }

  /** Adds a frame wherever it lies: the place behind a damaged range must always be found. */
  insert(entry: IndexEntry): void {
    const index = countBelow(this.#positions, entry.position + 1);
    if (this.#positions[index - 1] === entry.position) return;
    this.#offsets.splice(index, 0, entry.offset);
    this.#positions.splice(index, 0, entry.position);
    this.#times.splice(index, 0, entry.time);
  }

  /** The last known frame at or before the record with this offset. */
  floorOffset(offset: Offset): IndexEntry | undefined {
    return this.#entry(countBelow(this.#offsets, offset + 1) - 1);
  }

  /** The last known frame that is surely before the first record of this time. */
  floorTime(time: EpochMs): IndexEntry | undefined {
    return this.#entry(countBelow(this.#times, time) - 1);
  }

  #entry(index: number): IndexEntry | undefined {
    const offset = this.#offsets[index];
    const position = this.#positions[index];
    const time = this.#times[index];
    if (offset === undefined || position === undefined || time === undefined) return undefined;
    return { offset, position, time };
  }
}

/** How many of the sorted numbers are below `bound`. */
export function countBelow(sorted: readonly number[], bound: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? Number.POSITIVE_INFINITY) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
