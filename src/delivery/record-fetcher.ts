import type { ConsumerStateStore, EventLog, RecordBatch } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock, Disposable, EpochMs } from "../kernel/clock.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Consumer } from "./consumer.ts";
import type { Delivery, LiveEvent } from "./entry.ts";
import { decodeRecord, liveEventOf, recordAt } from "./record-reader.ts";
import type { RecordReader, StoredRecord } from "./record-reader.ts";

export interface RecordFetcherOptions {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly store: ConsumerStateStore;
  readonly reader: RecordReader;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Some of its deliveries are in memory now, or were lost. */
  readonly onFetched: (consumer: Consumer) => void;
}

/** Neighbours no further apart than this are read together. */
const neighbourDistance = 16;

type Found =
  | { readonly found: "event"; readonly live: LiveEvent }
  | { readonly found: "nothing"; readonly reason: string };

/**
 * Reads events again that deliveries hold by offset only: retries that are due and what was
 * unsettled before a restart. From the log while it has them, else from the rescue store.
 */
export class RecordFetcher {
  readonly #options: RecordFetcherOptions;
  readonly #busy: Set<Consumer> = new Set();
  readonly #retryTimers: Set<Disposable> = new Set();
  #isStopped = false;

  constructor(options: RecordFetcherOptions) {
    this.#options = options;
  }

  /** Fetches what may be attempted next; one fetch at a time for each subscription. */
  consider(consumer: Consumer, now: EpochMs): void {
    if (this.#isStopped || this.#busy.has(consumer)) return;
    const wanted: Delivery[] = [];
    for (let one = consumer.nextToFetch(now); one !== undefined; one = consumer.nextToFetch(now)) {
      wanted.push(one);
    }
    if (wanted.length === 0) return;
    wanted.sort((left, right) => left.offset - right.offset);
    this.#busy.add(consumer);
    this.#fetch(consumer, wanted).then(
      () => {
        this.#busy.delete(consumer);
        if (!this.#isStopped) this.#options.onFetched(consumer);
      },
      (error: unknown) => this.#retryLater(consumer, { wanted, error: String(error) }),
    );
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#retryTimers) timer.dispose();
  }

  async #fetch(consumer: Consumer, wanted: readonly Delivery[]): Promise<void> {
    const offsets = wanted.map((delivery) => delivery.offset);
    const found = await this.#find(offsets, limits.bufferedBytesMax);
    if (this.#isStopped || consumer.isClosed) return;
    for (const delivery of wanted) {
      const one = found.get(delivery.offset);
      if (one === undefined || consumer.isPaused) consumer.unfetched(delivery);
      else if (one.found === "event") consumer.fetched(delivery, one.live);
      else consumer.fetchLost(delivery, one.reason);
    }
  }

  /** What there is at these offsets; those beyond the byte budget are left out. */
  async #find(offsets: readonly Offset[], bytesMax: number): Promise<Map<Offset, Found>> {
    const { first } = this.#options.log.bounds();
    const found = new Map<Offset, Found>();
    let index = offsets.findIndex((offset) => offset >= first);
    if (index < 0) index = offsets.length;
    const trimmed = offsets.slice(0, index);
    let bytes = 0;
    while (index < offsets.length && bytes < bytesMax) {
      const run = neighboursFrom(offsets, index);
      const batch = await this.#read(run, bytesMax - bytes);
      bytes += batch.buffer.length;
      trimmed.push(...this.#sift(run, batch, found));
      while (index < offsets.length && (offsets[index] ?? 0) < batch.next) index += 1;
    }
    if (trimmed.length > 0) await this.#findRescued(trimmed, found);
    return found;
  }

  async #read(run: readonly Offset[], bytesMax: number): Promise<RecordBatch> {
    const from = run[0] ?? 0;
    const limit = { records: (run.at(-1) ?? from) - from + 1, bytes: bytesMax };
    const { reader } = this.#options;
    const batch = reader.cached(from, limit) ?? (await reader.read(from, limit));
    assert(batch.next > from, "an offset below the log's end reads as a record or as a gap");
    return batch;
  }

  /** Sorts a batch into what was found and lost; answers which offsets retention took. */
  #sift(run: readonly Offset[], batch: RecordBatch, found: Map<Offset, Found>): Offset[] {
    const indexOf = new Map(batch.offsets.slice(0, batch.count).map((offset, i) => [offset, i]));
    const trimmed: Offset[] = [];
    for (const offset of run) {
      if (offset >= batch.next) break;
      const index = indexOf.get(offset);
      const gap = batch.gaps.find((one) => one.from <= offset && offset <= one.to);
      if (index !== undefined) found.set(offset, this.#decode(recordAt(batch, index)));
      else if (gap?.reason === "trimmed") trimmed.push(offset);
      else found.set(offset, { found: "nothing", reason: gap?.reason ?? "missing" });
    }
    return trimmed;
  }

  async #findRescued(offsets: readonly Offset[], found: Map<Offset, Found>): Promise<void> {
    const rescued = await this.#options.store.rescued(this.#options.bus, offsets);
    for (const { offset, time, payload } of rescued) {
      const buffer = Buffer.from(payload);
      const record = { offset, time, buffer, start: 0, end: buffer.length };
      found.set(offset, this.#decode(record));
    }
    for (const offset of offsets) {
      if (!found.has(offset)) found.set(offset, { found: "nothing", reason: "trimmed" });
    }
  }

  #decode(record: StoredRecord): Found {
    const event = decodeRecord(record, this.#options.logger);
    if (event === undefined) return { found: "nothing", reason: "undecodable" };
    return { found: "event", live: liveEventOf(record, event) };
  }

  #retryLater(
    consumer: Consumer,
    failed: { readonly wanted: readonly Delivery[]; readonly error: string },
  ): void {
    if (this.#isStopped) return;
    const { id: subscription } = consumer.plan;
    this.#options.logger.error(
      { subscription, error: failed.error },
      "events to be retried could not be read; trying again",
    );
    if (!consumer.isClosed) for (const delivery of failed.wanted) consumer.unfetched(delivery);
    const timer = this.#options.clock.after(limits.diskRetryMs, () => {
      this.#retryTimers.delete(timer);
      this.#busy.delete(consumer);
      this.#options.onFetched(consumer);
    });
    this.#retryTimers.add(timer);
  }
}

function neighboursFrom(offsets: readonly Offset[], index: number): readonly Offset[] {
  let end = index + 1;
  while (end < offsets.length) {
    if ((offsets[end] ?? 0) - (offsets[end - 1] ?? 0) > neighbourDistance) break;
    end += 1;
  }
  return offsets.slice(index, end);
}
