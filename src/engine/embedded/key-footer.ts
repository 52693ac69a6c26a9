import type { EpochMs } from "../../kernel/clock.ts";
import { systemErrorCode } from "../../kernel/errors.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { Damage, KeyBatch } from "../engine.ts";
import { decodeFacts } from "../record-facts.ts";
import type { DiskFile } from "./disk.ts";
import { syncData, writeWhole } from "./disk.ts";
import type { Covered } from "./key-page.ts";
import {
  KEY_PAGE_BYTES_MAX,
  KeyPageBuilder,
  coveredBy,
  isKeyPageIntact,
  keysOnPage,
} from "./key-page.ts";
import { RECORD_HEADER_BYTES, payloadStart, recordTime } from "./log-format.ts";
import { groupAt } from "./log-walk.ts";
import type { SegmentFiles } from "./segment-read.ts";
import { readSegment } from "./segment-read.ts";
import { walkSegment } from "./segment-walk.ts";
import type { Segment } from "./segments.ts";

const WINDOW_BYTES = 1024 * 1024;

/**
 * Writes the footers of segments that have been sealed, one at a time and beside the publishes: the
 * log goes on in its next segment long before. A footer is a cache behind the segment's last group;
 * one that a crash tore, or that was never written, only makes reading the keys slower.
 */
export class KeyFooters {
  readonly #files: SegmentFiles;
  readonly #logger: Logger;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(files: SegmentFiles, logger: Logger) {
    this.#files = files;
    this.#logger = logger;
  }

  write(segment: Segment): void {
    if (segment.keys !== "some") return;
    this.#writing = this.#writing.then(() => this.#write(segment));
  }

  /**
   * Of a segment sealed in an earlier life: if the process died before its footer was whole, it is
   * written now. Only the newest sealed segment can be like that.
   */
  mend(segment: Segment): void {
    if (segment.keys !== "some") return;
    this.#writing = this.#writing.then(async () => {
      const damage = await this.#examine(segment);
      if (segment.footerBytes > 0 && damage === undefined) return;
      await this.#write(segment);
      this.#logger.info({ file: segment.path }, "the keys of a segment are listed anew");
    });
  }

  async #examine(segment: Segment): Promise<Damage | undefined> {
    if (this.#isClosed) return undefined;
    try {
      return await examineFooter(this.#files, segment);
    } catch {
      // What cannot be read is not written over; whoever needs the keys reads the events.
      return undefined;
    }
  }

  async #write(segment: Segment): Promise<void> {
    if (this.#isClosed) return;
    try {
      await writeFooter(this.#files, segment);
    } catch (thrown) {
      // Retention may have deleted the segment since.
      if (systemErrorCode(thrown) === "ENOENT") return;
      const failure = thrown instanceof Error ? thrown.message : String(thrown);
      this.#logger.warn({ file: segment.path, failure }, "the keys of a segment are not listed");
    }
  }

  /** Finishes the footer that is being written; the others are left out. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
  }
}

/** Lists the keys of a sealed segment behind its last group; durable when it resolves. */
export async function writeFooter(files: SegmentFiles, segment: Segment): Promise<void> {
  const { identity, first, next, bytes } = segment;
  if (identity === undefined) return;
  segment.footerBytes = 0;
  const file = await files.disk.open(segment.path, "write");
  try {
    let position = bytes;
    let from = first;
    while (from < next) {
      const page = new KeyPageBuilder();
      const to = await fillPage(files, segment, { page, from });
      const sealed = page.seal({ from, to }, { identity, next });
      await writeWhole(file, { buffer: sealed, start: 0, end: sealed.length, position });
      position += sealed.length;
      from = to;
    }
    await finish(file, position);
    segment.footerBytes = position - bytes;
  } finally {
    await file.close();
  }
}

async function finish(file: DiskFile, bytes: number): Promise<void> {
  if ((await file.bytes()) > bytes) await file.truncate(bytes);
  await syncData(file);
}

/** Answers up to where the page covers the records. */
async function fillPage(
  files: SegmentFiles,
  segment: Segment,
  { page, from }: { readonly page: KeyPageBuilder; readonly from: Offset },
): Promise<Offset> {
  const add = (buffer: Buffer, at: number, offset: Offset): boolean => {
    if (offset < from) return true;
    const time = recordTime(buffer, at);
    const payload = payloadStart(buffer, at);
    if (payload > at + RECORD_HEADER_BYTES) {
      const { key } = decodeFacts(buffer, at + RECORD_HEADER_BYTES, payload);
      if (key !== undefined && !page.add(offset, time, key)) return false;
    }
    page.time = time;
    return true;
  };
  const visitor = { skipBelow: from, record: add, windowEnd: () => true, damaged: () => true };
  const entry = segment.index.floorOffset(from);
  const stop = await walkSegment(files, segment, visitor, { entry, windowBytes: WINDOW_BYTES });
  return Math.min(segment.next, Math.max(stop.expected, from));
}

interface KeyPage extends Covered {
  readonly buffer: Buffer;
  readonly at: number;
}

/** The pages of the footer in their order, as far as they are whole and join on to each other. */
async function* pagesOf(files: SegmentFiles, segment: Segment): AsyncIterable<KeyPage> {
  const { identity, bytes, footerBytes, first, next } = segment;
  if (identity === undefined) return;
  const fileEnd = bytes + footerBytes;
  let position = bytes;
  let from = first;
  while (from < next) {
    const end = Math.min(fileEnd, position + KEY_PAGE_BYTES_MAX);
    const { buffer, count } = await readSegment(files, segment, { start: position, end });
    const window = { buffer, end: count, position, isLast: true, identity };
    const group = groupAt(window, 0);
    if (group?.kind !== "keys" || group.first !== next || group.bytes > count) return;
    if (!isKeyPageIntact({ buffer, at: 0, identity }, group)) return;
    const covered = coveredBy(buffer, 0);
    if (covered.from !== from || covered.to <= from || covered.to > next) return;
    yield { ...covered, buffer, at: 0 };
    position += group.bytes;
    from = covered.to;
  }
}

/**
 * The keys that the footer lists, from `since` on. The generator's value is up to where the footer
 * speaks for the segment: behind, the records themselves have to be read.
 */
export async function* footerKeys(
  files: SegmentFiles,
  segment: Segment,
  since: EpochMs,
): AsyncGenerator<KeyBatch, Offset> {
  let coveredTo = segment.first;
  if (segment.footerBytes === 0) return coveredTo;
  for await (const { buffer, at, to } of pagesOf(files, segment)) {
    coveredTo = to;
    const batch = keysOnPage(buffer, at, since);
    if (batch.offsets.length > 0) yield batch;
  }
  return coveredTo;
}

/** Reads the footer again. What is wrong with it costs no event. */
export async function examineFooter(
  files: SegmentFiles,
  segment: Segment,
): Promise<Damage | undefined> {
  const { first, next, path, bytes, footerBytes } = segment;
  if (footerBytes === 0) return undefined;
  let coveredTo = first;
  let position = bytes;
  for await (const { buffer, at, to } of pagesOf(files, segment)) {
    coveredTo = to;
    position += buffer.readUInt32LE(at + 8);
  }
  if (coveredTo === next && position === bytes + footerBytes) return undefined;
  const what = "the list of keys is not whole; they are read from the events instead";
  return { from: next, to: next - 1, file: path, position, what };
}
