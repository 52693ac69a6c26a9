import { dirname } from "node:path";
import { assert } from "../../kernel/assert.ts";
import type { Clock, Disposable, EpochMs } from "../../kernel/clock.ts";
import { BrokerError, systemErrorCode } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { Random } from "../../kernel/random.ts";
import { systemRandom } from "../../kernel/random.ts";
import type {
  AppendCallback,
  Damage,
  EncodedRecord,
  EventLog,
  FsyncMode,
  KeyBatch,
  LogBounds,
  ReadLimit,
  RecordBatch,
  SegmentFacts,
  VerifyOptions,
} from "../engine.ts";
import type { Disk } from "./disk.ts";
import { KeyFooters } from "./key-footer.ts";
import { LOG_ID_BYTES } from "./log-format.ts";
import { LogReader, damageIn } from "./log-reader.ts";
import type { LastMark } from "./log-recovery.ts";
import { recoverLog } from "./log-recovery.ts";
import type { LogShare } from "./log-share.ts";
import { processShare } from "./log-share.ts";
import { LogWriter } from "./log-writer.ts";
import { OffsetReservation, assertOwnReservation, readReservation } from "./offset-reservation.ts";
import type { SegmentFiles } from "./segment-read.ts";
import type { Segment, SegmentList } from "./segments.ts";
import { createSegment } from "./segments.ts";
import { TailCache } from "./tail-cache.ts";
import { codeOfFailedWrite } from "./write-failure.ts";

export interface LogOptions {
  /** The log's own directory; made when it is missing. Its parent must exist. */
  readonly directory: string;
  /** For messages only. */
  readonly bus: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  /** When an append is acknowledged: after its bytes were synced, or after they were written. */
  readonly fsync: FsyncMode;
  /** A segment also makes way for a new one when its first record is older than this. */
  readonly rollAfterMs?: number;
  /** Smaller segments than limits.segmentBytesMax, for tests. */
  readonly segmentBytesMax?: number;
  /** Read turns, open files and cache memory shared with other logs; by default the process's. */
  readonly share?: LogShare;
  readonly random?: Random;
}

/**
 * Opens the log in a directory, or begins one. Rejects with `data_corrupt` when it cannot tell
 * which offsets were given out, with `data_dir_too_new` (and leaves everything as it is) when a
 * later version wrote it.
 */
export async function openLog(options: LogOptions): Promise<SegmentedLog> {
  const { disk, directory } = options;
  await makeDirectory(disk, directory);
  const reserved = await readReservation(disk, directory);
  const recovered = await recoverLog(disk, directory);
  assertOwnReservation(directory, reserved, recovered.logId);
  const { segments } = recovered;
  const logId = recovered.logId ?? newLogId(options);
  if (recovered.logId === undefined) await beginLog(options, segments, logId);
  const reservation = new OffsetReservation({ disk, directory, logId }, reserved?.mark);
  const tail = segments.active;
  const start = await jump(options, { ...recovered, logId, reservation });
  const log = new SegmentedLog(options, start);
  for (const damage of recovered.damages) log.report(damage);
  if (recovered.isTailDamaged) await log.examine(tail);
  return log;
}

/**
 * After an unclean stop of a log that did not wait for syncs, offsets below the reserved mark may
 * have been seen although their events are gone. The log goes on at the mark; readers are told of
 * the gap.
 */
async function jump(options: LogOptions, start: LogStart): Promise<LogStart> {
  const { disk, directory, bus, clock, logger, fsync } = options;
  const { reservation, segments, logId, lastTime } = start;
  const { mark } = reservation;
  const { next } = segments.active;
  let jumped = start;
  if (mark !== undefined && mark > next) {
    const number = start.lastNumber + 1;
    const created = Math.max(0, Math.floor(clock.now()));
    const { bytes: previousBytes, keys: previousKeys } = segments.active;
    const header = { number, first: mark, previousNext: next, previousTime: lastTime };
    const keys = { previousBytes, previousKeys };
    const made = await createSegment(disk, directory, { ...header, ...keys, created, logId });
    await made.file.close();
    segments.add(made.segment);
    logger.warn({ bus, from: next, to: mark - 1 }, JUMPED);
    const fresh = { isMarked: true, isTailDamaged: false, lastMark: undefined };
    jumped = { ...start, lastNumber: number, ...fresh };
  }
  if (fsync === "always") await reservation.settle();
  return jumped;
}

