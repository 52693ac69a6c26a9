import { assert } from "../../kernel/assert.ts";
import type { Clock, EpochMs } from "../../kernel/clock.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { writeWhole } from "./disk.ts";
import type { LastMark } from "./log-recovery.ts";
import type { LogShare } from "./log-share.ts";
import type { Segment, SegmentList } from "./segments.ts";
import { createSegment } from "./segments.ts";
import { closeQuietly } from "./write-failure.ts";

/** From which segment to which a log turns. */
export interface SegmentTurn {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly share: LogShare;
  readonly segments: SegmentList;
  readonly logId: Buffer;
  /** To be written once more before anything is appended behind it. */
  readonly lastMark: LastMark | undefined;
}

/** Only ever the segment that the last process left: a failed one is never opened again. */
export async function reopenActive({ disk, segments, lastMark }: SegmentTurn): Promise<DiskFile> {
  const file = await disk.open(segments.active.path, "write");
  if (lastMark === undefined) return file;
  try {
    const { bytes: buffer, position } = lastMark;
    assert(position + buffer.length === segments.active.bytes, "the mark is the end of the log");
    await writeWhole(file, { buffer, start: 0, end: buffer.length, position });
    return file;
  } catch (thrown) {
    await closeQuietly(file);
    throw thrown;
  }
}

/** Makes the segment that is active from now on; the one before may be sealed or empty. */
export async function beginSegment(
  { disk, directory, segments, clock, logId }: SegmentTurn,
  { number, previousTime }: { readonly number: number; readonly previousTime: EpochMs },
): Promise<DiskFile> {
  const old = segments.active;
  const first = old.next;
  const { segment, file } = await createSegment(disk, directory, {
    number,
    first,
    // An empty segment goes; what is before it may have ended lower, by a jump.
    previousNext: (old.first < old.next ? old : segments.all.at(-2))?.next ?? first,
    previousTime,
    created: Math.max(0, Math.floor(clock.now())),
    logId,
    ...segments.previousKeys(),
  });
  segments.add(segment);
  return file;
}

/** A segment that holds no record is no use; a file that cannot be removed now does no harm. */
export async function dropEmpty(
  { disk, segments, share }: SegmentTurn,
  old: Segment,
): Promise<void> {
  segments.remove(old);
  share.files.forget(old.path);
  await Promise.allSettled([disk.unlink(old.path)]);
}
