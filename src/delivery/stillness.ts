import type { EpochMs } from "../kernel/clock.ts";

/**
 * Sums up the time during which maxAge stands still. `advance` is called before and after each
 * change of `until` (the end of the stillness as known now), and whenever the sum is read.
 */
export class Stillness {
  totalMs = 0;
  /** Up to when the running stillness is summed up; undefined = time counts. */
  since: EpochMs | undefined;

  advance(now: EpochMs, until: EpochMs): void {
    if (this.since !== undefined) this.totalMs += Math.max(0, Math.min(now, until) - this.since);
    this.since = now < until ? now : undefined;
  }
}
