import type { Clock } from "../kernel/clock.ts";

/** How long a bucket fills at most: a burst is no larger than what so much time lets through. */
const burstMs = 200;

/** Holds a rate, evenly: what was not used in the last moments is lost. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perMs: number;
  #tokens = 1;
  #filledAt: number;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perMs = perSecond / 1000;
    this.#filledAt = clock.monotonic();
  }

  /** Whole tokens there are now. */
  available(): number {
    if (this.#perMs === Number.POSITIVE_INFINITY) return this.#perMs;
    const now = this.#clock.monotonic();
    const filled = this.#tokens + (now - this.#filledAt) * this.#perMs;
    this.#tokens = Math.min(Math.max(1, burstMs * this.#perMs), filled);
    this.#filledAt = now;
    // Sums of fractions fall short of whole numbers by a hair.
    return Math.floor(this.#tokens + 1e-9);
  }

  spend(tokens: number): void {
    this.#tokens -= tokens;
  }
}
