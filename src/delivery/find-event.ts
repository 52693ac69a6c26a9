import type { ConsumerStateStore, EventLog, RecordBatch } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { decodeEvent } from "../event/stored-form.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";

/** Where single events are read from. */
export interface EventShelves {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly store: ConsumerStateStore;
}

export type FoundEvent =
  | {
      readonly found: "log" | "rescued";
      readonly event: CloudEvent;
      /** When it was appended. */
      readonly time: EpochMs;
    }
  /** `reason` as in gaps of the log: trimmed, damaged, jumped; or undecodable. */
  | { readonly found: "nothing"; readonly reason: string };

/** The event at an offset below the log's end: from the log, or from the rescue store. */
export async function findEvent(shelves: EventShelves, offset: Offset): Promise<FoundEvent> {
  const found = await findEvents(shelves, [offset]);
  return found.get(offset) ?? nothing("trimmed");
}

/** Offsets no further apart than this are read together. */
const neighbourDistance = 64;

/** Several events, neighbours with one read each; every offset asked for has an entry. */
export async function findEvents(
  shelves: EventShelves,
  offsets: readonly Offset[],
): Promise<Map<Offset, FoundEvent>> {
  const { log, store, bus } = shelves;
  const found = new Map<Offset, FoundEvent>();
  const { first } = log.bounds();
  const sorted = [...new Set(offsets)].toSorted((left, right) => left - right);
  let wanted = sorted.filter((offset) => offset >= first);
  while (wanted.length > 0) wanted = await readRun(log, wanted, found);
  const missing = sorted.filter((offset) => !found.has(offset));
  if (missing.length === 0) return found;
  for (const { offset, time, payload } of await store.rescued(bus, missing)) {
    const bytes = Buffer.from(payload);
    found.set(offset, eventIn("rescued", time, bytes));
  }
  for (const offset of missing) if (!found.has(offset)) found.set(offset, nothing("trimmed"));
  return found;
}

/** Reads as many of the first neighbours as one read gives; answers those that are left. */
async function readRun(
  log: EventLog,
  wanted: readonly Offset[],
  found: Map<Offset, FoundEvent>,
): Promise<Offset[]> {
  const [from = 0] = wanted;
  const apart = wanted.findIndex(
    (offset, at) => offset - (wanted[at - 1] ?? from) > neighbourDistance,
  );
  const last = wanted.at(apart < 0 ? -1 : apart - 1) ?? from;
  const limit = { records: last - from + 1, bytes: limits.readTurnBytesMax };
  const batch = log.readCached(from, limit) ?? (await log.read(from, limit));
  const indexes = new Map(batch.offsets.slice(0, batch.count).map((offset, at) => [offset, at]));
  const next = Math.max(batch.next, from + 1);
  for (const offset of wanted) {
    if (offset >= next) break;
    const at = indexes.get(offset);
    const gap = batch.gaps.find((one) => one.from <= offset && offset <= one.to);
    if (at !== undefined) found.set(offset, decoded(batch, at));
    else if (gap?.reason !== "trimmed") found.set(offset, nothing(gap?.reason ?? "missing"));
  }
  return wanted.filter((offset) => offset >= next);
}

function decoded(batch: RecordBatch, at: number): FoundEvent {
  // A copy: the batch's buffer may be a window of the tail cache.
  const bytes = Buffer.from(batch.buffer.subarray(batch.starts[at], batch.ends[at]));
  return eventIn("log", batch.times[at] ?? 0, bytes);
}

function eventIn(found: "log" | "rescued", time: EpochMs, bytes: Buffer): FoundEvent {
  try {
    return { found, event: decodeEvent(bytes, 0, bytes.length), time };
  } catch {
    // The scrub reports such a record; whoever asks for the event has to be answered all the same.
    return nothing("undecodable");
  }
}

function nothing(reason: string): FoundEvent {
  return { found: "nothing", reason };
}
