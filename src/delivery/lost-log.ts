import type { LoadedBusState, ParkedState, SubscriptionState } from "../engine/engine.ts";
import type { Offset } from "../kernel/ids.ts";
import type { Consumer } from "./consumer.ts";

/**
 * Whether the stored state knows of offsets that the log does not have: somebody put an older copy
 * of the log in its place. An engine that only lost unsynced events goes on above what was given
 * out and reports the gap, so this is never the trace of a crash.
 */
export function isBeyond(loaded: LoadedBusState, next: Offset): boolean {
  const { position, subscriptions, parked } = loaded;
  if (position !== undefined && position > next) return true;
  return (
    subscriptions.some((row) => reachesBeyond(row, next)) ||
    parked.some((row: ParkedState) => row.offset >= next)
  );
}

function reachesBeyond(row: SubscriptionState, next: Offset): boolean {
  const { start, position = 0, unsettled } = row;
  return start > next || position > next || unsettled.some((offset) => offset >= next);
}

/**
 * Where a subscription goes on that had read up to `readNext` of a log that now ends at `next`:
 * undefined where it stands, else the goal of a new generation. Offsets from `next` on will be given
 * to other events, so nothing that names one may stay; what is not settled below is read again.
 */
export function goalAfterLoss(
  consumer: Consumer,
  readNext: Offset,
  next: Offset,
): Offset | undefined {
  const isWithin = (deliveries: ReadonlyMap<Offset, unknown>): boolean => {
    for (const offset of deliveries.keys()) if (offset >= next) return false;
    return true;
  };
  const { start, open, retries } = consumer;
  if (start <= next && readNext <= next && isWithin(open) && isWithin(retries)) return undefined;
  return Math.min(next, consumer.lowestUnsettled(readNext));
}
