import type { EventLog, ReadLimit, RecordBatch } from "../engine/engine.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";

/** What became of a load; `failed` says why it could not be read. */
export interface LoadHandlers {
  readonly loaded: (batch: RecordBatch) => void;
  readonly failed: (thrown: unknown) => void;
}

interface Load extends LoadHandlers {
  readonly log: EventLog;
  readonly from: Offset;
  readonly limit: ReadLimit;
  /** What was read from a file and waits to be handled. */
  batch: RecordBatch | undefined;
}

/**
 * The share of the event loop, and of the disk, that readers without a subscription get, all of
 * them together: batches are handled in slices of readTurnMsMax, in the order of asking, and at most
 * concurrentLogReadsMax files are read at a time. While the loop has other work, readers rest
 * readRestShare times as long as they worked; an idle loop is theirs. So however many readers there
 * are and however far they lag, publishers and deliveries keep most of the loop (P3).
 */
export class ReadTurns {
  readonly #clock: Clock;
  #waiting: Load[] = [];
  /** The first of #waiting that has not had its turn. */
  #head = 0;
  #isScheduled = false;
  /** When readers were last asked, in this turn of the loop or an earlier one. */
  #askedAt = 0;
  /** For how long others may still work before readers do again. */
  #restMs = 0;
  readonly #forDisk: Load[] = [];
  #reading = 0;
  readonly #hubs: WeakMap<EventLog, AdvanceHub> = new WeakMap<EventLog, AdvanceHub>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Reads a batch and has it handled within one slice; never before this has returned. */
  load(log: EventLog, at: { from: Offset; limit: ReadLimit }, handlers: LoadHandlers): void {
    this.#waiting.push({ log, ...at, ...handlers, batch: undefined });
    this.#schedule();
  }

  /** The same as a promise; `visit` runs within the slice. */
  loadWith<Value>(
    log: EventLog,
    at: { from: Offset; limit: ReadLimit },
    visit: (batch: RecordBatch) => Value,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.load(log, at, {
        loaded: (batch) => {
          try {
            resolve(visit(batch));
          } catch (thrown) {
            reject(thrown as Error);
          }
        },
        failed: (thrown) => reject(thrown as Error),
      });
    });
  }

  /** Calls back once when the log has grown; perhaps once more after it was disposed. */
  onceAdvanced(log: EventLog, listener: () => void): Disposable {
    let hub = this.#hubs.get(log);
    if (hub === undefined) {
      hub = new AdvanceHub(log);
      this.#hubs.set(log, hub);
    }
    return hub.add(listener);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#askedAt = this.#clock.monotonic();
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    const startedAt = this.#clock.monotonic();
    const othersMs = startedAt - this.#askedAt;
    this.#restMs -= othersMs;
    // A loop that comes round at once has nothing else to do.
    if (this.#restMs <= 0 || othersMs < limits.readIdleTurnMs) {
      this.#runSlice(startedAt + limits.readTurnMsMax);
      const workedMs = this.#clock.monotonic() - startedAt;
      this.#restMs = workedMs * limits.readRestShare;
    }
    if (this.#head < this.#waiting.length) this.#schedule();
  }

  #runSlice(until: number): void {
    // What asks while it is served waits for the next turn: the loop must come round in between.
    const end = this.#waiting.length;
    while (this.#head < end) {
      const load = this.#waiting[this.#head];
      this.#head += 1;
      if (load !== undefined) this.#serve(load);
      if (this.#clock.monotonic() >= until) break;
    }
    if (this.#head === this.#waiting.length || this.#head > HEAD_MAX) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }

  #serve(load: Load): void {
    if (load.batch !== undefined) {
      load.loaded(load.batch);
      // Only now, because the place bounds the memory too.
      this.#leaveDisk();
      return;
    }
    const cached = load.log.readCached(load.from, load.limit);
    if (cached !== undefined) {
      load.loaded(cached);
      return;
    }
    this.#forDisk.push(load);
    this.#readNext();
  }

  #readNext(): void {
    if (this.#reading >= limits.concurrentLogReadsMax) return;
    const load = this.#forDisk.shift();
    if (load === undefined) return;
    this.#reading += 1;
    void this.#readFile(load);
  }

  async #readFile(load: Load): Promise<void> {
    try {
      load.batch = await load.log.read(load.from, load.limit);
      this.#waiting.push(load);
      this.#schedule();
    } catch (thrown) {
      load.failed(thrown);
      this.#leaveDisk();
    }
  }

  #leaveDisk(): void {
    this.#reading -= 1;
    this.#readNext();
  }
}

const HEAD_MAX = 1024;

/**
 * One listener at the log for all its idle readers, and only while there are some: an append costs
 * the publisher one flag, however many wait.
 */
class AdvanceHub {
  readonly #log: EventLog;
  #listeners: Set<() => void> = new Set<() => void>();
  #subscription: Disposable | undefined;

  constructor(log: EventLog) {
    this.#log = log;
  }

  add(listener: () => void): Disposable {
    this.#listeners.add(listener);
    this.#subscription ??= this.#log.onAdvance(() => this.#advanced());
    return {
      dispose: () => {
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) this.#unsubscribe();
      },
    };
  }

  #advanced(): void {
    this.#unsubscribe();
    setImmediate(() => {
      const listeners = this.#listeners;
      this.#listeners = new Set<() => void>();
      for (const listener of listeners) listener();
    });
  }

  #unsubscribe(): void {
    this.#subscription?.dispose();
    this.#subscription = undefined;
  }
}
