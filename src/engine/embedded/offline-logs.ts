import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { systemClock } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { Damage, KeyBatch } from "../engine.ts";
import { KEY_BYTES, decodeFacts } from "../record-facts.ts";
import { nodeDisk, syncData, writeWhole } from "./disk.ts";
import { examineFooter, footerKeys, writeFooter } from "./key-footer.ts";
import type { GroupHeader } from "./log-format.ts";
import {
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  payloadStart,
  recordTime,
} from "./log-format.ts";
import { damageIn } from "./log-reader.ts";
import { leftoversOf, recoverLog } from "./log-recovery.ts";
import { LogShare } from "./log-share.ts";
import type { LogSurvey } from "./log-survey.ts";
import { surveyLog } from "./log-survey.ts";
import type { Finding } from "./offline-report.ts";
import type { SegmentFiles } from "./segment-read.ts";
import { walkSegment } from "./segment-walk.ts";
import type { Segment } from "./segments.ts";

/** A log as it lies on the disk, without its broker. */
export interface OfflineLog {
  readonly bus: string;
  readonly directory: string;
  /** Undefined when it cannot be opened; a finding says why. */
  readonly survey: LogSurvey | undefined;
}

const WINDOW_BYTES = 1024 * 1024;

/** Surveys a log; changes nothing. */
export async function openOffline(
  bus: string,
  directory: string,
  findings: Finding[],
): Promise<OfflineLog> {
  try {
    const survey = await surveyLog(nodeDisk, directory);
    if (survey.tail !== undefined) return { bus, directory, survey };
    const what = `the log of bus '${bus}' has no segment; restore it from a copy, or delete the bus`;
    findings.push({ severity: "damage", where: directory, what });
    return { bus, directory, survey: undefined };
  } catch (thrown) {
    if (thrown instanceof BrokerError && thrown.code === "data_dir_too_new") throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const what = `the log of bus '${bus}' cannot be opened: ${reason}`;
    findings.push({ severity: "damage", where: directory, what });
    return { bus, directory, survey: undefined };
  }
}

