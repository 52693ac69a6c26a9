import type { Gap, RecordBatch } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { decodeEvent } from "../event/stored-form.ts";
import type { Offset } from "../kernel/ids.ts";
import type { EventMatcher } from "./read-filter.ts";

/** Each answers whether it was taken; what is not taken ends the scan before it. */
export interface ScanVisitor {
  /** The event's data is a view of a shared buffer: copy what outlives the call. */
  readonly event: (offset: Offset, event: CloudEvent) => boolean;
  readonly gap: (gap: Gap) => boolean;
}

export interface ScanOptions {
  readonly matcher: EventMatcher | undefined;
  /** Where the scan ends, if before the end of the batch; exclusive. */
  readonly to?: Offset | undefined;
}

/** Visits events that match, and gaps, in the order of offsets. Answers where to go on. */
export function scanBatch(batch: RecordBatch, options: ScanOptions, visitor: ScanVisitor): Offset {
  const { matcher, to = batch.next } = options;
  let gapIndex = 0;
  /** The offset of a gap that was not taken, or undefined. */
  const gapsBelow = (offset: Offset): Offset | undefined => {
    for (let gap = batch.gaps[gapIndex]; gap !== undefined; gap = batch.gaps[gapIndex]) {
      if (gap.from >= Math.min(offset, to)) return undefined;
      const within = gap.to < to ? gap : { ...gap, to: to - 1 };
      if (!visitor.gap(within)) return gap.from;
      gapIndex += 1;
    }
    return undefined;
  };
  for (let index = 0; index < batch.count; index++) {
    const offset = batch.offsets[index] ?? 0;
    const refusedAt = gapsBelow(offset);
    if (refusedAt !== undefined) return refusedAt;
    if (offset >= to) return to;
    const event = readableAt(batch, index);
    const isTaken =
      event === undefined
        ? visitor.gap({ from: offset, to: offset, reason: "damaged" })
        : matcher?.(event) === false || visitor.event(offset, event);
    if (!isTaken) return offset;
  }
  return gapsBelow(batch.next) ?? Math.min(to, batch.next);
}

/** Throws when the bytes are no event. */
export function decodeAt(batch: RecordBatch, index: number): CloudEvent {
  const { buffer, starts, ends } = batch;
  return decodeEvent(buffer, starts[index] ?? 0, ends[index] ?? 0);
}

/** Undefined when the bytes are no event: one such record must not stop every reader for ever. */
export function readableAt(batch: RecordBatch, index: number): CloudEvent | undefined {
  try {
    return decodeAt(batch, index);
  } catch {
    // The reader is told of a gap; delivery logs the same record.
    return undefined;
  }
}

/** Ranges of offsets that hold no event, in order, neighbours joined. */
export class GapList {
  readonly #ranges: { from: Offset; to: Offset }[] = [];

  get size(): number {
    return this.#ranges.length;
  }

  add({ from, to }: { readonly from: Offset; readonly to: Offset }): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else this.#ranges.push({ from, to });
  }

  all(): readonly { readonly from: Offset; readonly to: Offset }[] {
    return this.#ranges;
  }
}
