import type { BatchLimits } from "../connector/sink.ts";
import type { EpochMs } from "../kernel/clock.ts";

/** What one consumer has ready to be sent. */
export interface Ready {
  readonly events: number;
  /** Of all events it keeps in memory; a batch that is full by bytes need not wait. */
  readonly bytes: number;
}

/** How long the first event of a batch has waited for others. */
export class Linger {
  /** Undefined while nothing waits for company. */
  until: EpochMs | undefined;

  /** Whether a batch goes out now; otherwise it does at `until`, or when more has come. */
  isOver(ready: Ready, batch: BatchLimits, now: EpochMs): boolean {
    if (ready.events === 0) {
      this.until = undefined;
      return false;
    }
    this.until ??= now + batch.lingerMs;
    return ready.events >= batch.maxEvents || ready.bytes >= batch.maxBytes || now >= this.until;
  }

  /** A batch has gone out: what is left begins anew. */
  end(): void {
    this.until = undefined;
  }
}
