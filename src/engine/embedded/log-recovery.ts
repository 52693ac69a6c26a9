import type { Damage } from "../engine.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { syncData, writeWhole } from "./disk.ts";
import type { LogSurvey, SurveyedTail } from "./log-survey.ts";
import { surveyLog } from "./log-survey.ts";
import type { Segment } from "./segments.ts";
import { segmentName } from "./segments.ts";
import type { TailScan } from "./tail-scan.ts";

export interface RecoveredLog extends Omit<LogSurvey, "tail" | "names" | "directory"> {
  /** The log was closed with a marker, or its last segment is empty. */
  readonly isMarked: boolean;
  /** Something below durableTo in the last segment is damaged. */
  readonly isTailDamaged: boolean;
  readonly lastMark: LastMark | undefined;
}

/**
 * The closing marker at the end of the last segment. If its sync failed and the process died of
 * that, it is in the page cache only, and the kernel calls those pages clean: what is synced behind
 * it would be cut off with it after a power cut. So whoever appends next writes it once more.
 */
export interface LastMark {
  readonly bytes: Buffer;
  readonly position: number;
}

/**
 * Opens what is in the directory. Sealed segments are known by their headers alone; only the last
 * one is read whole, its torn end cut off and kept beside it. Nothing is changed before every
 * header has been seen: a directory of a later version stays untouched.
 */
export async function recoverLog(disk: Disk, directory: string): Promise<RecoveredLog> {
  const survey = await surveyLog(disk, directory);
  for (const name of leftoversOf(survey)) await disk.unlink(`${directory}/${name}`);
  // The last process may have died between renaming a segment and syncing its name.
  await disk.syncDirectory(directory);
  const { segments, logId, lastTime, lastNumber, tail } = survey;
  const cut = tail === undefined ? undefined : await mendTail(disk, survey, tail);
  return {
    segments,
    logId,
    lastTime,
    lastNumber,
    isMarked: tail?.scan.isMarked ?? true,
    isTailDamaged: tail?.scan.isDamagedInside ?? false,
    lastMark: tail === undefined ? undefined : lastMarkOf(tail),
    damages: cut === undefined ? survey.damages : [...survey.damages, cut],
  };
}

function lastMarkOf({ buffer, scan }: SurveyedTail): LastMark | undefined {
  const { unprovedFrom: position, end, isMarked } = scan;
  if (!isMarked || position >= end) return undefined;
  // A copy: the buffer holds the whole segment.
  return { bytes: Buffer.from(buffer.subarray(position, end)), position };
}

/** Segments that were being made when the process died: no record was ever in them. */
export function leftoversOf({ names }: Pick<LogSurvey, "names">): readonly string[] {
  return names.filter((name) => name.endsWith(".log.tmp"));
}

/** Cuts what was never provably acknowledged, makes the rest durable; says what it cut. */
async function mendTail(
  disk: Disk,
  { names }: LogSurvey,
  { segment, buffer, end, scan }: SurveyedTail,
): Promise<Damage | undefined> {
  const isTorn = scan.end < end;
  if (!isTorn && scan.isMarked) return undefined;
  const file = await disk.open(segment.path, "write");
  try {
    let damage: Damage | undefined;
    if (isTorn) {
      const cut = buffer.subarray(scan.end, end);
      const kept = await keepCut(disk, segment, { cut, names });
      await file.truncate(scan.end);
      damage = cutDamage(
        segment,
        scan,
        `${cut.length} bytes at the end were never acknowledged and are cut off, kept in ${kept}`,
      );
    }
    await makeDurable(file, buffer, scan);
    return damage;
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

/** The offsets that go with a torn end. */
export function cutDamage(segment: Segment, scan: TailScan, what: string): Damage {
  const { path: file } = segment;
  return { from: scan.next, to: scan.cutTo - 1, file, position: scan.end, what };
}
