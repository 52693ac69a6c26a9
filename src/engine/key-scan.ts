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
  let from = await log.offsetAt(since);
  for (;;) {
    const batch = await log.read(from, scanLimit);
    if (batch.next === from) return;
    from = batch.next;
    const keys = keysOf(batch);
    if (keys.offsets.length > 0) yield keys;
  }
}

function keysOf(batch: RecordBatch): KeyBatch {
  const offsets: Offset[] = [];
  const times: EpochMs[] = [];
  const keys: Uint8Array[] = [];
  for (let index = 0; index < batch.count; index++) {
    const { key } = decodeFacts(
      batch.buffer,
      batch.factsStarts[index] ?? 0,
      batch.starts[index] ?? 0,
    );
    if (key === undefined) continue;
    offsets.push(batch.offsets[index] ?? 0);
    times.push(batch.times[index] ?? 0);
    keys.push(key);
  }
  return { offsets, times, keys: Buffer.concat(keys) };
}
