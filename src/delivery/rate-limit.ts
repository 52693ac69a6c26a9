import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";

/**
 * A token bucket: each attempt takes one token, and tokens come at the rate of the subscription. It
 * holds no more than limits.rateBurstMs of them (at least one), so that after a pause nothing is
 * made up for. What waits here has no attempt yet: neither timeout nor maxAge runs.
 */
export class RateLimit {
  #perSecond = 0;
  #tokens = 0;
  #filledAt: EpochMs = 0;

  /** 0 = no limit. Tokens that are there stay, up to what the new rate may hold. */
  setRate(perSecond: number): void {
    if (this.#perSecond === perSecond) return;
    const wasUnlimited = this.#perSecond === 0;
    this.#perSecond = perSecond;
    this.#tokens = wasUnlimited ? this.#tokensMax : Math.min(this.#tokens, this.#tokensMax);
  }

  mayTake(now: EpochMs): boolean {
    if (this.#perSecond === 0) return true;
    this.#fill(now);
    return this.#tokens >= 1 - rounding;
  }

  take(now: EpochMs): void {
    if (this.#perSecond === 0) return;
    this.#fill(now);
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  /** When the next token will be there; `now` if one is. */
  nextAt(now: EpochMs): EpochMs {
    if (this.mayTake(now)) return now;
    return now + ((1 - this.#tokens) * 1000) / this.#perSecond;
  }

  get #tokensMax(): number {
    return Math.max(1, (this.#perSecond * limits.rateBurstMs) / 1000);
  }

  #fill(now: EpochMs): void {
    const passedMs = Math.max(0, now - this.#filledAt);
    this.#filledAt = Math.max(now, this.#filledAt);
    this.#tokens = Math.min(this.#tokensMax, this.#tokens + (passedMs * this.#perSecond) / 1000);
  }
}

/** Sums of fractions of a token may end a hair below one. */
const rounding = 1e-6;
