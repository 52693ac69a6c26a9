import type { Clock, EpochMs } from "../kernel/clock.ts";

/**
 * Wall time that never jumps: read once, then carried on by the monotonic clock. Due times and
 * ages use it, so that setting the machine's clock neither stalls retries nor fires them at once.
 */
export class SteadyTime {
  readonly #clock: Clock;
  readonly #offsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetMs = clock.now() - clock.monotonic();
  }

  now(): EpochMs {
    return this.#offsetMs + this.#clock.monotonic();
  }
}
