import type { DelayedEvent, EncodedRecord, EventLog } from "../engine/engine.ts";
import { decodeFacts, encodeFacts } from "../engine/record-facts.ts";
import type { CloudEvent } from "../event/event.ts";
import { decodeEvent } from "../event/stored-form.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Deduplicator, UnkeyedRecord } from "./deduplicator.ts";
import type { PublishCallback } from "./publish-outcome.ts";
import type { UnreadGuard } from "./unread-guard.ts";

export interface DelayedAppend {
  readonly log: EventLog;
  /** The door to the log of a bus that deduplicates. */
  readonly deduplicator: Deduplicator | undefined;
  readonly events: readonly DelayedEvent[];
  /** Holds appends back while the bus keeps unread events and is full of them. */
  readonly unread: UnreadGuard;
  /** Whether their publisher has had its answer and cannot be told of a refusal any more. */
  readonly wasAccepted: boolean;
}

export type Appended =
  | {
      readonly ok: true;
      /** Of each event; that of the original where it was a duplicate. */
      readonly offsets: readonly Offset[];
      readonly duplicates: readonly number[];
      /** Above every offset that was given to one of them; undefined when none was. */
      readonly next: Offset | undefined;
    }
  | { readonly ok: false; readonly failure: BrokerError };

/** Each record carries the id of its delayed event, so that a restart can tell what was appended. */
export function appendDelayed(append: DelayedAppend): Promise<Appended> {
  const { log, deduplicator, unread, events, wasAccepted } = append;
  const failure = unread.isOn ? unread.refusal(bytesOf(events)) : undefined;
  if (failure !== undefined) return Promise.resolve({ ok: false, failure });
  return new Promise((resolve) => {
    const settled: PublishCallback = (failure, first, outcome) => {
      if (failure !== undefined) return resolve({ ok: false, failure });
      const duplicates = outcome?.duplicates ?? [];
      const offsets = events.map((_, index) => outcome?.offsets[index] ?? first + index);
      const isDuplicate = new Set(duplicates);
      const own = offsets.filter((_, index) => !isDuplicate.has(index));
      const next = own.length === 0 ? undefined : (own.at(-1) ?? 0) + 1;
      return resolve({ ok: true, offsets, duplicates, next });
    };
    if (deduplicator === undefined) log.append(events.map(recordOf), settled);
    else if (wasAccepted) deduplicator.publishAccepted(events.map(unkeyedOf), settled);
    else deduplicator.publish(events.map(unkeyedOf), settled);
  });
}

function recordOf({ id, hops, payload }: DelayedEvent): EncodedRecord {
  return { payload, hops, facts: encodeFacts({ delayedId: id }) };
}

function unkeyedOf({ id, hops, payload }: DelayedEvent): UnkeyedRecord {
  return { event: decodePayload(payload), payload, hops, delayedId: id };
}

/** The event of a row. */
export function decodePayload(payload: Uint8Array): CloudEvent {
  const buffer = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  return decodeEvent(buffer, 0, buffer.length);
}

export interface FoundDelayed {
  /** Offsets by id. */
  readonly offsets: ReadonlyMap<string, Offset>;
  /** Every record below it was looked at. */
  readonly next: Offset;
}

/** The ids of delayed events that the records from `from` on carry. */
export async function findDelayed(log: EventLog, from: Offset): Promise<FoundDelayed> {
  const offsets = new Map<string, Offset>();
  const end = log.bounds().next;
  const limit = { records: limits.readEventsMax, bytes: limits.readBytesMax };
  let at = from;
  while (at < end) {
    const batch = await log.read(at, limit);
    for (let index = 0; index < batch.count; index++) {
      const start = batch.factsStarts[index] ?? 0;
      const factsEnd = batch.starts[index] ?? 0;
      if (start === factsEnd) continue;
      const { delayedId } = decodeFacts(batch.buffer, start, factsEnd);
      if (delayedId !== undefined) offsets.set(delayedId, batch.offsets[index] ?? at);
    }
    if (batch.next === at) break;
    at = batch.next;
  }
  return { offsets, next: Math.max(from, end) };
}

export function bytesOf(events: readonly { readonly payload: Uint8Array }[]): number {
  let bytes = 0;
  for (const { payload } of events) bytes += payload.length;
  return bytes;
}
