import type { Clock } from "../../kernel/clock.ts";
import { systemErrorCode } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import type { Disk, FileSpan } from "./disk.ts";
import { readWhole } from "./disk.ts";
import { SEGMENT_HEADER_BYTES } from "./log-format.ts";
import type { LogShare } from "./log-share.ts";
import type { DamagedRange, Segment } from "./segments.ts";
import type { ByteRange } from "./unreadable.ts";

/** How to get at the files of segments. */
export interface SegmentFiles {
  readonly disk: Disk;
  readonly share: LogShare;
  readonly clock: Clock;
  /** How long the disk must have failed to read a place before that counts as damage. */
  readonly lastingMs: number;
  /** Called once for each damaged range, when it is first met. */
  readonly onDamage: (segment: Segment, range: DamagedRange) => void;
}

/** A disk loses sectors, not bytes; a page is the least that a file system reads. */
const BLOCK_BYTES = 4096;
/** More reads than this per attempt would keep a dying disk busy; the rest then counts whole. */
const PROBES_MAX = 512;

/**
 * Reads [start, end) of the segment's file. What the disk has failed to read for a long time comes
 * as zeros, which pass no checksum: the walk over the segment then takes it for the damage it is.
 * Rejects with the disk's error as long as that may still pass.
 */
export async function readSegment(
  files: SegmentFiles,
  segment: Segment,
  range: ByteRange,
): Promise<{ readonly buffer: Buffer; readonly count: number }> {
  const wanted = Math.max(0, range.end - range.start);
  const buffer = Buffer.allocUnsafeSlow(wanted);
  const span: FileSpan = { buffer, start: 0, end: wanted, position: range.start };
  if (segment.unreadable.within(range).length === 0) {
    try {
      const count = await readPatiently(files, segment, span);
      segment.unreadable.acquit(range);
      return { buffer, count };
    } catch (thrown) {
      if (!isMediumError(thrown)) throw thrown;
      if (!(await isLasting(files, segment, range))) throw thrown;
    }
  }
  return { buffer, count: await readAround(files, segment, span) };
}

/** EIO, and what some file systems say when a block fails their own checksum. */
function isMediumError(thrown: unknown): boolean {
  const code = systemErrorCode(thrown);
  return code === "EIO" || code === "EBADMSG" || code === "EUCLEAN";
}

/**
 * At once, without a pause: what takes longer to pass is the caller's to wait for, who also knows
 * when to give up.
 */
async function readPatiently(
  files: SegmentFiles,
  segment: Segment,
  span: FileSpan,
): Promise<number> {
  for (let retry = 0; ; retry++) {
    try {
      return await readOnce(files, segment, span);
    } catch (thrown) {
      if (!isMediumError(thrown) || retry === limits.readRetriesMax) throw thrown;
    }
  }
}

function readOnce(
  { disk, share }: SegmentFiles,
  segment: Segment,
  span: FileSpan,
): Promise<number> {
  return share.reads.run(() =>
    share.files.use(disk, segment.path, (file) => readWhole(file, span)),
  );
}

/** Finds out which blocks fail, and whether all of them have done so for long enough. */
async function isLasting(
  files: SegmentFiles,
  segment: Segment,
  range: ByteRange,
): Promise<boolean> {
  // If not even the header can be read, it is the disk that is gone, not a few sectors of it.
  const header = { start: 0, end: SEGMENT_HEADER_BYTES };
  if (!(await isReadable(files, segment, header))) return false;
  const failed = await failingIn(files, segment, range);
  const now = files.clock.monotonic();
  return segment.unreadable.judge(range, failed, { now, lastingMs: files.lastingMs });
}

async function failingIn(
  files: SegmentFiles,
  segment: Segment,
  range: ByteRange,
): Promise<readonly ByteRange[]> {
  const failed: ByteRange[] = [];
  const waiting: ByteRange[] = [range];
  let probes = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    probes += 1;
    if (probes <= PROBES_MAX && (await isReadable(files, segment, next))) continue;
    const blocks = Math.ceil(next.end / BLOCK_BYTES) - Math.floor(next.start / BLOCK_BYTES);
    if (blocks <= 1 || probes > PROBES_MAX) {
      failed.push(next);
      continue;
    }
    const middle = (Math.floor(next.start / BLOCK_BYTES) + (blocks >>> 1)) * BLOCK_BYTES;
    waiting.push({ start: middle, end: next.end }, { start: next.start, end: middle });
  }
  return failed;
}

async function isReadable(
  files: SegmentFiles,
  segment: Segment,
  { start, end }: ByteRange,
): Promise<boolean> {
  const buffer = Buffer.allocUnsafeSlow(end - start);
  try {
    await readOnce(files, segment, { buffer, start: 0, end: end - start, position: start });
    return true;
  } catch (thrown) {
    if (isMediumError(thrown)) return false;
    throw thrown;
  }
}

/** Reads what lies between the unreadable ranges, and puts zeros there. */
async function readAround(files: SegmentFiles, segment: Segment, span: FileSpan): Promise<number> {
  const { buffer, position } = span;
  const range = { start: position, end: position + buffer.length };
  buffer.fill(0);
  let at = position;
  let filled = 0;
  for (const bad of [...segment.unreadable.within(range), { start: range.end, end: range.end }]) {
    if (bad.start > at) {
      const piece = { buffer, start: at - position, end: bad.start - position, position: at };
      filled = piece.start + (await readPatiently(files, segment, piece));
      // The file ends here, whatever was once unreadable behind.
      if (filled < piece.end) return filled;
    }
    at = Math.max(at, bad.end);
    filled = Math.min(buffer.length, at - position);
  }
  return filled;
}
