import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import type { Consumer } from "./consumer.ts";
import type { DeliveryStatus, EventPlace } from "./contract.ts";
import { isHeld } from "./pace.ts";

export interface PlaceInput {
  readonly consumer: Consumer;
  readonly status: DeliveryStatus;
  readonly offset: Offset;
  /** The first offset that nobody has read for it. */
  readonly readNext: Offset;
  readonly now: EpochMs;
}

/** Where an event is in the present generation of a subscription. */
export function placeOf(input: PlaceInput): EventPlace {
  const { consumer, status, offset } = input;
  const delivery = consumer.retries.get(offset) ?? consumer.open.get(offset);
  return {
    plan: consumer.plan,
    generation: consumer.generation,
    start: consumer.start,
    where: whereIs(input),
    history: delivery?.retry?.history ?? [],
    counters: status.counters,
    previous: consumer.previous.filter((totals) => offset >= totals.start && offset < totals.next),
  };
}

function whereIs(input: PlaceInput): EventPlace["where"] {
  const { consumer, offset, readNext } = input;
  if (offset < consumer.start) return { place: "beforeStart" };
  if (offset >= readNext) return { place: "pending", why: whyUnread(input), position: readNext };
  const delivery = consumer.retries.get(offset) ?? consumer.open.get(offset);
  if (delivery !== undefined) {
    const attempts = delivery.retry?.attempts ?? 0;
    if (delivery.state === "inFlight") return { place: "inFlight", attempt: attempts + 1 };
    const why = whyWaiting(input);
    const { retry } = delivery;
    if (retry === undefined) return { place: "waiting", why };
    return { place: "parked", dueAt: retry.dueAt, attempts, why };
  }
  const range = consumer.expiredRanges.list.find(({ from, to }) => from <= offset && offset <= to);
  return range === undefined ? { place: "settled" } : { place: "expired", ...range };
}

function whyUnread(input: PlaceInput): string {
  const { consumer, readNext } = input;
  if (consumer.isFullOfRetries && !consumer.isPaused) {
    return `so many events are parked that it reads no further than offset ${readNext} (parkedMax)`;
  }
  return `it has been read up to offset ${readNext}; ${whyWaiting(input)}`;
}

function whyWaiting({ consumer, offset, now }: PlaceInput): string {
  if (consumer.isGone) return "the subscription is paused, because its sink answered 410 Gone";
  if (consumer.isPaused) return "the subscription is paused";
  if (consumer.isCut)
    return `the circuit is ${consumer.circuit.state}: ${consumer.circuit.reason ?? "failures in a row"}`;
  if (isHeld(consumer.pace, now)) {
    const until = new Date(Math.ceil(consumer.pace.heldUntil)).toISOString();
    return `the sink asked to wait until ${until}`;
  }
  return whyInLane(consumer, offset) ?? "it waits for its turn";
}

/** With ordering: what keeps it back besides what keeps back all. */
function whyInLane({ lanes, retries, open }: Consumer, offset: Offset): string | undefined {
  const delivery = retries.get(offset) ?? open.get(offset);
  if (lanes === undefined || delivery === undefined) return undefined;
  if (delivery.retry?.blocked !== undefined) return "it blocks its key until somebody decides";
  if (lanes.isChosen(delivery)) return undefined;
  return lanes.isLearning
    ? "the keys of what waits are being read"
    : "an earlier event of its key is not settled";
}