const JUMPED =
  "the log was not closed and had not waited for syncs; these offsets may have been seen and are not given again";

async function makeDirectory(disk: Disk, directory: string): Promise<void> {
  try {
    await disk.makeDirectory(directory);
  } catch (thrown) {
    if (systemErrorCode(thrown) === "EEXIST") return;
    throw thrown;
  }
  await disk.syncDirectory(dirname(directory));
}

function newLogId(options: LogOptions): Buffer {
  return Buffer.from((options.random ?? systemRandom).bytes(LOG_ID_BYTES));
}

async function beginLog(options: LogOptions, segments: SegmentList, logId: Buffer): Promise<void> {
  const { disk, directory, clock } = options;
  const created = Math.max(0, Math.floor(clock.now()));
  const header = { number: 0, first: 0, previousNext: 0, previousTime: 0, created, logId };
  const { segment, file } = await createSegment(disk, directory, header);
  await file.close();
  segments.add(segment);
}

/** What openLog found out and a log starts from. */
export interface LogStart {
  readonly segments: SegmentList;
  readonly logId: Buffer;
  readonly lastTime: EpochMs;
  readonly lastNumber: number;
  readonly isMarked: boolean;
  readonly isTailDamaged: boolean;
  readonly lastMark: LastMark | undefined;
  readonly reservation: OffsetReservation;
}

/** Damage is kept for status and tools; a disk that is falling apart must not fill the memory. */
const DAMAGES_KEPT_MAX = 1000;

/** The events of one bus in segment files of one directory. Made by openLog, open until close(). */
export class SegmentedLog implements EventLog {
  readonly #options: LogOptions;
  readonly #share: LogShare;
  readonly #segments: SegmentList;
  readonly #cache: TailCache;
  readonly #reader: LogReader;
  readonly #writer: LogWriter;
  readonly #footers: KeyFooters;
  readonly #damages: Damage[] = [];
  #trimming: Promise<void> = Promise.resolve();

