import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import type { EventLog, KeyBatch, ReadLimit, RecordBatch } from "./engine.ts";
import { decodeFacts } from "./record-facts.ts";

const scanLimit: ReadLimit = { records: 1000, bytes: 4 * 1024 * 1024 };

/** The keys of a log, found by reading its records: for whatever has no list of them. */
export async function* scanKeys(
  log: Pick<EventLog, "read" | "offsetAt">,
  since: EpochMs,
): AsyncIterable<KeyBatch> {
  yield* scanKeysBetween(log, await log.offsetAt(since), Number.POSITIVE_INFINITY);
}

/** The keys of the records in [from, before), as far as the log reaches. */
export async function* scanKeysBetween(
  log: Pick<EventLog, "read">,
  from: Offset,
  before: Offset,
): AsyncIterable<KeyBatch> {
  for (let at = from; at < before;) {
    const records = Math.min(scanLimit.records, before - at);
    const batch = await log.read(at, { ...scanLimit, records });
    if (batch.next === at) return;
    at = batch.next;
    const keys = keysOf(batch, before);
    if (keys.offsets.length > 0) yield keys;
  }
}

function keysOf(batch: RecordBatch, before: Offset): KeyBatch {
  const offsets: Offset[] = [];
  const times: EpochMs[] = [];
  const keys: Uint8Array[] = [];
  for (let index = 0; index < batch.count; index++) {
    const { key } = decodeFacts(
      batch.buffer,
      batch.factsStarts[index] ?? 0,
      batch.starts[index] ?? 0,
    );
    const offset = batch.offsets[index] ?? 0;
    // A gap may have carried the read beyond.
    if (key === undefined || offset >= before) continue;
    offsets.push(offset);
    times.push(batch.times[index] ?? 0);
    keys.push(key);
  }
  return { offsets, times, keys: Buffer.concat(keys) };
}
