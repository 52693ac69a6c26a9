import type { Delivery } from "./entry.ts";
import { promote } from "./key-order.ts";
import type { OrderedConsumer } from "./key-order.ts";
import { withoutRow } from "./recent-endings.ts";
import type { Ending } from "./recent-endings.ts";
import { replayReturned } from "./replay.ts";
import type { Replay } from "./replay.ts";

export interface TakingBack extends OrderedConsumer {
  readonly replays: ReadonlyMap<string, Replay>;
}

/** The circuit opened: what was given up since the last success waits again. Answers what did. */
export function takeBackRow(consumer: TakingBack): readonly Ending[] {
  const back = consumer.endings.takeBack(consumer.circuit.row);
  for (const { delivery } of back) takeBack(consumer, delivery);
  if (back.length > 0) sortOpen(consumer);
  return back;
}

/** As if the attempts since the last success had not been made. */
function takeBack(consumer: TakingBack, delivery: Delivery): void {
  const name = delivery.retry?.replay;
  const replay = name === undefined ? undefined : consumer.replays.get(name);
  if (replay !== undefined) replayReturned(replay);
  const retry = withoutRow(delivery.retry, consumer.circuit.row);
  delivery.retry = retry;
  delivery.probe = 0;
  delivery.isTaken = false;
  if (retry === undefined) {
    consumer.move(delivery, "return");
    consumer.open.set(delivery.offset, delivery);
    if (consumer.lanes === undefined) consumer.lines.refer(delivery);
    else promote(consumer, consumer.lanes.stay(delivery));
    return;
  }
  consumer.move(delivery, "returnParked");
  consumer.retries.set(delivery.offset, delivery);
  consumer.changedRetries.add(delivery.offset);
  if (consumer.lanes === undefined) consumer.lines.scheduleRetry(delivery, consumer.retries.size);
  else promote(consumer, consumer.lanes.stay(delivery));
}

/** What came back lies below what was read since; position() wants the lowest first. */
function sortOpen(consumer: TakingBack): void {
  const deliveries = [...consumer.open.values()];
  deliveries.sort((left, right) => left.offset - right.offset);
  consumer.open.clear();
  for (const delivery of deliveries) consumer.open.set(delivery.offset, delivery);
}
