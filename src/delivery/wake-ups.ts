import type { Clock, Disposable, EpochMs } from "../kernel/clock.ts";
import type { Consumer } from "./consumer.ts";
import type { SteadyTime } from "./steady-time.ts";
import { TimeHeap } from "./time-heap.ts";

interface WakeUp {
  readonly at: EpochMs;
  readonly consumer: Consumer;
}

export interface WakeUpsOptions {
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly wake: (consumer: Consumer) => void;
}

/** One timer for all subscriptions of a bus: for retries, ends of holds, probes. */
export class WakeUps {
  readonly #options: WakeUpsOptions;
  readonly #heap: TimeHeap<WakeUp> = new TimeHeap();
  /** The time each consumer is to be woken; entries of the heap that differ are void. */
  readonly #wanted: Map<Consumer, EpochMs> = new Map();
  #timer: Disposable | undefined;
  #timerAt: EpochMs = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(options: WakeUpsOptions) {
    this.#options = options;
  }

  set(consumer: Consumer, at: EpochMs | undefined): void {
    if (this.#isStopped || this.#wanted.get(consumer) === at) return;
    if (at === undefined) {
      this.#wanted.delete(consumer);
      return;
    }
    this.#wanted.set(consumer, at);
    this.#heap.push({ at, consumer });
    if (this.#heap.size > 2 * this.#wanted.size + 64)
      this.#heap.retain((one) => this.#isWanted(one));
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.dispose();
    this.#timer = undefined;
    this.#wanted.clear();
  }

  #arm(): void {
    const top = this.#heap.peek();
    if (top === undefined || top.at >= this.#timerAt) return;
    this.#timer?.dispose();
    this.#timerAt = top.at;
    const { clock, time } = this.#options;
    // Rounded up: a timer that fires a fraction early would only arm itself again.
    this.#timer = clock.after(Math.ceil(top.at - time.now()), () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#options.time.now();
    for (let top = this.#heap.peek(); top !== undefined && top.at <= now; top = this.#heap.peek()) {
      this.#heap.pop();
      if (!this.#isWanted(top)) continue;
      this.#wanted.delete(top.consumer);
      this.#options.wake(top.consumer);
    }
    this.#arm();
  }

  #isWanted(wakeUp: WakeUp): boolean {
    return this.#wanted.get(wakeUp.consumer) === wakeUp.at;
  }
}
