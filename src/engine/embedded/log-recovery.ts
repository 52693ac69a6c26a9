import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { Damage } from "../engine.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { readWhole, syncData, writeWhole } from "./disk.ts";
import type { SegmentFront } from "./segment-headers.ts";
import { headerDamage, readSegmentFront } from "./segment-headers.ts";
import { Segment, SegmentList, parseSegmentName, segmentName } from "./segments.ts";
import { scanTail } from "./tail-scan.ts";
import type { TailScan } from "./tail-scan.ts";

export interface RecoveredLog {
  readonly segments: SegmentList;
  /** Undefined when the directory holds no segment yet. */
  readonly logId: Buffer | undefined;
  readonly lastTime: EpochMs;
  readonly lastNumber: number;
  /** The log was closed with a marker, or its last segment is empty. */
  readonly isMarked: boolean;
  /** Something below durableTo in the last segment is damaged. */
  readonly isTailDamaged: boolean;
  readonly damages: readonly Damage[];
}

interface FoundSegment {
  readonly first: Offset;
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  readonly front: SegmentFront;
}

/**
 * Opens what is in the directory. Sealed segments are known by their headers alone; only the last
 * one is read whole, its torn end cut off and kept beside it. Nothing is changed before every
 * header has been seen: a directory of a later version stays untouched.
 */
export async function recoverLog(disk: Disk, directory: string): Promise<RecoveredLog> {
  const names = await disk.list(directory);
  const present = await readFronts(disk, directory, names);
  const logId = commonLogId(present);
  const found = present.map((entry) => (isOurs(entry, logId) ? entry : withoutHeader(entry)));
  const last = found.at(-1);
  if (last !== undefined && last.front.header === undefined) throw unreadableTail(last);
  for (const name of names) {
    if (name.endsWith(".log.tmp")) await disk.unlink(`${directory}/${name}`);
  }
  // The last process may have died between renaming a segment and syncing its name.
  await disk.syncDirectory(directory);
  const segments = new SegmentList();
  const damages: Damage[] = [];
  let tail: TailScan | undefined;
  for (const [index, entry] of found.entries()) {
    const segment = segmentOf(directory, entry);
    const following = found.slice(index + 1);
    if (following.length > 0) sealFrom(segment, entry, following);
    else tail = await recoverTail(disk, segment, { entry, names, damages });
    damages.push(...headerDamage(segment, entry.front));
    segments.add(segment);
  }
  return {
    segments,
    logId,
    lastTime: Math.max(tail?.time ?? 0, last?.front.header?.previousTime ?? 0),
    lastNumber: Math.max(0, ...found.map((entry) => entry.number)),
    isMarked: tail?.isMarked ?? true,
    isTailDamaged: tail?.isDamagedInside ?? false,
    damages,
  };
}

async function readFronts(
  disk: Disk,
  directory: string,
  names: readonly string[],
): Promise<readonly FoundSegment[]> {
  const found: FoundSegment[] = [];
  for (const name of names.toSorted()) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    const path = `${directory}/${name}`;
    const file = await disk.open(path, "read");
    try {
      const front = await readSegmentFront(file, path);
      found.push({ ...parsed, path, bytes: await file.bytes(), front });
    } finally {
      await file.close();
    }
  }
  return found;
}

/** The log that most segments say they belong to: a stray file must not make the rest unreadable. */
function commonLogId(found: readonly FoundSegment[]): Buffer | undefined {
  const votes = new Map<string, number>();
  for (const { front } of found) {
    const id = front.header?.logId.toString("hex");
    if (id !== undefined) votes.set(id, (votes.get(id) ?? 0) + 1);
  }
  const winner = [...votes].reduce<readonly [string, number] | undefined>(
    (best, vote) => (best === undefined || vote[1] > best[1] ? vote : best),
    undefined,
  );
  return winner === undefined ? undefined : Buffer.from(winner[0], "hex");
}

/** A header that tells of another place or another log has been copied here, or renamed. */
function isOurs({ first, number, front }: FoundSegment, logId: Buffer | undefined): boolean {
  const { header } = front;
  if (header === undefined || logId === undefined) return false;
  return header.first === first && header.number === number && header.logId.equals(logId);
}

function withoutHeader(entry: FoundSegment): FoundSegment {
  const front = { ...entry.front, header: undefined, identity: undefined, firstGroup: undefined };
  return { ...entry, front };
}

