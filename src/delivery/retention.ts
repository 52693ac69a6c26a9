import type { ConsumerStateStore, EventLog, RescuedRecord } from "../engine/engine.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Committer } from "./committer.ts";
import type { Consumer } from "./consumer.ts";
import type { LiveGroup } from "./live-group.ts";
import type { RecordReader } from "./record-reader.ts";

export interface RetentionOptions {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly store: ConsumerStateStore;
  readonly reader: RecordReader;
  readonly group: LiveGroup;
  readonly committer: Committer;
  readonly consumers: () => Iterable<Consumer>;
}

/**
 * Makes ready for the log to lose everything below `cut`, where a segment begins (DESIGN.md §4, "Consumer state"):
 * 1. what nobody has read is counted as expired, and from this turn on nothing below is read;
 * 2. what is waiting, in flight, parked or dead below is named, so its record is copied to the
 *    rescue store, in batches that fit into memory;
 * 3. each batch is committed together with the state that names it.
 * From step 1 on the set of names only shrinks, so nothing can be missed between the batches.
 */
export async function prepareTrim(options: RetentionOptions, cut: Offset): Promise<Offset> {
  const { log, group, committer, store, bus } = options;
  const { first } = log.bounds();
  if (cut <= first) return cut;
  group.skipTo(cut, "trimmed");
  for (const consumer of options.consumers()) expireBelow(consumer, cut, committer);
  // In this turn, before anything is awaited: what is open now may be a letter a moment later.
  const names = openBelow(options.consumers(), cut);
  // The names of letters come from the store, so those that were just made must be in it first.
  await committer.flush();
  for (const offset of await store.named(bus, first, cut)) names.add(offset);
  const offsets = [...names]
    .filter((offset) => offset >= first)
    .sort((left, right) => left - right);
  await rescue(options, offsets);
  await committer.flush();
  return cut;
}

function expireBelow(consumer: Consumer, cut: Offset, committer: Committer): void {
  const from = consumer.readNext;
  if (from === undefined || from >= cut) return;
  consumer.expireUnread({ from, to: cut - 1, reason: "trimmed" });
  consumer.readNext = cut;
  committer.changed(consumer);
}

function openBelow(consumers: Iterable<Consumer>, cut: Offset): Set<Offset> {
  const names = new Set<Offset>();
  for (const consumer of consumers) {
    for (const offset of consumer.open.keys()) if (offset < cut) names.add(offset);
    for (const offset of consumer.retries.keys()) if (offset < cut) names.add(offset);
  }
  return names;
}

/** Two names further apart than this are read one by one, so that little is read in vain. */
const neighbourDistance = 64;

async function rescue(options: RetentionOptions, offsets: readonly Offset[]): Promise<void> {
  const { reader, committer } = options;
  const wanted = new Set(offsets);
  let copied: RescuedRecord[] = [];
  let bytes = 0;
  let index = 0;
  while (index < offsets.length) {
    const { from, records } = runFrom(offsets, index);
    const batch = await reader.read(from, { records, bytes: limits.readBytesMax });
    for (let at = 0; at < batch.count; at += 1) {
      const record = copyOf(batch, at);
      if (!wanted.has(record.offset)) continue;
      copied.push(record);
      bytes += record.payload.length;
    }
    const next = Math.max(batch.next, from + 1);
    while (index < offsets.length && (offsets[index] ?? next) < next) index += 1;
    if (bytes < limits.readBytesMax && index < offsets.length) continue;
    await committer.rescue(copied);
    copied = [];
    bytes = 0;
  }
}

function runFrom(
  offsets: readonly Offset[],
  index: number,
): { readonly from: Offset; readonly records: number } {
  const from = offsets[index] ?? 0;
  let end = from;
  for (let at = index + 1; at < offsets.length; at += 1) {
    const offset = offsets[at] ?? end;
    if (offset - end > neighbourDistance) break;
    end = offset;
  }
  return { from, records: end - from + 1 };
}

function copyOf(batch: Awaited<ReturnType<RecordReader["read"]>>, at: number): RescuedRecord {
  return {
    offset: batch.offsets[at] ?? 0,
    time: batch.times[at] ?? 0,
    hops: batch.hops[at] ?? 0,
    payload: Buffer.from(batch.buffer.subarray(batch.starts[at], batch.ends[at])),
  };
}
