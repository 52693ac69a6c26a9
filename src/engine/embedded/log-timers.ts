import type { Clock, Disposable, EpochMs } from "../../kernel/clock.ts";
import { limits } from "../../kernel/limits.ts";

/**
 * A quiet log writes its closing marker within closingMarkerDelayMs. Half the delay, because a timer
 * that finds a fresh group waits once more.
 */
export class MarkerTimer {
  readonly #clock: Clock;
  readonly #isQuietSince: (commits: number) => boolean;
  readonly #commits: () => number;
  readonly #mark: () => void;
  #timer: Disposable | undefined;
  #isStopped = false;

  constructor(options: {
    readonly clock: Clock;
    /** How many groups were stored so far. */
    readonly commits: () => number;
    readonly mark: () => void;
  }) {
    this.#clock = options.clock;
    this.#commits = options.commits;
    this.#isQuietSince = (seen) => options.commits() === seen;
    this.#mark = options.mark;
  }

  arm(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    const seen = this.#commits();
    this.#timer = this.#clock.after(limits.closingMarkerDelayMs / 2, () => {
      this.#timer = undefined;
      if (this.#isQuietSince(seen)) this.#mark();
      else this.arm();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.dispose();
  }
}

/** Calls when the first record of the active segment is as old as a segment may get. */
export class RollTimer {
  readonly #clock: Clock;
  readonly #roll: () => void;
  #afterMs: number | undefined;
  #timer: Disposable | undefined;
  #isStopped = false;

  constructor(clock: Clock, afterMs: number | undefined, roll: () => void) {
    this.#clock = clock;
    this.#afterMs = afterMs;
    this.#roll = roll;
  }

  setAfter(afterMs: number | undefined, firstTime: EpochMs | undefined): void {
    this.#afterMs = afterMs;
    this.arm(firstTime);
  }

  /** `firstTime` of the active segment; undefined while it is empty. */
  arm(firstTime: EpochMs | undefined): void {
    this.#timer?.dispose();
    if (this.#afterMs === undefined || firstTime === undefined || this.#isStopped) return;
    const leftMs = firstTime + this.#afterMs - this.#clock.now();
    this.#timer = this.#clock.after(Math.min(this.#afterMs, leftMs), this.#roll);
  }

  disarm(): void {
    this.#timer?.dispose();
  }

  stop(): void {
    this.#isStopped = true;
    this.disarm();
  }
}