function segmentOf(directory: string, entry: FoundSegment): Segment {
  const { first, number, front } = entry;
  return new Segment({ directory, first, number, identity: front.identity });
}

/** What is known of a sealed segment without reading it: the next header tells where it ended. */
function sealFrom(segment: Segment, entry: FoundSegment, following: readonly FoundSegment[]): void {
  const after = following[0];
  assert(after !== undefined, "a sealed segment has one after it");
  const header = after.front.header;
  segment.next = Math.min(
    after.first,
    Math.max(segment.first, header?.previousNext ?? after.first),
  );
  segment.bytes = entry.bytes;
  if (segment.next === segment.first) return;
  const group = entry.front.firstGroup;
  const own = entry.front.header;
  segment.firstTime = group?.time ?? own?.previousTime;
  // If the next header is gone, a later one still bounds the time from above.
  segment.lastTime = following.find(
    (later) => later.front.header !== undefined,
  )?.front.header?.previousTime;
}

function unreadableTail({ path }: FoundSegment): BrokerError {
  const what =
    `${path}: no copy of the header of the newest segment is valid and of this log, so nobody can ` +
    "say which offsets were given out; restore the file, or move it away to lose its events";
  return new BrokerError("data_corrupt", what);
}

interface TailContext {
  readonly entry: FoundSegment;
  readonly names: readonly string[];
  readonly damages: Damage[];
}

/** Scans the last segment, cuts what was never provably acknowledged, makes the rest durable. */
async function recoverTail(disk: Disk, segment: Segment, context: TailContext): Promise<TailScan> {
  const { bytes } = context.entry;
  if (segment.identity === undefined) throw unreadableTail(context.entry);
  const file = await disk.open(segment.path, "write");
  try {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    const end = await readWhole(file, { buffer, start: 0, end: bytes, position: 0 });
    const window = { buffer, end, position: 0, isLast: true, identity: segment.identity };
    const scan = scanTail(window, segment);
    if (scan.end < end) {
      const cut = buffer.subarray(scan.end, end);
      const kept = await keepCut(disk, segment, { cut, names: context.names });
      await file.truncate(scan.end);
      context.damages.push(cutDamage(segment, scan, { bytes: cut.length, kept }));
    }
    if (scan.end < end || !scan.isMarked) await makeDurable(file, buffer, scan);
    segment.next = scan.next;
    segment.bytes = scan.end;
    segment.firstTime = scan.firstTime;
    segment.lastTime = scan.lastTime;
    return scan;
  } finally {
    await file.close();
  }
}

/**
 * Whole groups at the end may be in the page cache only. They must be on the disk before anybody
 * sees them, or a power cut would give their offsets out again. A sync alone is not enough: if the
 * last process died right after a failed one, the kernel calls those pages clean and would do
 * nothing. So they are written once more, which makes them dirty.
 */
async function makeDurable(file: DiskFile, buffer: Buffer, scan: TailScan): Promise<void> {
  const { unprovedFrom: start, end } = scan;
  await writeWhole(file, { buffer, start, end: Math.max(start, end), position: start });
  await syncData(file);
}

/** Stores the cut bytes beside the segment, for whoever wants to look into them. */
async function keepCut(
  disk: Disk,
  segment: Segment,
  { cut, names }: { readonly cut: Buffer; readonly names: readonly string[] },
): Promise<string> {
  const prefix = `${segmentName(segment.first, segment.number)}.cut-`;
  let number = 1;
  while (names.includes(`${prefix}${number}`)) number += 1;
  const directory = segment.path.slice(0, segment.path.lastIndexOf("/"));
  const path = `${directory}/${prefix}${number}`;
  const file: DiskFile = await disk.open(path, "create");
  try {
    await writeWhole(file, { buffer: cut, start: 0, end: cut.length, position: 0 });
    await syncData(file);
  } finally {
    await file.close();
  }
  await disk.syncDirectory(directory);
  return path;
}

function cutDamage(
  segment: Segment,
  scan: TailScan,
  cut: { readonly bytes: number; readonly kept: string },
): Damage {
  return {
    from: scan.next,
    to: scan.cutTo - 1,
    file: segment.path,
    position: scan.end,
    what: `${cut.bytes} bytes at the end were never acknowledged and are cut off, kept in ${cut.kept}`,
  };
}
