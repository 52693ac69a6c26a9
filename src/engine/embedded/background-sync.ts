import { assert } from "../../kernel/assert.ts";
import type { Clock, Disposable } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { FsyncMode } from "../engine.ts";
import type { DiskFile } from "./disk.ts";
import { syncData } from "./disk.ts";
import type { OffsetReservation } from "./offset-reservation.ts";

export interface BackgroundSyncOptions {
  readonly mode: Exclude<FsyncMode, "always">;
  readonly bus: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reservation: OffsetReservation;
  /** Every offset below it is on the disk at the beginning. */
  readonly durableTo: Offset;
  /** A sync on the timer has come back without failure. */
  readonly onSynced: () => void;
  /** A sync on the timer has failed: what was written since the last good one may be lost. */
  readonly onFailure: (failure: Error) => void;
}

/**
 * What the writer needs where acknowledgements do not wait for a sync: knows how far the active
 * segment is on the disk, with `interval` syncs it on a timer, beside the writes, and sees to it
 * that only offsets are given out which were durably reserved.
 */
export class BackgroundSync {
  readonly #options: BackgroundSyncOptions;
  #durableTo: Offset;
  #writtenTo: Offset;
  #file: DiskFile | undefined;
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #failure: Error | undefined;
  #extension: Promise<void> | undefined;

  constructor(options: BackgroundSyncOptions) {
    this.#options = options;
    this.#durableTo = options.durableTo;
    this.#writtenTo = options.durableTo;
  }

  /** Every offset below it was synced. */
  get durableTo(): Offset {
    return this.#durableTo;
  }

  get isBehind(): boolean {
    return this.#durableTo < this.#writtenTo;
  }

  /** Why the file must be left; a second sync of it would say yes and prove nothing. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Whether offsets below `next` may be given out. */
  covers(next: Offset): boolean {
    return this.#options.reservation.covers(next);
  }

  /** Resolves when offsets below `next` may be given out. */
  async reserve(next: Offset): Promise<void> {
    await this.#extension;
    if (!this.covers(next)) await this.#options.reservation.extend(next);
  }

  /** Everything below `next` has been written to the file and is acknowledged. */
  wrote(file: DiskFile, next: Offset): void {
    this.#file = file;
    this.#writtenTo = next;
    this.#arm();
    this.#reserveAhead(next);
  }

  /**
   * Before the file is left: resolves with true when what was written is on the disk. If it may not
   * be, that is said once, loudly, and no longer waited for.
   */
  async leave(file: DiskFile | undefined, path: string): Promise<boolean> {
    const { bus, logger } = this.#options;
    try {
      await this.#finish(file);
      return true;
    } catch (thrown) {
      const lost = { from: this.#durableTo, to: this.#writtenTo - 1 };
      logger.error({ bus, file: path, ...lost, failure: String(thrown) }, MAY_BE_LOST);
      return false;
    } finally {
      this.#timer?.dispose();
      this.#timer = undefined;
      this.#file = undefined;
      this.#failure = undefined;
      this.#durableTo = this.#writtenTo;
    }
  }

  /** Waits for a sync on the timer too: a descriptor must not be closed under it. */
  async #finish(file: DiskFile | undefined): Promise<void> {
    this.#timer?.dispose();
    this.#timer = undefined;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.isBehind) return;
    assert(file !== undefined && file === this.#file, "what is behind is in the active segment");
    await this.#sync(file);
  }

  /** Closed cleanly, with everything on the disk, the log goes on without a jump. */
  async settle(): Promise<void> {
    const { reservation, bus, logger } = this.#options;
    assert(!this.isBehind, "what is on the disk needs no reservation");
    await this.#extension;
    try {
      await reservation.settle();
    } catch (thrown) {
      logger.warn({ bus, failure: String(thrown) }, "the reserved offsets will be jumped over");
    }
  }

  /** Beside the writes. If it fails, it is made again where it matters, at the edge of the block. */
  #reserveAhead(next: Offset): void {
    const { reservation, bus, logger } = this.#options;
    if (this.#extension !== undefined || !reservation.isRunningLow(next)) return;
    this.#extension = reservation
      .extend(next)
      .catch((thrown: unknown) => {
        logger.warn({ bus, failure: String(thrown) }, "offsets could not be reserved ahead");
      })
      .finally(() => (this.#extension = undefined));
  }

  #arm(): void {
    const { mode, clock } = this.#options;
    const isNeeded = mode === "interval" && this.isBehind && this.#running === undefined;
    if (!isNeeded || this.#timer !== undefined) return;
    this.#timer = clock.after(limits.fsyncIntervalMs, () => {
      this.#timer = undefined;
      this.#running = this.#syncOnTimer();
    });
  }

  async #syncOnTimer(): Promise<void> {
    const file = this.#file;
    assert(file !== undefined, "what is behind has a file");
    try {
      await this.#sync(file);
    } catch {
      // It is kept in #failure, and told below.
    }
    this.#running = undefined;
    if (this.#failure !== undefined) return this.#options.onFailure(this.#failure);
    this.#arm();
    this.#options.onSynced();
  }

  async #sync(file: DiskFile): Promise<void> {
    const goal = this.#writtenTo;
    try {
      await syncData(file);
    } catch (thrown) {
      this.#failure = thrown instanceof Error ? thrown : new Error(String(thrown));
      throw this.#failure;
    }
    this.#durableTo = goal;
  }
}

const MAY_BE_LOST =
  "a sync failed; these events were acknowledged without waiting for it and may not survive a power cut";
