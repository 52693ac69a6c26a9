import type { Clock } from "../../kernel/clock.ts";
import { sleep } from "../../kernel/clock.ts";
import type { VerifyOptions } from "../engine.ts";

/** Spreads reading over time: after so many bytes it waits until they are due. */
export class Pacer {
  readonly #clock: Clock;
  readonly #options: VerifyOptions;
  #dueAt: number;

  constructor(clock: Clock, options: VerifyOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#dueAt = clock.monotonic();
  }

  /** Waits for the turn of the next so many bytes. Rejects with the signal's reason. */
  async before(bytes: number): Promise<void> {
    const { bytesPerSecond, signal, onRead } = this.#options;
    signal?.throwIfAborted();
    if (bytesPerSecond !== undefined) await this.#turn(bytes, bytesPerSecond);
    onRead?.(bytes);
  }

  async #turn(bytes: number, bytesPerSecond: number): Promise<void> {
    const { signal } = this.#options;
    const now = this.#clock.monotonic();
    // What was not read in time is not caught up with: the next burst would hit somebody's traffic.
    this.#dueAt = Math.max(this.#dueAt, now);
    if (this.#dueAt > now) await sleep(this.#clock, this.#dueAt - now, signal);
    this.#dueAt += (bytes / bytesPerSecond) * 1000;
  }
}
