import { join } from "node:path";
import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { SegmentFacts } from "../engine.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { syncData, writeWhole } from "./disk.ts";
import type { KeyPresence, SegmentHeader } from "./log-format.ts";
import { SEGMENT_DATA_START, encodeSegmentHeader, identityOf } from "./log-format.ts";
import { SparseIndex } from "./sparse-index.ts";
import { Unreadable } from "./unreadable.ts";

/** Bytes of a segment that are not as they were written. `to` is exclusive; it may equal `from`. */
export interface DamagedRange {
  readonly from: Offset;
  readonly to: Offset;
  readonly position: number;
  /** Where something whole begins again. */
  readonly end: number;
}

/** One file of the log. The last one of a log is active: it alone is appended to. */
export class Segment {
  readonly path: string;
  readonly number: number;
  readonly first: Offset;
  /** Seeds the checksums inside; undefined when both headers are damaged and nothing can be read. */
  readonly identity: number | undefined;
  /** Readers stop here, whatever the file holds behind it. */
  next: Offset;
  /** Bytes of header and groups that are durable. */
  bytes: number;
  /** Bytes behind them that list the keys; only a sealed segment has any. */
  footerBytes = 0;
  /** Whether any record in it carries a deduplication key. */
  keys: KeyPresence = "none";
  firstTime: EpochMs | undefined;
  lastTime: EpochMs | undefined;
  readonly index: SparseIndex = new SparseIndex();
  readonly unreadable: Unreadable = new Unreadable();
  readonly #damaged: DamagedRange[] = [];

  constructor(facts: SegmentPlace) {
    this.path = join(facts.directory, segmentName(facts.first, facts.number));
    this.number = facts.number;
    this.first = facts.first;
    this.identity = facts.identity;
    this.next = facts.first;
    this.bytes = SEGMENT_DATA_START;
  }

  get facts(): SegmentFacts {
    const { first, next, firstTime, lastTime } = this;
    return { first, next, bytes: this.bytes + this.footerBytes, firstTime, lastTime };
  }

  /** A file whose write or sync has failed gets no footer either: its keys are found by reading. */
  giveUpFooter(): void {
    if (this.keys === "some") this.keys = "unknown";
  }

  quarantine(range: DamagedRange, timeBehind: EpochMs): void {
    this.#damaged.push(range);
    this.index.extend(range.to, range.end, timeBehind);
  }

  /** A walk that steps over groups unread may come upon a range in its midst. */
  damageAt(position: number): DamagedRange | undefined {
    return this.#damaged.find(
      (range) => range.position === position || (range.position < position && position < range.end),
    );
  }
}

export interface SegmentPlace {
  readonly directory: string;
  readonly first: Offset;
  readonly number: number;
  readonly identity: number | undefined;
}

/** The segments of a log in their order, and the oldest offset that may be read. */
export class SegmentList {
  /** Replaced, never changed: whoever walks over it while waiting for the disk keeps its own. */
  #segments: readonly Segment[] = [];
  /** Nothing below is read any more; a segment that begins below is about to be deleted. */
  first: Offset = 0;

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get active(): Segment {
    const last = this.#segments.at(-1);
    assert(last !== undefined, "a log has at least one segment");
    return last;
  }

  /** What the header of the next segment tells of the last one that holds something. */
  previousKeys(): Pick<SegmentHeader, "previousBytes" | "previousKeys"> {
    const kept = this.#segments.findLast((segment) => segment.first < segment.next);
    return { previousBytes: kept?.bytes, previousKeys: kept?.keys };
  }

  add(segment: Segment): void {
    const last = this.#segments.at(-1);
    assert(last === undefined || last.next <= segment.first, "segments are added in their order");
    if (last === undefined) this.first = segment.first;
    this.#segments = [...this.#segments, segment];
  }

  remove(segment: Segment): void {
    this.#segments = this.#segments.filter((kept) => kept !== segment);
    segment.index.clear();
  }

  /** The segment with the largest first offset at or below `offset`. */
  holding(offset: Offset): Segment | undefined {
    return this.#segments[this.#countUpTo(offset) - 1];
  }

  after(segment: Segment): Segment | undefined {
    return this.#segments[this.#segments.indexOf(segment) + 1];
  }

  /** How many segments begin at or below the offset. */
  #countUpTo(offset: Offset): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle]?.first ?? offset) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Sorts by offset first; the number tells apart two segments that begin at one offset, as happens
 * when the first write to a segment fails.
 */
export function segmentName(first: Offset, number: number): string {
  return `${String(first).padStart(16, "0")}-${String(number).padStart(8, "0")}.log`;
}

const SEGMENT_NAME = /^(\d{16})-(\d{8})\.log$/;

export function parseSegmentName(name: string): { first: Offset; number: number } | undefined {
  const match = SEGMENT_NAME.exec(name);
  return match === null ? undefined : { first: Number(match[1]), number: Number(match[2]) };
}

/**
 * Makes a segment so that it exists under its name only with a whole header that is on the disk:
 * written and synced as `.tmp`, renamed, and the directory synced.
 */
export async function createSegment(
  disk: Disk,
  directory: string,
  header: SegmentHeader,
): Promise<{ readonly segment: Segment; readonly file: DiskFile }> {
  const encoded = encodeSegmentHeader(header);
  const identity = identityOf(encoded);
  const { first, number } = header;
  const segment = new Segment({ directory, first, number, identity });
  const temporary = `${segment.path}.tmp`;
  const file = await disk.open(temporary, "create");
  try {
    await writeWhole(file, { buffer: encoded, start: 0, end: encoded.length, position: 0 });
    await syncData(file);
    await disk.rename(temporary, segment.path);
    await disk.syncDirectory(directory);
    return { segment, file };
  } catch (thrown) {
    // A file that stays behind does no harm: a `.tmp` goes at the next start, and a named one holds
    // no record. The failure that matters is the first one.
    await Promise.allSettled([file.close(), disk.unlink(temporary), disk.unlink(segment.path)]);
    throw thrown;
  }
}
