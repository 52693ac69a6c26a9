import type { EventLog, Gap, ReadLimit, RecordBatch } from "../engine/engine.ts";
import { FilterIndex } from "../filter/filter-index.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Consumer } from "./consumer.ts";
import type { LiveEvent } from "./entry.ts";
import { passesFilter } from "./passes-filter.ts";
import { decodeKeys, decodeRecord, liveEventOf, visitBatch } from "./record-reader.ts";
import type { RecordReader, StoredRecord } from "./record-reader.ts";

export interface LiveGroupOptions {
  readonly log: EventLog;
  readonly reader: RecordReader;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly position: Offset;
  /** Something waits for this consumer that did not before. */
  readonly onMatched: (consumer: Consumer) => void;
  /** It reads alone now, or its row changed otherwise. */
  readonly onChanged: (consumer: Consumer) => void;
  readonly onLeft: (consumer: Consumer) => void;
  /** The position moved; called once after each batch. */
  readonly onMoved: () => void;
}

const noKeys = { type: undefined, source: undefined, subject: undefined };
const groupRead: ReadLimit = { records: 256, bytes: 1024 * 1024 };

/**
 * One reader for all subscriptions of a bus that keep up: each event is read, decoded and matched
 * once, and only filters are evaluated that it may pass (filter-index.ts). A member that has no room leaves at that event and reads alone (lag-reader.ts) until it
 * has caught up, so the group waits for nobody.
 *
 * States: idle (at the log's end), turning (in run), yielding (next turn scheduled), reading (from
 * disk), stopped.
 */
export class LiveGroup {
  readonly #options: LiveGroupOptions;
  readonly #index: FilterIndex<Consumer> = new FilterIndex();
  readonly #consumers: Set<Consumer> = new Set();
  #members = 0;
  /** What may still be done in this turn of the event loop. */
  #recordsLeft = 0;
  #evaluationsLeft = 0;
  #position: Offset;
  #state: "idle" | "turning" | "yielding" | "reading" | "stopped" = "idle";
  #retryTimer: Disposable | undefined;

