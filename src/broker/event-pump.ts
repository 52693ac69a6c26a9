import type { EventLog, Gap, ReadLimit, RecordBatch } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import type { Disposable } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { scanBatch } from "./event-scan.ts";
import type { EventMatcher } from "./read-filter.ts";
import type { ReadTurns } from "./read-turns.ts";

/** Where a pump pours. */
export interface PumpSink {
  event(offset: Offset, event: CloudEvent): void;
  gap(gap: Gap): void;
  /** After each batch. */
  flush(): void;
  /** Whether the pump may go on; after false somebody calls resume(). */
  isReady(): boolean;
  /** Everything below `to` has been poured. Never without a `to`. */
  ended(): void;
  /** It could not be read; the pump is closed. */
  failed(thrown: unknown): void;
}

export interface PumpOptions {
  readonly log: EventLog;
  readonly turns: ReadTurns;
  readonly from: Offset;
  /** Exclusive; undefined goes on for ever. */
  readonly to: Offset | undefined;
  readonly matcher: EventMatcher | undefined;
  /** What is read at a time, and so what the sink has to buffer at most. */
  readonly limit: ReadLimit;
}

/**
 * Reads a bus in order for one reader that may be slow or far behind.
 *
 * States: new → reading ⇄ blocked (the sink is not ready; resume() goes on), reading ⇄ idle (at the
 * end of the log; goes on when it grows) → closed. Only reading costs anything: a blocked or idle pump holds no
 * batch, no place in a queue and no timer.
 */
export class EventPump {
  readonly #options: PumpOptions;
  readonly #sink: PumpSink;
  #state: "new" | "reading" | "blocked" | "idle" | "closed" = "new";
  #position: Offset;
  #waiting: Disposable | undefined;

  constructor(options: PumpOptions, sink: PumpSink) {
    this.#options = options;
    this.#sink = sink;
    this.#position = options.from;
  }

  /** Everything below was poured, did not match or is a gap that was told. */
  get position(): Offset {
    return this.#position;
  }

  start(): void {
    if (this.#state === "new") this.#read();
  }

  resume(): void {
    if (this.#state === "blocked") this.#read();
  }

  close(): void {
    this.#state = "closed";
    this.#waiting?.dispose();
    this.#waiting = undefined;
  }

  #read(): void {
    const { log, turns, limit, to } = this.#options;
    if (to !== undefined && this.#position >= to) {
      this.close();
      this.#sink.ended();
      return;
    }
    if (!this.#sink.isReady()) {
      this.#state = "blocked";
      return;
    }
    this.#state = "reading";
    const at = { from: this.#position, limit };
    turns.load(log, at, {
      loaded: (batch) => this.#take(batch),
      failed: (thrown) => this.#fail(thrown),
    });
  }

  #take(batch: RecordBatch): void {
    if (this.#state !== "reading") return;
    try {
      if (batch.next <= this.#position) this.#rest();
      else this.#pour(batch);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #pour(batch: RecordBatch): void {
    const { matcher, to } = this.#options;
    this.#position = scanBatch(
      batch,
      { matcher, to },
      {
        event: (offset, event) => {
          this.#sink.event(offset, event);
          return true;
        },
        gap: (gap) => {
          this.#sink.gap(gap);
          return true;
        },
      },
    );
    this.#sink.flush();
    // The sink may have closed the pump while it was poured into.
    if (!this.#isClosed()) this.#read();
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #rest(): void {
    const { log, turns } = this.#options;
    // The log may have grown since the batch was read from its files.
    if (log.bounds().next > this.#position) {
      this.#read();
      return;
    }
    this.#state = "idle";
    this.#waiting = turns.onceAdvanced(log, () => {
      this.#waiting = undefined;
      if (this.#state === "idle") this.#read();
    });
  }

  #fail(thrown: unknown): void {
    if (this.#state === "closed") return;
    this.close();
    this.#sink.failed(thrown);
  }
}
