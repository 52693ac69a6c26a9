import type { PlaygroundRange, PlaygroundResult } from "../api/api.ts";
import type { EventLog } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import type { EventView } from "../event/event-view.ts";
import { createEventView } from "../event/event-view.ts";
import type { Violation } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { decodeAt } from "./event-reader.ts";
import { ObjectReader } from "./object-reader.ts";

export type { PlaygroundRange } from "../api/api.ts";

/** How much of a bus to try, and how many results to show. */
export interface RangeInput {
  readonly last: number;
  readonly samples: number;
}

export function readRange(
  given: { readonly last: unknown; readonly samples: unknown; readonly events: unknown },
  violations: Violation[],
): RangeInput {
  const reader = new ObjectReader(given, "", violations);
  if (given.events !== undefined) {
    reader.report("last", "invalid_value", "give either events or last, not both");
  }
  const last = reader.integer("last", { min: 1, max: limits.playgroundLastMax, absent: 1 });
  const most = limits.playgroundEventsMax;
  const samples = reader.integer("samples", { min: 0, max: most, absent: SAMPLES_DEFAULT });
  return { last, samples };
}

const SAMPLES_DEFAULT = 5;
const batchLimit = { records: 256, bytes: 1024 * 1024 };

export interface RangeScan {
  readonly bus: string;
  readonly log: EventLog;
  readonly wanted: RangeInput;
  readonly passes: (view: EventView) => boolean;
  readonly attempt: (event: CloudEvent, offset: Offset) => PlaygroundResult;
}

interface Tally {
  events: number;
  passed: number;
  failed: number;
  readonly results: PlaygroundResult[];
}

/** Tries the last events of a bus, a batch a turn, so that everybody else has theirs. */
export async function scanRange(
  scan: RangeScan,
): Promise<{ readonly range: PlaygroundRange; readonly results: readonly PlaygroundResult[] }> {
  const { first, next } = scan.log.bounds();
  const from = Math.max(first, next - scan.wanted.last);
  const tally: Tally = { events: 0, passed: 0, failed: 0, results: [] };
  let at = from;
  while (at < next) {
    const limit = { ...batchLimit, records: Math.min(batchLimit.records, next - at) };
    const batch = await scan.log.read(at, limit);
    if (batch.next <= at) break;
    for (let index = 0; index < batch.count; index++) {
      tryOne(scan, tally, { event: decodeAt(batch, index), offset: batch.offsets[index] ?? 0 });
    }
    at = batch.next;
  }
  const { events, passed, failed, results } = tally;
  return { range: { bus: scan.bus, from, next, events, passed, failed }, results };
}

function tryOne(
  scan: RangeScan,
  tally: Tally,
  { event, offset }: { readonly event: CloudEvent; readonly offset: Offset },
): void {
  tally.events += 1;
  if (!scan.passes(createEventView(event))) return;
  tally.passed += 1;
  const result = scan.attempt(event, offset);
  if (result.errors.length > 0) tally.failed += 1;
  if (tally.results.length < scan.wanted.samples) tally.results.push({ ...result, offset });
}
