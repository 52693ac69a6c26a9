import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { Damage, Gap, KeyBatch, ReadLimit, RecordBatch, VerifyOptions } from "../engine.ts";
import { scanKeysBetween } from "../key-scan.ts";
import { examineFooter, footerKeys } from "./key-footer.ts";
import type { TailCache } from "./tail-cache.ts";
import { BatchBuilder, emptyBatch } from "./record-batch.ts";
import { recordTime } from "./log-format.ts";
import { Pacer } from "./pacer.ts";
import { examineHeader } from "./segment-headers.ts";
import type { DamagedRange, Segment, SegmentList } from "./segments.ts";
import { INDEX_INTERVAL_BYTES } from "./sparse-index.ts";
import type { SegmentFiles } from "./segment-read.ts";
import type { SegmentVisitor } from "./segment-walk.ts";
import { walkSegment } from "./segment-walk.ts";

export interface LogReaderOptions {
  readonly segments: SegmentList;
  readonly cache: TailCache;
  readonly files: SegmentFiles;
}

/** What verify reads at a time: large, because it reads everything, unless it is in no hurry. */
const VERIFY_WINDOW_BYTES = 1024 * 1024;
const PACED_WINDOW_BYTES = 256 * 1024;

/**
 * Reads what is durable, from memory where it still is, else from the files. Offsets that hold no
 * event come back as gaps; nothing is passed over in silence and no byte is served unchecked.
 */
export class LogReader {
  readonly #options: LogReaderOptions;

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  readCached(from: Offset, limit: ReadLimit): RecordBatch | undefined {
    const { segments, cache } = this.#options;
    if (from >= segments.active.next) return emptyBatch([], from);
    return from < segments.first ? undefined : cache.read(from, limit);
  }

  async read(from: Offset, limit: ReadLimit): Promise<RecordBatch> {
    const { segments } = this.#options;
    const gaps: Gap[] = [];
    let at = from;
    while (at < segments.active.next) {
      const batch = this.readCached(at, limit) ?? (await this.#readStored(at, limit));
      gaps.push(...batch.gaps);
      if (batch.count > 0) return { ...batch, gaps };
      at = batch.next;
    }
    return emptyBatch(gaps, at);
  }

  /** One step: records, or a gap and where it ends, or nothing and where to read on. */
  async #readStored(from: Offset, limit: ReadLimit): Promise<RecordBatch> {
    const { segments } = this.#options;
    const { first } = segments;
    if (from < first) return emptyBatch([{ from, to: first - 1, reason: "trimmed" }], first);
    const segment = segments.holding(from);
    if (segment === undefined) return emptyBatch([], first);
    if (from >= segment.next) {
      const next = segments.after(segment)?.first;
      assert(next !== undefined && next > from, "only a jump lies between two segments");
      return emptyBatch([{ from, to: next - 1, reason: "jumped" }], next);
    }
    if (segment.identity === undefined) {
      return emptyBatch([{ from, to: segment.next - 1, reason: "damaged" }], segment.next);
    }
    try {
      return await this.#readSegment(segment, from, limit);
    } catch (thrown) {
      // Retention may have deleted the file since; then the offsets are trimmed by now.
      if (from < segments.first) return emptyBatch([], from);
      throw asUnavailable(thrown, segment.path);
    }
  }

