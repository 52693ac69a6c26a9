import type { Clock, Disposable, EpochMs } from "../../src/kernel/clock.ts";

/**
 * One life of the broker process. When it is over, nothing of it moves any more: its timers are
 * gone, its disk and its database never answer, its sinks take nothing and report nothing.
 */
export class Life implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Disposable>();
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
    for (const timer of this.#timers) timer.dispose();
    this.#timers.clear();
  }

  now(): EpochMs {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  after(delayMs: number, callback: () => void): Disposable {
    if (this.#isOver) return { dispose: () => undefined };
    const timer = this.#clock.after(delayMs, () => {
      this.#timers.delete(owned);
      callback();
    });
    const owned = this.#own(timer);
    return owned;
  }

  every(intervalMs: number, callback: () => void): Disposable {
    if (this.#isOver) return { dispose: () => undefined };
    return this.#own(this.#clock.every(intervalMs, callback));
  }

  #own(timer: Disposable): Disposable {
    const owned = {
      dispose: () => {
        this.#timers.delete(owned);
        timer.dispose();
      },
    };
    this.#timers.add(owned);
    return owned;
  }
}