  constructor(options: LiveGroupOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  /** Every offset below was matched for every member (from its start on). */
  get position(): Offset {
    return this.#position;
  }

  /** Lists a consumer; it is a member when it has no read position of its own. */
  add(consumer: Consumer): void {
    this.#consumers.add(consumer);
    this.#index.add(consumer, consumer.plan.filter);
    if (consumer.readNext === undefined) this.#members += 1;
  }

  remove(consumer: Consumer): void {
    if (!this.#consumers.delete(consumer)) return;
    this.#index.remove(consumer);
    if (consumer.readNext === undefined) this.#members -= 1;
  }

  /** Its filter changed: from the next event on it is found by the new one. */
  reindex(consumer: Consumer): void {
    this.#index.remove(consumer);
    this.#index.add(consumer, consumer.plan.filter);
  }

  join(consumer: Consumer): void {
    assert(consumer.readNext !== undefined, "a member does not join again");
    assert(consumer.readNext >= this.#position, "only who has caught up joins");
    consumer.readNext = undefined;
    this.#members += 1;
    this.#options.onChanged(consumer);
  }

  leave(consumer: Consumer): void {
    if (consumer.readNext !== undefined) return;
    consumer.readNext = Math.max(this.#position, consumer.start);
    this.#members -= 1;
    this.#options.onChanged(consumer);
    this.#options.onLeft(consumer);
  }

  /** Nothing below `before` will be read: what the group has not read yet, its members lose. */
  skipTo(before: Offset, reason: string): void {
    if (before <= this.#position) return;
    this.#expire({ from: this.#position, to: before - 1, reason });
    this.#position = before;
    this.#options.onMoved();
  }

  /** Reads on; called when the log has grown. Never throws, never waits. */
  run(): void {
    if (this.#state !== "idle") return;
    this.#state = "turning";
    this.#recordsLeft = limits.matchedPerTurnMax;
    this.#evaluationsLeft = limits.evaluationsPerTurnMax;
    while (this.#position < this.#options.log.bounds().next) {
      if (this.#members === 0) {
        this.#position = this.#options.log.bounds().next;
        this.#options.onMoved();
        break;
      }
      if (this.#isTurnOver) {
        this.#goOnLater("yield");
        return;
      }
      const batch = this.#options.reader.cached(this.#position, groupRead);
      if (batch === undefined) {
        this.#goOnLater("read");
        return;
      }
      this.#visit(batch);
      this.#recordsLeft -= Math.max(1, batch.count);
    }
    this.#state = "idle";
  }

  stop(): void {
    this.#state = "stopped";
    this.#retryTimer?.dispose();
  }

  get #isTurnOver(): boolean {
    return this.#recordsLeft <= 0 || this.#evaluationsLeft <= 0;
  }

  #goOnLater(how: "read" | "yield"): void {
    if (how === "yield") {
      this.#state = "yielding";
      // Others get their turn: a burst of events must not keep answers and publishers waiting.
      setImmediate(() => this.#resume());
      return;
    }
    this.#state = "reading";
    this.#options.reader.read(this.#position, groupRead).then(
      (batch) => {
        if (this.#state !== "reading") return;
        if (batch.next <= this.#position) this.#retryLater("the log gave nothing below its end");
        else {
          this.#visit(batch);
          this.#resume();
        }
      },
      (error: unknown) => this.#retryLater(String(error)),
    );
  }

  #resume(): void {
    if (this.#state === "stopped") return;
    this.#state = "idle";
    this.run();
  }

  #retryLater(error: string): void {
    if (this.#state === "stopped") return;
    const { logger, clock } = this.#options;
    logger.error({ offset: this.#position, error }, "the log could not be read; trying again");
    this.#retryTimer = clock.after(limits.diskRetryMs, () => this.#resume());
  }

  #visit(batch: RecordBatch): void {
    const next = visitBatch(batch, {
      onRecord: (record) => {
        // Retention may have moved the position while the batch was being read.
        if (record.offset < this.#position) return "go on";
        if (this.#evaluationsLeft <= 0) return "stop";
        this.#match(record);
        return "go on";
      },
      onGap: (gap) => this.#pass(gap),
    });
    this.#position = Math.max(this.#position, next);
    this.#options.onMoved();
  }

  #match(record: StoredRecord): void {
    // A member that leaves while this event is matched reads on alone from here.
    this.#position = record.offset;
    const keys = this.#index.looksAtKeys ? decodeKeys(record) : noKeys;
    let candidates = keys && this.#index.candidates(keys);
    if (candidates?.length === 0) return;
    const event = decodeRecord(record, this.#options.logger);
    if (event === undefined) {
      this.#expire({ from: record.offset, to: record.offset, reason: "undecodable" });
      this.#position = record.offset + 1;
      return;
    }
    candidates ??= this.#index.candidates(event);
    const live = liveEventOf(record, event);
    for (const consumer of candidates) this.#offer(consumer, live);
    this.#evaluationsLeft -= candidates.length;
  }

  #offer(consumer: Consumer, live: LiveEvent): void {
    if (consumer.readNext !== undefined || live.offset < consumer.start) return;
    if (!passesFilter(consumer, live.view, this.#options.logger)) return;
    if (consumer.isDormant() || !consumer.hasRoomFor(live.bytes)) {
      this.leave(consumer);
      return;
    }
    consumer.matched(live);
    this.#options.onMatched(consumer);
  }

  #pass(gap: Gap): void {
    const from = Math.max(gap.from, this.#position);
    if (from > gap.to) return;
    this.#expire({ from, to: gap.to, reason: gap.reason });
    this.#position = gap.to + 1;
  }

  #expire(range: { readonly from: Offset; readonly to: Offset; readonly reason: string }): void {
    for (const consumer of this.#consumers) {
      if (consumer.readNext !== undefined || range.to < consumer.start) continue;
      consumer.expireUnread(range);
      this.#options.onChanged(consumer);
    }
  }
}
