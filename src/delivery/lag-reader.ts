import type { Gap, RecordBatch } from "../engine/engine.ts";
import { mayPass } from "../filter/filter-index.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Consumer } from "./consumer.ts";
import { Fifo } from "./fifo.ts";
import type { LiveGroup } from "./live-group.ts";
import { passesFilter } from "./passes-filter.ts";
import { decodeKeys, decodeRecord, liveEventOf, visitBatch } from "./record-reader.ts";
import type { RecordReader, StoredRecord } from "./record-reader.ts";

export interface LagReaderOptions {
  readonly group: LiveGroup;
  readonly reader: RecordReader;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onMatched: (consumer: Consumer) => void;
  readonly onChanged: (consumer: Consumer) => void;
}

const lagReadRecords = 256;
const lagReadBytes = 1024 * 1024;
/** Batches a turn of the event loop; the rest waits in line. */
const batchesPerTurn = 2;

/**
 * Reads for each subscription that is behind the live group, alone and from its own position, a
 * batch each in turn, only as long as there is room and somebody to send to. Who has caught up
 * joins the group.
 */
export class LagReader {
  readonly #options: LagReaderOptions;
  readonly #line: Fifo<Consumer> = new Fifo();
  /** In line or being read for. */
  readonly #busy: Set<Consumer> = new Set();
  readonly #retryTimers: Set<Disposable> = new Set();
  #isTurnScheduled = false;
  #isStopped = false;

  constructor(options: LagReaderOptions) {
    this.#options = options;
  }

  /** Gets in line if it is behind and may read; call whenever that may have become true. */
  consider(consumer: Consumer): void {
    if (this.#isStopped || this.#busy.has(consumer) || !mayRead(consumer)) return;
    this.#busy.add(consumer);
    this.#line.push(consumer);
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    setImmediate(() => this.#turn());
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#retryTimers) timer.dispose();
    this.#line.clear();
  }

  #turn(): void {
    this.#isTurnScheduled = false;
    for (let left = batchesPerTurn; left > 0; left -= 1) {
      const consumer = this.#line.shift();
      if (consumer === undefined) return;
      this.#serve(consumer);
    }
    if (this.#line.size === 0 || this.#isTurnScheduled || this.#isStopped) return;
    this.#isTurnScheduled = true;
    setImmediate(() => this.#turn());
  }

  #serve(consumer: Consumer): void {
    const { group, reader } = this.#options;
    const from = consumer.readNext;
    if (from === undefined || !mayRead(consumer)) {
      this.#busy.delete(consumer);
      return;
    }
    if (from >= group.position) {
      this.#busy.delete(consumer);
      group.join(consumer);
      return;
    }
    const limit = { records: Math.min(lagReadRecords, group.position - from), bytes: lagReadBytes };
    const batch = reader.cached(from, limit);
    if (batch !== undefined) {
      this.#visit(consumer, batch);
      return;
    }
    reader.read(from, limit).then(
      (read) => {
        if (read.next <= from) this.#retryLater(consumer, "the log gave nothing below its end");
        else this.#visit(consumer, read);
      },
      (error: unknown) => this.#retryLater(consumer, String(error)),
    );
  }

  #visit(consumer: Consumer, batch: RecordBatch): void {
    this.#busy.delete(consumer);
    const from = consumer.readNext;
    // Paused, removed or without room since the read began: it will read again from there.
    if (this.#isStopped || from === undefined || consumer.isDormant()) return;
    let hadRoom = true;
    const next = visitBatch(batch, {
      onRecord: (record) => {
        if (record.offset < (consumer.readNext ?? 0)) return "go on";
        if (record.offset >= this.#options.group.position) return "stop";
        hadRoom = !consumer.isDormant() && this.#match(consumer, record);
        return hadRoom ? "go on" : "stop";
      },
      onGap: (gap) => this.#pass(consumer, gap),
    });
    consumer.readNext = Math.max(
      consumer.readNext ?? from,
      Math.min(next, this.#options.group.position),
    );
    this.#options.onChanged(consumer);
    this.#options.onMatched(consumer);
    // Without room the next settled delivery calls; asking again now would only spin.
    if (hadRoom) this.consider(consumer);
  }

  /** Answers false when the consumer has no room for it. */
  #match(consumer: Consumer, record: StoredRecord): boolean {
    const { logger } = this.#options;
    const { anchorings } = consumer.plan.filter;
    const keys = anchorings.length > 0 ? decodeKeys(record) : undefined;
    if (keys !== undefined && !mayPass(anchorings, keys)) return true;
    const event = decodeRecord(record, logger);
    if (event === undefined) {
      consumer.expireUnread({ from: record.offset, to: record.offset, reason: "undecodable" });
      return true;
    }
    const live = liveEventOf(record, event);
    if (!passesFilter(consumer, live.view, logger)) return true;
    if (!consumer.hasRoomFor(live.bytes)) return false;
    consumer.matched(live);
    return true;
  }

  #pass(consumer: Consumer, gap: Gap): void {
    const from = Math.max(gap.from, consumer.readNext ?? 0);
    const to = Math.min(gap.to, this.#options.group.position - 1);
    if (from <= to) consumer.expireUnread({ from, to, reason: gap.reason });
  }

  #retryLater(consumer: Consumer, error: string): void {
    if (this.#isStopped) return;
    const { logger, clock } = this.#options;
    const { id: subscription } = consumer.plan;
    logger.error({ subscription, error }, "the log could not be read; trying again");
    const timer = clock.after(limits.diskRetryMs, () => {
      this.#retryTimers.delete(timer);
      this.#busy.delete(consumer);
      this.consider(consumer);
    });
    this.#retryTimers.add(timer);
  }
}

/** Half the buffer free, so that a read brings a batch and not a drop. */
function mayRead(consumer: Consumer): boolean {
  return (
    consumer.readNext !== undefined &&
    !consumer.isDormant() &&
    consumer.bufferedEvents * 2 < limits.bufferedEventsMax &&
    consumer.bufferedBytes * 2 < limits.bufferedBytesMax &&
    consumer.lines.references.size < limits.bufferedEventsMax
  );
}
