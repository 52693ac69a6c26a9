import type { Offset } from "../../kernel/ids.ts";
import type { GroupHeader } from "./log-format.ts";
import { GROUP_HEADER_BYTES, SEGMENT_DATA_START, recordBytes, recordTime } from "./log-format.ts";
import type { Window } from "./log-walk.ts";
import { frameAt, groupAt, resume } from "./log-walk.ts";
import type { SegmentFiles } from "./segment-read.ts";
import { readSegment } from "./segment-read.ts";
import type { DamagedRange, Segment } from "./segments.ts";
import type { IndexEntry } from "./sparse-index.ts";

/** What a walk over a segment does at each place. Answers: true goes on, false stops there. */
export interface SegmentVisitor {
  /** Groups wholly below may be stepped over unread. */
  readonly skipBelow: Offset;
  /** An intact record. */
  record(buffer: Buffer, at: number, offset: Offset): boolean;
  /** The bytes in memory end here; the next record would come in another buffer. */
  windowEnd(): boolean;
  damaged(range: DamagedRange): boolean;
  /** An intact group header. */
  group?(header: GroupHeader): void;
}

export interface WalkStart {
  /** A known frame to start from; undefined = the first group. */
  readonly entry: IndexEntry | undefined;
  readonly windowBytes: number;
  /** Called before so many bytes are read: whoever is in no hurry waits there. */
  readonly pace?: ((bytes: number) => Promise<void>) | undefined;
}

export interface WalkStop {
  /** The buffer of the last records visited. */
  readonly buffer: Buffer;
  /** The first offset that was not visited. */
  readonly expected: Offset;
}

/** A place in the segment; moves on during a walk. */
interface Cursor {
  /** In the window's buffer; may lie behind its end after a group was stepped over. */
  at: number;
  expected: Offset;
}

/**
 * Visits the records of a segment in order, up to what was durable when the walk began. On the way
 * it fills the segment's index and finds out where damage ends.
 */
export async function walkSegment(
  files: SegmentFiles,
  segment: Segment,
  visitor: SegmentVisitor,
  start: WalkStart,
): Promise<WalkStop> {
  const extent = { next: segment.next, bytes: segment.bytes };
  let { windowBytes } = start;
  let position = start.entry?.position ?? SEGMENT_DATA_START;
  let expected = start.entry?.offset ?? segment.first;
  while (true) {
    const end = Math.min(extent.bytes, position + windowBytes);
    if (start.pace !== undefined) await start.pace(end - position);
    const window = await readWindow(files, segment, { position, end, segmentEnd: extent.bytes });
    const cursor: Cursor = { at: 0, expected };
    const ending = walkWindow(window, cursor, { segment, visitor, until: extent.next });
    ({ expected } = cursor);
    const stop: WalkStop = { buffer: window.buffer, expected };
    if (ending === "stopped") return stop;
    position += cursor.at;
    if (ending === "incomplete") {
      if (!visitor.windowEnd()) return stop;
      // A frame larger than the window: the next window takes it in.
      if (cursor.at === 0) windowBytes *= 4;
      continue;
    }
    const range =
      segment.damageAt(position) ??
      (await findDamage(files, segment, { position, expected, extent }));
    if (!visitor.damaged(range)) return stop;
    position = range.end;
    expected = range.to;
    if (expected >= extent.next) return { buffer: window.buffer, expected };
  }
}

type WindowEnding = "stopped" | "incomplete" | "damaged";

interface WindowWalk {
  readonly segment: Segment;
  readonly visitor: SegmentVisitor;
  readonly until: Offset;
}

function walkWindow(window: Window, cursor: Cursor, walk: WindowWalk): WindowEnding {
  const { segment, visitor, until } = walk;
  const { buffer } = window;
  while (cursor.expected < until) {
    const { at, expected } = cursor;
    const frame = frameAt(window, at, expected);
    if (frame === "incomplete" || frame === "damaged") return frame;
    if (frame === "record") {
      if (!visitor.record(buffer, at, expected)) return "stopped";
      segment.index.extend(expected, window.position + at, recordTime(buffer, at));
      cursor.at += recordBytes(buffer, at);
      cursor.expected += 1;
    } else {
      stepOverHeader(window, cursor, walk);
    }
  }
  return "stopped";
}

function stepOverHeader(window: Window, cursor: Cursor, { segment, visitor }: WindowWalk): void {
  const group = groupAt(window, cursor.at);
  if (group === undefined) return;
  visitor.group?.(group);
  segment.index.extend(cursor.expected, window.position + cursor.at, group.time);
  const next = group.first + group.records;
  const isPassed = group.records > 0 && next <= visitor.skipBelow;
  if (isPassed || group.kind === "keys") {
    cursor.at += group.bytes;
    cursor.expected = next;
  } else {
    cursor.at += GROUP_HEADER_BYTES;
  }
}

interface Span {
  readonly position: number;
  readonly end: number;
  readonly segmentEnd: number;
}

async function readWindow(files: SegmentFiles, segment: Segment, span: Span): Promise<Window> {
  const { position, end } = span;
  const { buffer, count } = await readSegment(files, segment, { start: position, end });
  // A file that is shorter than it was when it was written ends in damage.
  const isLast = end >= span.segmentEnd || count < buffer.length;
  return { buffer, end: count, position, isLast, identity: segment.identity ?? 0 };
}

/** Where something whole begins again behind damage. Reads the rest of the segment: it is rare. */
async function findDamage(
  files: SegmentFiles,
  segment: Segment,
  place: {
    readonly position: number;
    readonly expected: Offset;
    readonly extent: { readonly next: Offset; readonly bytes: number };
  },
): Promise<DamagedRange> {
  const { position, expected, extent } = place;
  const span: Span = { position, end: extent.bytes, segmentEnd: extent.bytes };
  const window = await readWindow(files, segment, span);
  const known = segment.damageAt(position);
  if (known !== undefined) return known;
  const found = resume(window, 1, { expected, highest: extent.next });
  const range: DamagedRange = {
    from: expected,
    to: found?.offset ?? extent.next,
    position,
    end: found === undefined ? Math.max(position, extent.bytes) : position + found.at,
  };
  segment.quarantine(range, found?.time ?? Number.POSITIVE_INFINITY);
  files.onDamage(segment, range);
  return range;
}