  async #readSegment(segment: Segment, from: Offset, limit: ReadLimit): Promise<RecordBatch> {
    const builder = new BatchBuilder(limit);
    const gaps: Gap[] = [];
    const visitor: SegmentVisitor = {
      skipBelow: from,
      record: (buffer, at, offset) => offset < from || builder.add(buffer, at),
      windowEnd: () => builder.count === 0,
      damaged: (range) => {
        if (builder.count > 0) return false;
        if (range.to <= from) return true;
        gaps.push({ from: Math.max(from, range.from), to: range.to - 1, reason: "damaged" });
        return false;
      },
    };
    const windowBytes = windowFor(segment, limit);
    const stop = await this.#walk(segment, visitor, { offset: from, windowBytes });
    const next = gaps.at(-1)?.to;
    return builder.finish(stop.buffer, gaps, next === undefined ? stop.expected : next + 1);
  }

  #walk(
    segment: Segment,
    visitor: SegmentVisitor,
    start: { readonly offset: Offset; readonly windowBytes: number },
  ): ReturnType<typeof walkSegment> {
    const entry = segment.index.floorOffset(start.offset);
    return walkSegment(this.#options.files, segment, visitor, {
      entry,
      windowBytes: start.windowBytes,
    });
  }

  async offsetAt(time: EpochMs): Promise<Offset> {
    const { segments } = this.#options;
    for (const segment of segments.all) {
      const mayHold = segment.lastTime !== undefined && segment.lastTime >= time;
      if (segment.first < segments.first || segment.first === segment.next || !mayHold) continue;
      if (segment.identity === undefined) continue;
      if ((segment.firstTime ?? time - 1) >= time) return segment.first;
      const found = await this.#findTime(segment, time);
      if (found !== undefined) return found;
    }
    return segments.active.next;
  }

  async #findTime(segment: Segment, time: EpochMs): Promise<Offset | undefined> {
    let found: Offset | undefined;
    const visitor: SegmentVisitor = {
      skipBelow: 0,
      record: (buffer, at, offset) => {
        if (recordTime(buffer, at) >= time) found = offset;
        return found === undefined;
      },
      windowEnd: () => true,
      damaged: () => true,
    };
    const entry = segment.index.floorTime(time);
    try {
      await walkSegment(this.#options.files, segment, visitor, {
        entry,
        windowBytes: 2 * INDEX_INTERVAL_BYTES,
      });
    } catch (thrown) {
      throw asUnavailable(thrown, segment.path);
    }
    return found;
  }

  /** The keys from `since` on: from the footers where there are any, else from the records. */
  async *keys(since: EpochMs): AsyncIterable<KeyBatch> {
    const { segments } = this.#options;
    let at = await this.offsetAt(since);
    while (at < segments.active.next) {
      at = Math.max(at, segments.first);
      const segment = segments.holding(at);
      const isSealed = segment !== undefined && segment !== segments.active;
      const end = isSealed ? (segments.after(segment)?.first ?? segment.next) : Infinity;
      if (isSealed && segment.keys === "none") {
        at = end;
        continue;
      }
      if (isSealed && segment.footerBytes > 0) {
        at = Math.max(at, yield* this.#footerKeys(segment, since));
      }
      yield* scanKeysBetween(this, at, end);
      if (!isSealed) return;
      at = end;
    }
  }

  async *#footerKeys(segment: Segment, since: EpochMs): AsyncGenerator<KeyBatch, Offset> {
    try {
      return yield* footerKeys(this.#options.files, segment, since);
    } catch (thrown) {
      // Retention may have deleted the file since; then reading the records says so.
      if (segment.next <= this.#options.segments.first) return segment.first;
      throw asUnavailable(thrown, segment.path);
    }
  }

  async *verify(options: VerifyOptions = {}): AsyncIterable<Damage> {
    const { segments, files } = this.#options;
    const pacer = new Pacer(files.clock, options);
    const pace = (bytes: number): Promise<void> => pacer.before(bytes);
    for (const segment of segments.all) {
      if (segment.next <= segments.first && segment !== segments.active) continue;
      const found: Damage[] = [];
      try {
        found.push(...(await examineHeader(files, segment)));
        if (segment.identity !== undefined) found.push(...(await this.examine(segment, pace)));
        const footer = await examineFooter(files, segment);
        if (footer !== undefined) found.push(footer);
      } catch (thrown) {
        options.signal?.throwIfAborted();
        if (segment.next <= segments.first) continue;
        throw asUnavailable(thrown, segment.path);
      }
      yield* found;
    }
  }

  /** Reads a whole segment again, quarantines what is damaged and lists it. */
  async examine(
    segment: Segment,
    pace?: (bytes: number) => Promise<void>,
  ): Promise<readonly Damage[]> {
    const found: Damage[] = [];
    const visitor: SegmentVisitor = {
      skipBelow: 0,
      record: () => true,
      windowEnd: () => true,
      damaged: (range) => {
        found.push(damageIn(segment, range));
        return true;
      },
    };
    await walkSegment(this.#options.files, segment, visitor, {
      entry: undefined,
      windowBytes: pace === undefined ? VERIFY_WINDOW_BYTES : PACED_WINDOW_BYTES,
      pace,
    });
    return found;
  }
}

/** What an operator is told about a damaged range; `to` below `from` when no event was lost. */
export function damageIn(segment: Segment, range: DamagedRange): Damage {
  const bytes = range.end - range.position;
  return {
    from: range.from,
    to: range.to - 1,
    file: segment.path,
    position: range.position,
    what: `${bytes} bytes are not as they were written`,
  };
}

/** Enough for the records asked for if they are of the segment's usual size, and for the index. */
function windowFor(segment: Segment, limit: ReadLimit): number {
  const usual = segment.bytes / Math.max(1, segment.next - segment.first);
  const wanted = Math.min(limit.bytes, limits.readBytesMax, usual * limit.records);
  return Math.ceil(wanted) + 2 * INDEX_INTERVAL_BYTES;
}

function asUnavailable(thrown: unknown, path: string): BrokerError {
  if (thrown instanceof BrokerError) return thrown;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new BrokerError("storage_unavailable", `cannot read ${path}: ${reason}`, {
    cause: thrown,
    retryAfterSeconds: Math.ceil(limits.diskRetryMs / 1000),
  });
}
