import { BrokerError } from "../../kernel/errors.ts";
import type { Damage } from "../engine.ts";
import type { DiskFile } from "./disk.ts";
import { readWhole } from "./disk.ts";
import type { GroupHeader, SegmentHeader } from "./log-format.ts";
import {
  FORMAT_VERSION,
  GROUP_HEADER_BYTES,
  SEGMENT_DATA_START,
  SEGMENT_HEADER_BYTES,
  SEGMENT_HEADER_COPIES,
  decodeGroupHeader,
  decodeSegmentHeader,
} from "./log-format.ts";
import type { SegmentFiles } from "./segment-read.ts";
import type { Segment } from "./segments.ts";

/** What the front of a segment file says about it. */
export interface SegmentFront {
  /** Undefined when no copy of the header is valid. */
  readonly header: SegmentHeader | undefined;
  readonly identity: number | undefined;
  readonly damagedCopies: readonly number[];
  /** The header of the first group, if there is a valid one. */
  readonly firstGroup: GroupHeader | undefined;
}

export async function readSegmentFront(file: DiskFile, path: string): Promise<SegmentFront> {
  const buffer = Buffer.alloc(SEGMENT_DATA_START + GROUP_HEADER_BYTES);
  const end = await readWhole(file, { buffer, start: 0, end: buffer.length, position: 0 });
  const damagedCopies: number[] = [];
  let header: SegmentHeader | undefined;
  let identity: number | undefined;
  for (let copy = 0; copy < SEGMENT_HEADER_COPIES; copy++) {
    const start = copy * SEGMENT_HEADER_BYTES;
    const bytes = buffer.subarray(start, Math.min(end, start + SEGMENT_HEADER_BYTES));
    const read = decodeSegmentHeader(bytes);
    if (read.verdict === "too-new") throw tooNew(path, read.version);
    if (read.verdict === "damaged") damagedCopies.push(copy);
    else ({ header, identity } = read);
  }
  const hasGroup = identity !== undefined && end === buffer.length;
  const firstGroup = hasGroup
    ? decodeGroupHeader({ buffer, at: SEGMENT_DATA_START, identity: identity ?? 0 })
    : undefined;
  return { header, identity, damagedCopies, firstGroup };
}

function tooNew(path: string, version: number): BrokerError {
  const what = `${path} has format version ${version}; this version reads up to ${FORMAT_VERSION}`;
  return new BrokerError("data_dir_too_new", what);
}

/** Reads both copies of the header again. */
export async function examineHeader(
  { disk, share }: SegmentFiles,
  segment: Segment,
): Promise<readonly Damage[]> {
  const { path } = segment;
  const front = await share.reads.run(() =>
    share.files.use(disk, path, (file) => readSegmentFront(file, path)),
  );
  return headerDamage(segment, front);
}

/** A copy too few costs no event; without any, or with one of another log, nothing can be read. */
export function headerDamage(segment: Segment, front: SegmentFront): readonly Damage[] {
  const { first, next, path: file } = segment;
  if (segment.identity === undefined) {
    const what = "no copy of the segment's header belongs to this log; its events cannot be read";
    return [{ from: first, to: next - 1, file, position: 0, what }];
  }
  return front.damagedCopies.map((copy) => ({
    from: first,
    to: first - 1,
    file,
    position: copy * SEGMENT_HEADER_BYTES,
    what: `copy ${copy + 1} of the segment's header is damaged; the other one is used`,
  }));
}
