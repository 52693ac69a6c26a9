import type { Attempt } from "../api/api.ts";
import type { EventView } from "../event/event-view.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import type { BufferBudget } from "./contract.ts";
import { keyUnknown } from "./ordering.ts";
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
 * (see circuit.ts), `answer` may be this event's alone.
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
  /** The circuit's row of failures that the latest attempts belong to, and how many they are. */
  readonly row: number;
  readonly attemptsOfRow: number;
  /** The replay that has redriven its dead letter, if any. */
  readonly replay?: string | undefined;
  /** Its retries are over and its key waits for an operator. */
  readonly blocked?: BlockedFacts | undefined;
}

/** Why the first event of a key is not attempted any more, see `ordering.onFailure: "block"`. */
export interface BlockedFacts {
  /** Why its retries ended; as of a dead letter. */
  readonly reason: string;
  /** The key for people; cut if it is long. */
  readonly key: string;
  readonly since: EpochMs;
  /** For the dead letter that an operator may make of it. */
  readonly eventType: string;
  readonly eventSource: string;
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
  /** By offset in the list of references; a probe may have taken it all the same. */
  isReferenced: boolean;
  /** The number of the probe it went out as; 0 = it is none. What a probe comes to is not counted. */
  probe: number;
  /** Grows when it is scheduled anew or taken; older entries in heaps and lists are void. */
  ticket: number;
  /** Of ordered subscriptions: its key as a number, see ordering.ts; keyUnknown elsewhere. */
  key: number;
  /** Of ordered subscriptions: the next one of its key. */
  behind: Delivery | undefined;
  /** Known once it was in memory. */
  appendedAt: EpochMs | undefined;
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
    isReferenced: false,
    probe: 0,
    ticket: 0,
    key: keyUnknown,
    behind: undefined,
    appendedAt: live?.time,
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
