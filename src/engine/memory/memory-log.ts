import { assert } from "../../kernel/assert.ts";
import type { Clock, Disposable, EpochMs } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { BusName, Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type {
  AppendCallback,
  Damage,
  EncodedRecord,
  EventLog,
  KeyBatch,
  LogBounds,
  ReadLimit,
  RecordBatch,
  SegmentFacts,
} from "../engine.ts";
import { scanKeys } from "../key-scan.ts";

export interface MemoryLogOptions {
  readonly bus: BusName;
  readonly clock: Clock;
  /** How many records fill a segment; trim cuts where segments begin. */
  readonly segmentRecords: number;
}

interface MemoryRecord {
  readonly payload: Buffer;
  readonly facts: Buffer;
  readonly time: EpochMs;
  readonly hops: number;
}

interface QueuedAppend {
  readonly records: readonly MemoryRecord[];
  readonly bytes: number;
  readonly settled: AppendCallback;
}

/**
 * The log of a bus in memory, for tests. It behaves as the log on disk does: an append is seen and
 * called back in a later turn of the event loop, together with all others of its turn.
 */
export class MemoryLog implements EventLog {
  readonly #options: MemoryLogOptions;
  /** Records from #first on; the index of a record is its offset less #first. */
  #records: MemoryRecord[] = [];
  #first: Offset = 0;
  /** Where the kept segments begin, ascending; the first is #first. A full last one is closed. */
  #starts: Offset[] = [0];
  #rollAfterMs: number | undefined;
  #rollBytes = Infinity;
  /** Bytes of the appends that the last segment has taken. */
  #filledBytes = 0;
  /** When the first record of the last segment was appended, on the clock that never jumps. */
  #filledSince: number | undefined;
  #bytes = 0;
  #queue: QueuedAppend[] = [];
  #queuedBytes = 0;
  #flushed: Promise<void> | undefined;
  #lastTime: EpochMs = 0;
  #closed: BrokerError | undefined;
  readonly #listeners = new Set<(next: Offset) => void>();

  constructor(options: MemoryLogOptions) {
    assert(options.segmentRecords >= 1, "a segment holds at least one record");
    this.#options = options;
  }

  append(records: readonly EncodedRecord[], settled: AppendCallback): void {
    assert(records.length > 0, "an append carries at least one record");
    const time = Math.max(this.#lastTime, this.#options.clock.now());
    const copies = records.map((record) => copyRecord(record, time));
    const bytes = copies.reduce((sum, record) => sum + record.payload.length, 0);
    const failure = this.#closed ?? this.#refusal(bytes);
    if (failure !== undefined) {
      setImmediate(() => settled(failure, 0));
      return;
    }
    this.#lastTime = time;
    this.#queue.push({ records: copies, bytes, settled });
    this.#queuedBytes += bytes;
    this.#flushed ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#flush();
        resolve();
      });
    });
  }

  async read(from: Offset, limit: ReadLimit): Promise<RecordBatch> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#closed !== undefined) throw this.#closed;
    const start = Math.max(from, this.#first);
    const gaps = start > from ? [{ from, to: start - 1, reason: "trimmed" as const }] : [];
    return { ...this.#batch(start, limit), gaps };
  }

  readCached(from: Offset, limit: ReadLimit): RecordBatch | undefined {
    if (from < this.#first || this.#closed !== undefined) return undefined;
    return this.#batch(from, limit);
  }

  onAdvance(listener: (next: Offset) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  bounds(): LogBounds {
    return {
      first: this.#first,
      next: this.#next(),
      bytes: this.#bytes,
      firstTime: this.#records[0]?.time,
      lastTime: this.#records.at(-1)?.time,
    };
  }

  async offsetAt(time: EpochMs): Promise<Offset> {
    await new Promise((resolve) => setImmediate(resolve));
    const index = this.#records.findIndex((record) => record.time >= time);
    return index < 0 ? this.#next() : this.#first + index;
  }

  trimmable(wanted: Offset): Offset {
    this.#rollIfDue();
    const cut = this.#starts.findLast((start) => start <= wanted);
    return Math.max(cut ?? this.#first, this.#first);
  }

  trim(before: Offset): Promise<void> {
    const cut = this.trimmable(before);
    const gone = this.#records.slice(0, cut - this.#first);
    for (const record of gone) this.#bytes -= record.payload.length;
    this.#records = this.#records.slice(gone.length);
    this.#starts = this.#starts.filter((start) => start >= cut);
    this.#first = cut;
    return Promise.resolve();
  }

  segments(): readonly SegmentFacts[] {
    this.#rollIfDue();
    const next = this.#next();
    return this.#starts.map((start, index) =>
      this.#segment(start, this.#starts[index + 1] ?? next),
    );
  }

  setRollAfter(rollAfterMs: number | undefined): void {
    this.#rollAfterMs = rollAfterMs;
  }

  setRollBytes(rollBytes: number | undefined): void {
    this.#rollBytes = rollBytes ?? Infinity;
  }

  keys(since: EpochMs): AsyncIterable<KeyBatch> {
    return scanKeys(this, since);
  }

  damages(): readonly Damage[] {
    return [];
  }

  async *verify(): AsyncIterable<Damage> {
    // Memory gives back what was put in: there is nothing to find.
  }

  /** Finishes what was appended; from then on every operation is refused with `reason`. */
  async close(reason: BrokerError): Promise<void> {
    await this.#flushed;
    this.#closed ??= reason;
    this.#listeners.clear();
  }

  #next(): Offset {
    return this.#first + this.#records.length;
  }

  #refusal(bytes: number): BrokerError | undefined {
    if (this.#queuedBytes + bytes <= limits.appendQueueBytesMax) return undefined;
    return new BrokerError(
      "overloaded",
      `bus '${this.#options.bus}' has ${this.#queuedBytes} bytes waiting to be stored; at most ` +
        `${limits.appendQueueBytesMax} (appendQueueBytesMax) may wait`,
      { retryAfterSeconds: 1 },
    );
  }

  #flush(): void {
    const group = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#flushed = undefined;
    const firsts = group.map((append) => {
      const first = this.#next();
      for (const record of append.records) this.#store(record);
      this.#bytes += append.bytes;
      this.#filledBytes += append.bytes;
      return first;
    });
    for (const [index, append] of group.entries()) append.settled(undefined, firsts[index] ?? 0);
    for (const listener of this.#listeners) listener(this.#next());
  }

  #store(record: MemoryRecord): void {
    this.#rollIfDue();
    this.#filledSince ??= this.#options.clock.monotonic();
    this.#records.push(record);
  }

  /** Whoever asks for segments finds the last one closed when it is full or old: no timer needed. */
  #rollIfDue(): void {
    const next = this.#next();
    const isFull = next - (this.#starts.at(-1) ?? 0) >= this.#options.segmentRecords;
    if (isFull || this.#filledBytes >= this.#rollBytes || this.#isOld()) {
      this.#starts.push(next);
      this.#filledBytes = 0;
      this.#filledSince = undefined;
    }
  }

  #isOld(): boolean {
    if (this.#rollAfterMs === undefined || this.#filledSince === undefined) return false;
    return this.#options.clock.monotonic() - this.#filledSince >= this.#rollAfterMs;
  }

  #segment(first: Offset, next: Offset): SegmentFacts {
    const records = this.#records.slice(first - this.#first, next - this.#first);
    return {
      first,
      next,
      bytes: records.reduce((sum, record) => sum + record.payload.length, 0),
      firstTime: records[0]?.time,
      lastTime: records.at(-1)?.time,
    };
  }

  #batch(from: Offset, limit: ReadLimit): RecordBatch {
    const records = this.#take(from, limit);
    const factsStarts: number[] = [];
    const starts: number[] = [];
    const ends: number[] = [];
    let position = 0;
    for (const { facts, payload } of records) {
      factsStarts.push(position);
      position += facts.length;
      starts.push(position);
      position += payload.length;
      ends.push(position);
    }
    return {
      count: records.length,
      buffer: Buffer.concat(
        records.flatMap((record) => [record.facts, record.payload]),
        position,
      ),
      offsets: records.map((_, index) => from + index),
      times: records.map((record) => record.time),
      hops: records.map((record) => record.hops),
      factsStarts,
      starts,
      ends,
      gaps: [],
      next: from + records.length,
    };
  }

  #take(from: Offset, limit: ReadLimit): readonly MemoryRecord[] {
    const start = from - this.#first;
    let end = start;
    let bytes = 0;
    const last = Math.min(start + limit.records, this.#records.length);
    while (end < last) {
      bytes += this.#records[end]?.payload.length ?? 0;
      if (bytes > limit.bytes && end > start) break;
      end += 1;
    }
    return this.#records.slice(start, end);
  }
}

function copyRecord(record: EncodedRecord, time: EpochMs): MemoryRecord {
  assert(record.hops >= 0 && record.hops <= 255, "hops fit one byte");
  return {
    payload: Buffer.from(record.payload),
    facts: Buffer.from(record.facts ?? []),
    time,
    hops: record.hops,
  };
}
