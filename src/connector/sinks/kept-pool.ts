import type { Pool } from "undici";
import type { Clock, Disposable } from "../../kernel/clock.ts";
import { limits } from "../../kernel/limits.ts";

export interface KeptPoolOptions {
  readonly clock: Clock;
  readonly make: () => Pool;
  readonly isInUse: () => boolean;
  /** It was let go after a pause; whatever served it may go too. */
  readonly onLetGo: () => void;
}

/**
 * The connections of a sink, made for its first request and let go when none was made for
 * limits.poolIdleMs: they take some 17 KB, and of ten thousand sinks most have nothing to do.
 *
 * States: none → kept (use) → none (a pause, closed).
 */
export class KeptPool {
  readonly #options: KeptPoolOptions;
  #pool: Pool | undefined;
  #usedAt = 0;
  #timer: Disposable | undefined;
  #lettingGo: Promise<void> = Promise.resolve();

  constructor(options: KeptPoolOptions) {
    this.#options = options;
  }

  use(now: number): Pool {
    this.#usedAt = now;
    if (this.#pool === undefined) {
      this.#pool = this.#options.make();
      this.#lookAgainIn(limits.poolIdleMs);
    }
    return this.#pool;
  }

  async close(): Promise<void> {
    this.#timer?.dispose();
    const pool = this.#pool;
    this.#pool = undefined;
    await Promise.all([this.#lettingGo, pool?.destroy()]);
  }

  /** One timer for a pause and not one for each request. */
  #lookAgainIn(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    const { clock, isInUse, onLetGo } = this.#options;
    const idleMs = clock.monotonic() - this.#usedAt;
    if (isInUse() || idleMs < limits.poolIdleMs) {
      this.#lookAgainIn(isInUse() ? limits.poolIdleMs : limits.poolIdleMs - idleMs);
      return;
    }
    const pool = this.#pool;
    this.#pool = undefined;
    // Nothing is under way on it, so there is nothing that destroying could fail at.
    this.#lettingGo = pool?.destroy().catch(() => undefined) ?? this.#lettingGo;
    onLetGo();
  }
}
