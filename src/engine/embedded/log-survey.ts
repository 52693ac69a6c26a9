import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { Damage } from "../engine.ts";
import type { Disk } from "./disk.ts";
import { readWhole } from "./disk.ts";
import type { SegmentFront } from "./segment-headers.ts";
import { headerDamage, readSegmentFront } from "./segment-headers.ts";
import { Segment, SegmentList, parseSegmentName } from "./segments.ts";
import { scanTail } from "./tail-scan.ts";
import type { TailScan } from "./tail-scan.ts";

/** What a log's directory holds, and what opening it would change. Nothing was changed for it. */
export interface LogSurvey {
  readonly directory: string;
  /** The last one is as it will be once its torn end is cut off. */
  readonly segments: SegmentList;
  /** Undefined when the directory holds no segment yet. */
  readonly logId: Buffer | undefined;
  readonly lastTime: EpochMs;
  readonly lastNumber: number;
  /** Damage of headers; that of groups is found by reading. */
  readonly damages: readonly Damage[];
  /** Undefined when there is no segment. */
  readonly tail: SurveyedTail | undefined;
  /** Names of all files in the directory. */
  readonly names: readonly string[];
}

/** The last segment, read whole. */
export interface SurveyedTail {
  readonly segment: Segment;
  readonly buffer: Buffer;
  /** Where the file ends. */
  readonly end: number;
  readonly scan: TailScan;
}

interface FoundSegment {
  readonly first: Offset;
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  readonly front: SegmentFront;
}

/** Opening files one after the other would make a large log wait for as many turns of the disk. */
const FRONTS_AT_ONCE = 4;

/**
 * Reads what is needed to open the log, and no more: the fronts of all segments and the whole of
 * the last one. So opening does not grow with the log. Rejects with `data_dir_too_new` or, when
 * nobody can say which offsets were given out, with `data_corrupt`.
 */
export async function surveyLog(disk: Disk, directory: string): Promise<LogSurvey> {
  const names = await disk.list(directory);
  const present = await readFronts(disk, directory, names);
  const logId = commonLogId(present);
  const found = present.map((entry) => (isOurs(entry, logId) ? entry : withoutHeader(entry)));
  const last = found.at(-1);
  if (last !== undefined && last.front.header === undefined) throw unreadableTail(last);
  const segments = new SegmentList();
  const damages: Damage[] = [];
  let tail: SurveyedTail | undefined;
  for (const [index, entry] of found.entries()) {
    const segment = segmentOf(directory, entry);
    const following = found.slice(index + 1);
    if (following.length > 0) sealFrom(segment, entry, following);
    else tail = await surveyTail(disk, segment, entry);
    damages.push(...headerDamage(segment, entry.front));
    segments.add(segment);
  }
  return {
    directory,
    segments,
    logId,
    lastTime: Math.max(tail?.scan.time ?? 0, last?.front.header?.previousTime ?? 0),
    lastNumber: Math.max(0, ...found.map((entry) => entry.number)),
    damages,
    tail,
    names,
  };
}

async function readFronts(
  disk: Disk,
  directory: string,
  names: readonly string[],
): Promise<readonly FoundSegment[]> {
  const wanted = names.toSorted().filter((name) => parseSegmentName(name) !== undefined);
  const found: FoundSegment[] = [];
  let index = 0;
  const readSome = async (): Promise<void> => {
    while (index < wanted.length) {
      const at = index;
      index += 1;
      found[at] = await readFront(disk, `${directory}/${wanted[at] ?? ""}`);
    }
  };
  await Promise.all(Array.from({ length: FRONTS_AT_ONCE }, readSome));
  return found;
}

async function readFront(disk: Disk, path: string): Promise<FoundSegment> {
  const place = parseSegmentName(path.slice(path.lastIndexOf("/") + 1));
  assert(place !== undefined, "only segments have a front");
  const file = await disk.open(path, "read");
  try {
    const front = await readSegmentFront(file, path);
    return { ...place, path, bytes: await file.bytes(), front };
  } finally {
    await file.close();
  }
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
  // Version 1 did not say where the groups end; then nothing but groups is taken to follow.
  segment.bytes = Math.min(entry.bytes, header?.previousBytes ?? entry.bytes);
  segment.keys = header?.previousKeys ?? "unknown";
  if (segment.keys === "some") segment.footerBytes = entry.bytes - segment.bytes;
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

async function surveyTail(
  disk: Disk,
  segment: Segment,
  entry: FoundSegment,
): Promise<SurveyedTail> {
  if (segment.identity === undefined) throw unreadableTail(entry);
  const file = await disk.open(segment.path, "read");
  try {
    const buffer = Buffer.allocUnsafeSlow(entry.bytes);
    const end = await readWhole(file, { buffer, start: 0, end: entry.bytes, position: 0 });
    const window = { buffer, end, position: 0, isLast: true, identity: segment.identity };
    const scan = scanTail(window, segment);
    segment.next = scan.next;
    segment.bytes = scan.end;
    segment.firstTime = scan.firstTime;
    segment.lastTime = scan.lastTime;
    segment.keys = scan.keys;
    return { segment, buffer, end, scan };
  } finally {
    await file.close();
  }
}