  constructor(options: LogOptions, start: LogStart) {
    const share = options.share ?? processShare;
    const { segments } = start;
    const { disk, clock, logger } = options;
    this.#options = options;
    this.#share = share;
    this.#segments = segments;
    this.#cache = new TailCache(share.tails);
    const onDamage = (segment: Segment, range: Parameters<typeof damageIn>[1]): void =>
      this.report(damageIn(segment, range));
    const lastingMs = limits.unreadableMsMin;
    const files: SegmentFiles = { disk, share, clock, lastingMs, onDamage };
    this.#reader = new LogReader({ segments, cache: this.#cache, files });
    this.#footers = new KeyFooters(files, logger);
    const sealed = segments.all.at(-2);
    if (sealed !== undefined) this.#footers.mend(sealed);
    this.#writer = new LogWriter({
      ...options,
      ...start,
      share,
      cache: this.#cache,
      segmentBytesMax: options.segmentBytesMax ?? limits.segmentBytesMax,
      rollAfterMs: options.rollAfterMs,
      mustRoll: start.isTailDamaged,
      onSealed: (segment) => this.#footers.write(segment),
    });
  }

  append(records: readonly EncodedRecord[], settled: AppendCallback): void {
    this.#writer.append(records, settled);
  }

  read(from: Offset, limit: ReadLimit): Promise<RecordBatch> {
    return this.#reader.read(from, limit);
  }

  readCached(from: Offset, limit: ReadLimit): RecordBatch | undefined {
    return this.#reader.readCached(from, limit);
  }

  onAdvance(listener: (next: Offset) => void): Disposable {
    return this.#writer.onAdvance(listener);
  }

  bounds(): LogBounds {
    const kept = this.segments();
    let bytes = 0;
    for (const segment of kept) bytes += segment.bytes;
    return {
      first: this.#segments.first,
      next: this.#segments.active.next,
      bytes,
      firstTime: kept.find((segment) => segment.firstTime !== undefined)?.firstTime,
      lastTime: kept.findLast((segment) => segment.lastTime !== undefined)?.lastTime,
    };
  }

  offsetAt(time: EpochMs): Promise<Offset> {
    return this.#reader.offsetAt(time);
  }

  segments(): readonly SegmentFacts[] {
    const { all, first } = this.#segments;
    return all.filter((segment) => segment.first >= first).map((segment) => segment.facts);
  }

  trimmable(wanted: Offset): Offset {
    const { first } = this.#segments;
    return Math.max(first, this.#segments.holding(wanted)?.first ?? first);
  }

  trim(before: Offset): Promise<void> {
    this.#segments.first = this.trimmable(before);
    const trimmed = this.#trimming.then(() => this.#deleteTrimmed());
    // The next trim waits for this one, but is not made to fail by it.
    this.#trimming = trimmed.catch(() => undefined);
    return trimmed;
  }

  /** Oldest first and each removal synced, so that a crash never leaves a hole. */
  async #deleteTrimmed(): Promise<void> {
    const { disk, directory } = this.#options;
    for (const segment of this.#segments.all) {
      const { first, active } = this.#segments;
      if (segment === active || segment.first >= first) return;
      assert(segment.next <= first, "only whole segments are trimmed");
      try {
        await disk.unlink(segment.path).catch(unlessMissing);
        await disk.syncDirectory(directory);
      } catch (thrown) {
        // Some file systems need room to delete; the next trim then has it.
        if (codeOfFailedWrite(thrown) === "disk_full") await this.#share.space?.relieve();
        const what = `cannot delete ${segment.path}: ${String(thrown)}`;
        throw new BrokerError("storage_unavailable", what, { cause: thrown });
      }
      this.#segments.remove(segment);
      this.#share.files.forget(segment.path);
    }
  }

  keys(since: EpochMs): AsyncIterable<KeyBatch> {
    return this.#reader.keys(since);
  }

  verify(options?: VerifyOptions): AsyncIterable<Damage> {
    return this.#reader.verify(options);
  }

  /** What was found damaged or cut so far, since the log was opened. */
  damages(): readonly Damage[] {
    return this.#damages;
  }

  /** Why appends are refused at the moment; undefined while the disk takes them. */
  get refusal(): BrokerError | undefined {
    return this.#writer.refusal;
  }

  /** Called when appends begin to be refused, and with undefined when they are taken again. */
  onHealth(listener: (refusal: BrokerError | undefined) => void): Disposable {
    return this.#writer.onHealth(listener);
  }

  /** As the option of the same name; takes effect at once. */
  setRollAfter(rollAfterMs: number | undefined): void {
    this.#writer.setRollAfter(rollAfterMs);
  }

  /** Smaller segments than the option of the log says, from the next group on. */
  setRollBytes(rollBytes: number | undefined): void {
    this.#writer.setRollBytes(rollBytes);
  }

  /** Finishes what was appended, writes the closing marker, lets go of the files. Idempotent. */
  async close(): Promise<void> {
    await this.#writer.close();
    await this.#footers.close();
    await this.#trimming;
    for (const segment of this.#segments.all) {
      this.#share.files.forget(segment.path);
      segment.index.clear();
    }
    this.#cache.clear();
  }

  /** For openLog: reads a segment known to be damaged, so that the ranges are known at once. */
  async examine(segment: Segment): Promise<void> {
    await this.#reader.examine(segment);
  }

  /** Tells the operator, and remembers. */
  report(damage: Damage): void {
    const { bus, logger } = this.#options;
    if (this.#damages.length < DAMAGES_KEPT_MAX) this.#damages.push(damage);
    logger.error({ bus, ...damage }, "the log is not as it was written");
  }
}

function unlessMissing(thrown: unknown): void {
  if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
}
