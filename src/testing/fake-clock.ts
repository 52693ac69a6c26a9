import { assert } from "../kernel/assert.ts";
import type { Clock, Disposable, EpochMs } from "../kernel/clock.ts";

/** A callback that keeps arming a timer for now would make advance run for ever. */
const firingsPerAdvanceMax = 1_000_000;

interface Timer extends Disposable {
  dueAt: number;
  /** Timers due at one instant fire in the order they were armed. */
  order: number;
  readonly intervalMs: number | undefined;
  readonly callback: () => void;
  isDisposed: boolean;
}

/**
 * Virtual time for tests: it stands still until somebody advances it. The wall clock and the
 * monotonic clock move together, save where a test makes the wall clock jump; timers follow the
 * monotonic one, as real timers do.
 */
export class FakeClock implements Clock {
  #wall: EpochMs;
  #monotonic = 0;
  #armed = 0;
  /** Sorted by (dueAt, order), the next one last, so that taking it moves nothing. */
  readonly #timers: Timer[] = [];

  constructor(startAt: EpochMs = Date.UTC(2026, 0, 1)) {
    this.#wall = startAt;
  }

  now(): EpochMs {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(delayMs: number, callback: () => void): Disposable {
    return this.#arm(Math.max(0, delayMs), undefined, callback);
  }

  every(intervalMs: number, callback: () => void): Disposable {
    assert(intervalMs > 0, "an interval is longer than nothing");
    return this.#arm(intervalMs, intervalMs, callback);
  }

  /** Moves time on and fires what becomes due, in order, each timer at its own instant. */
  advance(durationMs: number): void {
    const target = this.#target(durationMs);
    let firings = 0;
    while (this.#fireNext(target)) {
      firings += 1;
      assert(firings < firingsPerAdvanceMax, "timers that are due at once arm each other for ever");
    }
    this.#moveTo(target);
  }

  /**
   * The same, and lets promises and finished I/O run before the first timer, after each timer and
   * at the end, so that what a callback started can arm the timers that belong to it.
   */
  async advanceAsync(durationMs: number): Promise<void> {
    const target = this.#target(durationMs);
    await turn();
    while (this.#fireNext(target)) await turn();
    this.#moveTo(target);
    await turn();
  }

  /** Sets the wall clock forwards or back; timers and the monotonic clock do not notice. */
  jumpWall(byMs: number): void {
    this.#wall += byMs;
  }

  setWall(time: EpochMs): void {
    this.#wall = time;
  }

  /** How many timers are armed: a test of stop() wants 0. */
  get timers(): number {
    return this.#timers.length;
  }

  /** How far the next timer is, or undefined when none is armed. */
  get nextTimerMs(): number | undefined {
    const next = this.#timers.at(-1);
    return next === undefined ? undefined : Math.max(0, next.dueAt - this.#monotonic);
  }

  #target(durationMs: number): number {
    assert(durationMs >= 0, "time does not run backwards; use jumpWall for the wall clock");
    return this.#monotonic + durationMs;
  }

  #arm(delayMs: number, intervalMs: number | undefined, callback: () => void): Disposable {
    const timer: Timer = {
      dueAt: this.#monotonic + delayMs,
      order: this.#armed,
      intervalMs,
      callback,
      isDisposed: false,
      dispose: () => {
        if (timer.isDisposed) return;
        timer.isDisposed = true;
        const index = this.#timers.indexOf(timer);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
    this.#insert(timer);
    return timer;
  }

  #insert(timer: Timer): void {
    timer.order = this.#armed;
    this.#armed += 1;
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#timers[middle];
      assert(other !== undefined, "the middle lies within the list");
      // The new timer has the highest order, so it goes before all that are due at its instant.
      if (other.dueAt <= timer.dueAt) high = middle;
      else low = middle + 1;
    }
    this.#timers.splice(low, 0, timer);
  }

  #fireNext(target: number): boolean {
    const timer = this.#timers.at(-1);
    if (timer === undefined || timer.dueAt > target) return false;
    this.#timers.pop();
    this.#moveTo(timer.dueAt);
    if (timer.intervalMs === undefined) {
      timer.isDisposed = true;
    } else {
      timer.dueAt += timer.intervalMs;
      this.#insert(timer);
    }
    timer.callback();
    return true;
  }

  #moveTo(monotonic: number): void {
    // A callback may itself have advanced the clock beyond this point.
    if (monotonic <= this.#monotonic) return;
    this.#wall += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }
}

/** One turn of the event loop: every promise that can settle without waiting has settled. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
