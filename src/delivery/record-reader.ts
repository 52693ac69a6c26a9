import type { EventLog, Gap, ReadLimit, RecordBatch } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { createEventView } from "../event/event-view.ts";
import type { EventKeys } from "../event/stored-form.ts";
import { decodeEvent, decodeEventKeys } from "../event/stored-form.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import { createLiveEvent } from "./entry.ts";
import type { LiveEvent } from "./entry.ts";

/** Reads from the log, from memory if possible, and at most concurrentLogReadsMax at a time. */
export class RecordReader {
  readonly #log: EventLog;
  #reading = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** The next records if they are still in memory; never an empty batch below the log's end. */
  cached(from: Offset, limit: ReadLimit): RecordBatch | undefined {
    const batch = this.#log.readCached(from, limit);
    return batch !== undefined && batch.next > from ? batch : undefined;
  }

  async read(from: Offset, limit: ReadLimit): Promise<RecordBatch> {
    await this.#acquire();
    try {
      return await this.#log.read(from, limit);
    } finally {
      this.#release();
    }
  }

  #acquire(): Promise<void> {
    if (this.#reading < limits.concurrentLogReadsMax) {
      this.#reading += 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The place goes straight to the next in line, so nobody can slip in between. */
  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#reading -= 1;
    else next();
  }
}

/** An event decoded from a shared buffer, with data of its own: it outlives the batch. */
export function ownedEvent(event: CloudEvent): CloudEvent {
  if (event.data === undefined) return event;
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject,
    time: event.time,
    datacontenttype: event.datacontenttype,
    dataschema: event.dataschema,
    extensions: event.extensions,
    data: Buffer.from(event.data),
    dataIsImpliedJson: event.dataIsImpliedJson,
  };
}

export interface StoredRecord {
  readonly offset: Offset;
  readonly time: number;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Record `index` of a batch; every index below its count has one. */
export function recordAt(batch: RecordBatch, index: number): StoredRecord {
  return {
    offset: batch.offsets[index] ?? 0,
    time: batch.times[index] ?? 0,
    buffer: batch.buffer,
    start: batch.starts[index] ?? 0,
    end: batch.ends[index] ?? 0,
  };
}

/** The event of a record, or undefined when its bytes are no event, which the operator is told. */
export function decodeRecord(record: StoredRecord, logger: Logger): CloudEvent | undefined {
  try {
    return decodeEvent(record.buffer, record.start, record.end);
  } catch (error) {
    // One record must not stop all subscriptions for ever; it is counted as expired by each.
    logger.error(
      { offset: record.offset, error: String(error) },
      "a stored record could not be decoded",
    );
    return undefined;
  }
}

/** What filters are found by, without decoding the rest; undefined when its bytes are no event. */
export function decodeKeys(record: StoredRecord): EventKeys | undefined {
  try {
    return decodeEventKeys(record.buffer, record.start, record.end);
  } catch {
    // Whoever then decodes the whole finds the same and says so.
    return undefined;
  }
}

export function liveEventOf(record: StoredRecord, event: CloudEvent): LiveEvent {
  const bytes = record.end - record.start;
  const view = createEventView(ownedEvent(event));
  return createLiveEvent({ offset: record.offset, time: record.time, bytes }, view);
}

export interface BatchVisitor {
  readonly onRecord: (record: StoredRecord) => "go on" | "stop";
  readonly onGap: (gap: Gap) => void;
}

/**
 * Visits records and gaps in the order of offsets. Answers the offset to read on at: that of the
 * record at which it was stopped, else the batch's end.
 */
export function visitBatch(batch: RecordBatch, visitor: BatchVisitor): Offset {
  let gapIndex = 0;
  const gapsBelow = (offset: Offset): void => {
    for (let gap = batch.gaps[gapIndex]; gap !== undefined; gap = batch.gaps[gapIndex]) {
      if (gap.from >= offset) return;
      visitor.onGap(gap);
      gapIndex += 1;
    }
  };
  for (let index = 0; index < batch.count; index += 1) {
    const record = recordAt(batch, index);
    gapsBelow(record.offset);
    if (visitor.onRecord(record) === "stop") return record.offset;
  }
  gapsBelow(batch.next);
  return batch.next;
}
