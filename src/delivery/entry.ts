import type { Attempt } from "../api/api.ts";
import type { EventView } from "../event/event-view.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import type { BufferBudget } from "./contract.ts";
import type { DeliveryState } from "./states.ts";

/** An event in memory, shared by all deliveries that hold it. */
export interface LiveEvent {
  readonly offset: Offset;
  /** When it was appended. */
  readonly time: EpochMs;
  readonly view: EventView;
  readonly bytes: number;
  holders: number;
}

/**
 * What failed, seen from the consumer: `connection` is the endpoint's fault whatever the event
 * (it also slows sending down, see pace.ts), `answer` may be this event's alone.
 */
export type FailureCause = "connection" | "answer";

/** What a delivery remembers once a counted attempt of it has failed. */
export interface RetryFacts {
  /** Counted attempts so far. */
  attempts: number;
  /** maxAge runs from here. */
  readonly firstAttemptAt: EpochMs;
  /** What the subscription's stillness clock showed then; see Consumer.stillMs. */
  readonly stillMsAtFirst: number;
  /** The event's append time, so that lag is known without reading it. */
  readonly appendedAt: EpochMs;
  dueAt: EpochMs;
  cause: FailureCause;
  /** The first and the latest attempts; bounded. */
  history: readonly Attempt[];
}

/**
 * One event for one subscription, from the moment its filter passed until it is settled. It holds
 * the event only while that is of use; parked and released ones are read again by offset.
 */
export interface Delivery {
  readonly offset: Offset;
  state: DeliveryState;
  live: LiveEvent | undefined;
  retry: RetryFacts | undefined;
  /** The plan revision whose filter it passed; -1 = unknown, so it is checked at the attempt. */
  matchedRevision: number;
  /** Being read, read, or in flight: not to be chosen a second time. */
  isTaken: boolean;
  /** Grows when it is scheduled anew or taken; older entries in heaps and lists are void. */
  ticket: number;
}

/** An entry of the retry schedule or the early list; void once the delivery's ticket moved on. */
export interface Scheduled {
  readonly at: EpochMs;
  readonly ticket: number;
  readonly delivery: Delivery;
}

export function isCurrent(entry: Scheduled): boolean {
  return entry.delivery.ticket === entry.ticket && entry.delivery.state === "parked";
}

export function createDelivery(offset: Offset, live: LiveEvent | undefined): Delivery {
  return {
    offset,
    state: "waiting",
    live,
    retry: undefined,
    matchedRevision: -1,
    isTaken: false,
    ticket: 0,
  };
}

/** What an event costs in memory besides its payload: the decoded attributes, the view. */
const liveOverheadBytes = 256;

export function createLiveEvent(
  record: { readonly offset: Offset; readonly time: EpochMs; readonly bytes: number },
  view: EventView,
): LiveEvent {
  return {
    offset: record.offset,
    time: record.time,
    view,
    bytes: record.bytes + liveOverheadBytes,
    holders: 0,
  };
}

export function hold(live: LiveEvent, budget: BufferBudget): void {
  if (live.holders === 0) budget.bytes += live.bytes;
  live.holders += 1;
}

export function letGo(live: LiveEvent, budget: BufferBudget): void {
  live.holders -= 1;
  if (live.holders === 0) budget.bytes -= live.bytes;
}
