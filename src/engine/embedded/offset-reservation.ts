import { crc32 } from "node:zlib";
import { assert } from "../../kernel/assert.ts";
import { BrokerError, systemErrorCode } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { Disk } from "./disk.ts";
import { readWhole, syncData, writeWhole } from "./disk.ts";
import { LOG_ID_BYTES } from "./log-format.ts";

/**
 * Where acknowledgements do not wait for a sync, a power cut takes offsets back that somebody has
 * seen. So that none is ever given a second time, they are reserved ahead in blocks: this file says
 * below which mark offsets may have been given. A log that was not closed goes on at the mark.
 *
 *      0   8  magic "millrsrv"
 *      8   4  version: 1
 *     12   4  zero
 *     16   8  the mark
 *     24  16  id of the log
 *     40   4  checksum of bytes 0 … 39
 */
export const RESERVATION_NAME = "offsets.reserved";
const RESERVATION_BYTES = 44;
const VERSION = 1;
const MAGIC = Buffer.from("millrsrv", "latin1");

export interface ReservationPlace {
  readonly disk: Disk;
  readonly directory: string;
  readonly logId: Buffer;
}

/** The reserved offsets of one log. One call at a time; the writer sees to that. */
export class OffsetReservation {
  readonly #place: ReservationPlace;
  #mark: Offset | undefined;

  constructor(place: ReservationPlace, mark: Offset | undefined) {
    this.#place = place;
    this.#mark = mark;
  }

  /** No offset at or above it was given; undefined where every given offset is on the disk. */
  get mark(): Offset | undefined {
    return this.#mark;
  }

  /** Whether offsets below `next` may be given. */
  covers(next: Offset): boolean {
    return this.#mark !== undefined && next <= this.#mark;
  }

  /** Half a block is left or less: time to make the next one, before anybody has to wait for it. */
  isRunningLow(next: Offset): boolean {
    return !this.covers(next + limits.offsetReserveCount / 2);
  }

  /** Moves the mark a block beyond `next`; durable when it resolves. */
  async extend(next: Offset): Promise<void> {
    const { disk, directory } = this.#place;
    const mark = next + limits.offsetReserveCount;
    assert(mark >= (this.#mark ?? 0), "a mark never moves back");
    const path = `${directory}/${RESERVATION_NAME}`;
    await unlinkIfPresent(disk, `${path}.tmp`);
    const buffer = encode(mark, this.#place.logId);
    const file = await disk.open(`${path}.tmp`, "create");
    try {
      await writeWhole(file, { buffer, start: 0, end: buffer.length, position: 0 });
      await syncData(file);
    } finally {
      await file.close();
    }
    await disk.rename(`${path}.tmp`, path);
    await disk.syncDirectory(directory);
    this.#mark = mark;
  }

  /** Every offset given is on the disk: nothing is reserved any more. */
  async settle(): Promise<void> {
    if (this.#mark === undefined) return;
    const { disk, directory } = this.#place;
    await unlinkIfPresent(disk, `${directory}/${RESERVATION_NAME}`);
    await disk.syncDirectory(directory);
    this.#mark = undefined;
  }
}

export interface StoredReservation {
  readonly mark: Offset;
  readonly logId: Buffer;
}

/**
 * What the directory holds. Rejects with `data_corrupt` when the file is not whole: it is replaced
 * as one, so no crash leaves it like that, and nobody can say then which offsets were given.
 */
export async function readReservation(
  disk: Disk,
  directory: string,
): Promise<StoredReservation | undefined> {
  const path = `${directory}/${RESERVATION_NAME}`;
  if (!(await disk.list(directory)).includes(RESERVATION_NAME)) return undefined;
  const buffer = Buffer.alloc(RESERVATION_BYTES);
  const file = await disk.open(path, "read");
  try {
    await readWhole(file, { buffer, start: 0, end: buffer.length, position: 0 });
  } finally {
    await file.close();
  }
  const isOurs = buffer.subarray(0, 8).equals(MAGIC);
  const version = buffer.readUInt32LE(8);
  if (isOurs && version > VERSION) {
    const what = `${path} has version ${version}; this version reads up to ${VERSION}`;
    throw new BrokerError("data_dir_too_new", what);
  }
  if (!isOurs || crc32(buffer.subarray(0, 40)) !== buffer.readUInt32LE(40)) {
    throw unusable(directory, "is damaged");
  }
  const logId = Buffer.from(buffer.subarray(24, 24 + LOG_ID_BYTES));
  return { mark: Number(buffer.readBigUInt64LE(16)), logId };
}

/** Refuses the reservation of another log, or one whose segments have all gone. */
export function assertOwnReservation(
  directory: string,
  stored: StoredReservation | undefined,
  logId: Buffer | undefined,
): void {
  if (stored === undefined || logId?.equals(stored.logId) === true) return;
  throw unusable(directory, "belongs to no segment beside it");
}

function unusable(directory: string, why: string): BrokerError {
  return new BrokerError(
    "data_corrupt",
    `${directory}/${RESERVATION_NAME} ${why}, so nobody can say which offsets were given out; ` +
      "restore it, or remove it if the machine has not lost power since the log was written",
  );
}

function encode(mark: Offset, logId: Buffer): Buffer {
  const buffer = Buffer.alloc(RESERVATION_BYTES);
  MAGIC.copy(buffer, 0);
  buffer.writeUInt32LE(VERSION, 8);
  buffer.writeBigUInt64LE(BigInt(mark), 16);
  logId.copy(buffer, 24);
  buffer.writeUInt32LE(crc32(buffer.subarray(0, 40)), 40);
  return buffer;
}

async function unlinkIfPresent(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== "ENOENT") throw thrown;
  }
}
