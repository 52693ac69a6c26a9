import type { DelayedEvent } from "../engine/engine.ts";
import type { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

interface Waiting {
  readonly events: readonly DelayedEvent[];
  readonly bytes: number;
  readonly settled: (failure: BrokerError | undefined) => void;
}

export interface IntakeOptions {
  /** Stores them all or none; durable when it resolves with undefined. */
  readonly store: (events: readonly DelayedEvent[]) => Promise<BrokerError | undefined>;
}

/**
 * Group commit for delayed events, as the log has it for others: what comes while one group is
 * being stored makes up the next. So thousands a second need only a few commits.
 */
export class DelayedIntake {
  readonly #options: IntakeOptions;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** The events of one call share one fate. */
  add(events: readonly DelayedEvent[], settled: (failure: BrokerError | undefined) => void): void {
    const bytes = events.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#waiting.push({ events, bytes, settled });
    this.#running ??= this.#run();
  }

  async whenIdle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // Every request that arrived in this turn of the event loop shares the first commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      const failure = await this.#options.store(group.flatMap(({ events }) => events));
      for (const { settled } of group) settled(failure);
    }
    this.#running = undefined;
  }

  #takeGroup(): readonly Waiting[] {
    let count = 0;
    let events = 0;
    let bytes = 0;
    for (const waiting of this.#waiting) {
      events += waiting.events.length;
      bytes += waiting.bytes;
      const isFull = events > limits.delayedGroupEventsMax || bytes > limits.delayedGroupBytesMax;
      if (isFull && count > 0) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}