/** Checks every checksum and every invariant of the log. */
export async function* checkLog({ bus, survey }: OfflineLog): AsyncIterable<Finding> {
  if (survey === undefined) return;
  yield* checkNames(survey);
  yield* checkTail(bus, survey);
  for (const damage of survey.damages) yield headerFinding(damage);
  const files: SegmentFiles = {
    disk: nodeDisk,
    share: new LogShare(),
    clock: systemClock,
    // Nobody waits for this one: what cannot be read now is reported now.
    lastingMs: 0,
    onDamage: () => undefined,
  };
  const state: WalkState = { durableTo: 0, time: 0 };
  let previous: Segment | undefined;
  for (const segment of survey.segments.all) {
    if (previous !== undefined) yield* checkJoint(previous, segment);
    try {
      yield* checkSegment(files, segment, state);
    } catch (thrown) {
      const what = `cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
      yield { severity: "damage", where: segment.path, what };
    }
    files.share.files.forget(segment.path);
    previous = segment;
  }
}

function* checkNames(survey: LogSurvey): Iterable<Finding> {
  const { directory, names } = survey;
  for (const name of leftoversOf(survey)) {
    const where = `${directory}/${name}`;
    yield {
      severity: "notice",
      where,
      what: "a segment that was being made when the broker died; it holds no event",
      repair: { what: `remove ${where}`, run: () => nodeDisk.unlink(where) },
    };
  }
  for (const name of names) {
    if (!name.includes(".log.cut-")) continue;
    const what = "bytes that an earlier start cut off; nothing reads them, remove them if you like";
    yield { severity: "notice", where: `${directory}/${name}`, what };
  }
}

function* checkTail(bus: string, survey: LogSurvey): Iterable<Finding> {
  const { tail, directory } = survey;
  if (tail === undefined || tail.scan.end === tail.end) return;
  const { segment, scan, end } = tail;
  const bytes = end - scan.end;
  const repair = async (): Promise<void> => void (await recoverLog(nodeDisk, directory));
  yield {
    severity: "notice",
    where: segment.path,
    what: `the last ${bytes} bytes of bus '${bus}' were never provably acknowledged (a torn end from offset ${scan.next} on)`,
    repair: {
      what: `cut ${bytes} bytes off the end of ${segment.path} and keep them beside it, as the next start would`,
      run: repair,
    },
  };
}

function headerFinding(damage: Damage): Finding {
  const { file, what, from, to, position } = damage;
  if (to >= from) return { severity: "damage", where: file, what: `${offsets(from, to)}: ${what}` };
  return {
    severity: "damage",
    where: file,
    what,
    repair: {
      what: `write copy ${position / SEGMENT_HEADER_BYTES + 1} of the header of ${file} anew from the other one`,
      run: () => copyHeader(file, position),
    },
  };
}

async function copyHeader(path: string, position: number): Promise<void> {
  const file = await nodeDisk.open(path, "write");
  try {
    const buffer = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const span = { buffer, start: 0, end: buffer.length };
    await file.read({ ...span, position: position === 0 ? SEGMENT_HEADER_BYTES : 0 });
    await writeWhole(file, { ...span, position });
    await syncData(file);
  } finally {
    await file.close();
  }
}

function* checkJoint(previous: Segment, segment: Segment): Iterable<Finding> {
  if (segment.first > previous.next) {
    const jumped = offsets(previous.next, segment.first - 1);
    const what = `${jumped} were never given: the log jumped over them after an unclean stop`;
    yield { severity: "notice", where: segment.path, what };
  }
  if (segment.number <= previous.number) {
    const what = `segment number ${segment.number} does not follow ${previous.number}`;
    yield { severity: "damage", where: segment.path, what };
  }
}

/** What must never go back within a log. */
interface WalkState {
  durableTo: Offset;
  time: number;
}

async function* checkSegment(
  files: SegmentFiles,
  segment: Segment,
  state: WalkState,
): AsyncIterable<Finding> {
  if (segment.identity === undefined) return;
  const found: Finding[] = [];
  const where = segment.path;
  const keys = createHash("sha256");
  const wrong = (what: string): void => void found.push({ severity: "damage", where, what });
  const visitor = {
    skipBelow: 0,
    group: ({ durableTo, first }: GroupHeader) => {
      if (durableTo < state.durableTo) wrong(`durableTo goes back at offset ${first}`);
      state.durableTo = Math.max(state.durableTo, durableTo);
    },
    record: (buffer: Buffer, at: number, offset: Offset) => {
      const time = recordTime(buffer, at);
      if (time < state.time) wrong(`the append time goes back at offset ${offset}`);
      state.time = Math.max(state.time, time);
      addKey(keys, { buffer, at, offset, time });
      return true;
    },
    windowEnd: () => true,
    damaged: (range: Parameters<typeof damageIn>[1]) => {
      const { from, to, what, position } = damageIn(segment, range);
      const lost = to < from ? "no event is lost" : `${offsets(from, to)} cannot be read`;
      wrong(`${what} at byte ${position}; ${lost}`);
      return true;
    },
  };
  const start = { entry: undefined, windowBytes: WINDOW_BYTES };
  await walkSegment(files, segment, visitor, start);
  yield* found;
  if (segment.footerBytes > 0) yield* checkFooter(files, segment, keys);
}

function addKey(
  hash: Hash,
  record: { readonly buffer: Buffer; readonly at: number; offset: Offset; time: number },
): void {
  const { buffer, at, offset, time } = record;
  const factsAt = at + RECORD_HEADER_BYTES;
  const payloadAt = payloadStart(buffer, at);
  if (payloadAt === factsAt) return;
  const { key } = decodeFacts(buffer, factsAt, payloadAt);
  if (key !== undefined) hash.update(`${offset} ${time} `).update(key);
}

/** The list of keys must be whole, and say what the records say. */
async function* checkFooter(
  files: SegmentFiles,
  segment: Segment,
  expected: Hash,
): AsyncIterable<Finding> {
  const damage = await examineFooter(files, segment);
  const listed = createHash("sha256");
  for await (const batch of footerKeys(files, segment, 0)) addBatch(listed, batch);
  const isSame = listed.digest("hex") === expected.digest("hex");
  if (damage === undefined && isSame) return;
  yield {
    severity: "damage",
    where: segment.path,
    what: damage?.what ?? "the list of deduplication keys does not say what the events say",
    repair: {
      what: `list the deduplication keys of ${segment.path} anew from its events`,
      run: () => writeFooter(files, segment),
    },
  };
}

function addBatch(hash: Hash, { offsets: all, times, keys }: KeyBatch): void {
  for (const [index, offset] of all.entries()) {
    const key = keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES);
    hash.update(`${offset} ${times[index] ?? 0} `).update(key);
  }
}

export function offsets(from: Offset, to: Offset): string {
  return from === to ? `offset ${from}` : `offsets ${from} to ${to}`;
}
