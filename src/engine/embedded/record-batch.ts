import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { Gap, ReadLimit, RecordBatch } from "../engine.ts";
import {
  RECORD_HEADER_BYTES,
  payloadStart,
  recordBytes,
  recordHops,
  recordOffset,
  recordTime,
} from "./log-format.ts";

/** Collects records that lie in one buffer until a read limit is reached. */
export class BatchBuilder {
  readonly #limit: ReadLimit;
  readonly #offsets: Offset[] = [];
  readonly #times: EpochMs[] = [];
  readonly #hops: number[] = [];
  readonly #factsStarts: number[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #bytes = 0;

  constructor(limit: ReadLimit) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#offsets.length;
  }

  /** Takes the record at `at`; false when the limit leaves no room for it. */
  add(buffer: Buffer, at: number): boolean {
    const start = payloadStart(buffer, at);
    const end = at + recordBytes(buffer, at);
    const bytes = this.#bytes + end - start;
    const isFull = this.count >= this.#limit.records || bytes > this.#limit.bytes;
    if (isFull && this.count > 0) return false;
    this.#bytes = bytes;
    this.#offsets.push(recordOffset(buffer, at));
    this.#times.push(recordTime(buffer, at));
    this.#hops.push(recordHops(buffer, at));
    this.#factsStarts.push(at + RECORD_HEADER_BYTES);
    this.#starts.push(start);
    this.#ends.push(end);
    return true;
  }

  finish(buffer: Buffer, gaps: readonly Gap[], next: Offset): RecordBatch {
    return {
      count: this.count,
      buffer,
      offsets: this.#offsets,
      times: this.#times,
      hops: this.#hops,
      factsStarts: this.#factsStarts,
      starts: this.#starts,
      ends: this.#ends,
      gaps,
      next,
    };
  }
}

const nothing = Buffer.alloc(0);

/** No records: caught up, or nothing but gaps up to `next`. */
export function emptyBatch(gaps: readonly Gap[], next: Offset): RecordBatch {
  return new BatchBuilder({ records: 0, bytes: 0 }).finish(nothing, gaps, next);
}
