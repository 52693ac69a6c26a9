import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { ReadLimit, RecordBatch } from "../engine.ts";
import { GROUP_HEADER_BYTES, recordBytes } from "./log-format.ts";
import type { Evictable, TailBudget } from "./log-share.ts";
import { BatchBuilder } from "./record-batch.ts";

/** A durable group in memory: [start, end) of the buffer, its header included. */
export interface CachedGroup {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly first: Offset;
  readonly next: Offset;
}

/** How many evicted places may stand at the front before the array is moved up. */
const EVICTED_MAX = 1024;

/**
 * The newest groups of one log as they were written. Live readers never touch the disk. Groups
 * follow each other without a hole; a reader that asks for less than the oldest one is sent to the
 * disk.
 */
export class TailCache implements Evictable {
  readonly #budget: TailBudget;
  readonly #groups: (CachedGroup | undefined)[] = [];
  #evicted = 0;
  #bytes = 0;
  // Where the last read stopped: the live group reads on from there, and need not walk to it.
  #hintOffset: Offset = -1;
  #hintGroup: CachedGroup | undefined;
  #hintAt = 0;

  constructor(budget: TailBudget) {
    this.#budget = budget;
  }

  add(group: CachedGroup): void {
    // A slab is charged whole with its first group and given back with its last: it is the slab
    // that the memory holds.
    const isNewSlab = this.#groups.at(-1)?.buffer !== group.buffer;
    this.#groups.push(group);
    if (isNewSlab) {
      this.#bytes += group.buffer.length;
      this.#budget.grew(this, group.buffer.length);
    }
    while (this.#bytes > limits.tailCacheBytesMax && this.evictOldest() > 0);
  }

  /** Drops the groups of the oldest slab. */
  evictOldest(): number {
    const buffer = this.#groups[this.#evicted]?.buffer;
    if (buffer === undefined) return 0;
    while (this.#groups[this.#evicted]?.buffer === buffer) {
      this.#groups[this.#evicted] = undefined;
      this.#evicted += 1;
    }
    if (this.#evicted >= EVICTED_MAX || this.#evicted === this.#groups.length) {
      this.#groups.splice(0, this.#evicted);
      this.#evicted = 0;
    }
    if (this.#hintGroup?.buffer === buffer) this.#hintGroup = undefined;
    this.#bytes -= buffer.length;
    this.#budget.shrank(buffer.length);
    return buffer.length;
  }

  clear(): void {
    while (this.evictOldest() > 0);
    this.#budget.leave(this);
  }

  /** Undefined unless the record at `from` is here. */
  read(from: Offset, limit: ReadLimit): RecordBatch | undefined {
    let index = this.#indexOf(from);
    let group = this.#groups[index];
    if (group === undefined) return undefined;
    const { buffer } = group;
    const builder = new BatchBuilder(limit);
    let at = this.#find(group, from);
    let offset = from;
    while (true) {
      while (at < group.end && builder.add(buffer, at)) {
        at += recordBytes(buffer, at);
        offset += 1;
      }
      if (at < group.end) break;
      const following = this.#groups[index + 1];
      if (following?.buffer !== buffer || following.start !== group.end) break;
      index += 1;
      group = following;
      at = group.start + GROUP_HEADER_BYTES;
    }
    this.#remember(group, at, offset);
    return builder.finish(buffer, [], offset);
  }

  #remember(group: CachedGroup, at: number, offset: Offset): void {
    this.#hintGroup = group;
    this.#hintAt = at;
    this.#hintOffset = offset;
  }

  /** Where in the group's buffer the record with this offset begins. */
  #find(group: CachedGroup, offset: Offset): number {
    if (this.#hintGroup === group && this.#hintOffset === offset) return this.#hintAt;
    let at = group.start + GROUP_HEADER_BYTES;
    for (let skipped = group.first; skipped < offset; skipped++) {
      at += recordBytes(group.buffer, at);
    }
    return at;
  }

  /** The index of the group with this offset; of no group when the cache has it not. */
  #indexOf(offset: Offset): number {
    let low = this.#evicted;
    let high = this.#groups.length;
    const oldest = this.#groups[low];
    if (oldest === undefined || offset < oldest.first) return -1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#groups[middle]?.next ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
