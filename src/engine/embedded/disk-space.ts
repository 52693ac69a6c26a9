import type { Clock, Disposable } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { Disk } from "./disk.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import type { SpaceGuard } from "./log-share.ts";
import type { SpaceKept } from "./write-failure.ts";
import { spaceKept } from "./write-failure.ts";

export interface DiskSpaceOptions {
  /** The data directory. */
  readonly root: string;
  readonly disk: Disk;
  readonly reserve: DiskReserve;
  /** What is left to a start when the other one has gone. */
  readonly startReserve: DiskReserve;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onMeasured: (freeBytes: number, refusal: BrokerError | undefined) => void;
}

/** However little room is left, not every group asks for a measurement. */
const BYTES_BETWEEN_MEASUREMENTS_MIN = 262_144;

/**
 * Watches the free space, so that publishing stops before the disk is full and everything else goes
 * on: below the headroom appends are refused, a quarter above it they are taken again. Holds the
 * reserves, the last room when others have filled the disk.
 *
 * States: made → watching by start() → stopped. Where nobody can say what is free, nothing is
 * refused, and a full disk is met by the write that fails.
 */
export class DiskSpace implements SpaceGuard {
  readonly #options: DiskSpaceOptions;
  #refusal: BrokerError | undefined;
  #timer: Disposable | undefined;
  #measuring: Promise<void> | undefined;
  #making: Promise<void> | undefined;
  #writtenBytes = 0;
  #measureAfterBytes: number = BYTES_BETWEEN_MEASUREMENTS_MIN;
  #isStopped = false;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  get refusal(): BrokerError | undefined {
    return this.#refusal;
  }

  /** Resolves after the first measurement. */
  async start(): Promise<void> {
    await this.measure();
    this.#timer = this.#options.clock.every(limits.freeBytesIntervalMs, () => {
      // Not at the start, which it would delay, and which need not be followed by anything.
      void this.measure().then(() => this.#makeReserve());
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.dispose();
    await this.#measuring;
    await this.#making;
  }

  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
    if (this.#writtenBytes > this.#measureAfterBytes) void this.measure();
  }

  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => (this.#measuring = undefined));
    return this.#measuring;
  }

  async hasRoom(): Promise<boolean> {
    await this.measure();
    return this.#refusal === undefined;
  }

  readonly relieve = (): Promise<boolean> => this.#giveUp(this.#options.reserve);

  /** The same for a start, which may use up the last reserve too. */
  readonly relieveStart = async (): Promise<boolean> =>
    (await this.relieve()) || this.#giveUp(this.#options.startReserve);

  async #giveUp(reserve: DiskReserve): Promise<boolean> {
    const { logger, root } = this.#options;
    try {
      const wasHeld = await reserve.release();
      if (wasHeld) logger.warn({ root }, "the disk is full: a reserve is given up");
      void this.measure();
      return wasHeld;
    } catch (thrown) {
      logger.error({ root, failure: String(thrown) }, "a reserve cannot be given up");
      return false;
    }
  }

  async #measure(): Promise<void> {
    const { disk, root, logger, onMeasured } = this.#options;
    this.#writtenBytes = 0;
    try {
      const freeBytes = await disk.freeBytes(root);
      const kept = await spaceKept(disk, root);
      this.#judge(freeBytes - (await this.#missingBytes(kept)), kept);
      onMeasured(freeBytes, this.#refusal);
    } catch (thrown) {
      // Not every file system tells. A refusal that stood would then stand for ever.
      this.#refusal = undefined;
      logger.debug({ root, failure: String(thrown) }, "the free space is unknown");
    }
  }

  /** What reserves still to be made will take. */
  async #missingBytes(kept: SpaceKept): Promise<number> {
    // One in the making has taken part of the free bytes already.
    if (this.#making !== undefined) return 0;
    let bytes = 0;
    for (const [reserve, reserveBytes] of this.#reserves(kept)) {
      if (!(await reserve.isHeld())) bytes += reserveBytes;
    }
    return bytes;
  }

  #reserves(kept: SpaceKept): readonly (readonly [DiskReserve, number])[] {
    const { reserve, startReserve } = this.#options;
    return [
      [startReserve, kept.startReserveBytes],
      [reserve, kept.reserveBytes],
    ];
  }

  #judge(roomBytes: number, { headroomBytes }: SpaceKept): void {
    const enoughBytes =
      this.#refusal === undefined ? headroomBytes : headroomBytes + headroomBytes / 4;
    const leftBytes = roomBytes - headroomBytes;
    // Half of what is left, so that even the fastest writer is measured before it has used it up.
    this.#measureAfterBytes = Math.max(BYTES_BETWEEN_MEASUREMENTS_MIN, leftBytes / 2);
    if (roomBytes >= enoughBytes) this.#refusal = undefined;
    else this.#refusal = this.#refusalFor(roomBytes, headroomBytes);
  }

  #refusalFor(roomBytes: number, headroomBytes: number): BrokerError {
    const what =
      `the file system of ${this.#options.root} has room for ${Math.max(0, roomBytes)} bytes, and ` +
      `${headroomBytes} are kept for deliveries and retention`;
    const retryAfterSeconds = Math.ceil(limits.diskRetryMs / 1000);
    return new BrokerError("disk_full", what, { retryAfterSeconds });
  }

  #makeReserve(): void {
    if (this.#isStopped || this.#refusal !== undefined || this.#making !== undefined) return;
    this.#making = this.#makeMissing().finally(() => (this.#making = undefined));
  }

  async #makeMissing(): Promise<void> {
    const { disk, root, logger } = this.#options;
    try {
      for (const [reserve, bytes] of this.#reserves(await spaceKept(disk, root))) {
        if (!(await reserve.isHeld())) await reserve.make(bytes);
      }
    } catch (thrown) {
      logger.warn({ root, failure: String(thrown) }, "a reserve cannot be made; tried again");
    }
  }
}
