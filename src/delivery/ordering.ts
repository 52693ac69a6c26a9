import type { EventView } from "../event/event-view.ts";
import type { EventKeyReader } from "../filter/compile.ts";

/** What becomes of the key when the retries of an event are used up. */
export type OrderingFailure = "dead-letter-and-continue" | "block";

/** `config.ordering`, compiled. */
export interface OrderingPlan {
  /** The path as given; what was learned by another one is void. */
  readonly by: string;
  readonly onFailure: OrderingFailure;
  readonly read: EventKeyReader;
}

/** The event has not been looked at with this ordering. */
export const keyUnknown = -1;
/** It has been, and it has no key: it is not ordered. */
export const keyNone = 0;

/**
 * A key is kept as a number of 53 bits, in memory and in parked rows, so that a restart knows the
 * keys without reading the events. Two keys with one number share a lane, which delivers them in
 * stricter order than asked, and nothing worse.
 */
export function keyOf(ordering: OrderingPlan, view: EventView): number {
  const text = ordering.read(view);
  return text === undefined ? keyNone : hashKey(text);
}

/** From 1 on. Stored: a change of this function voids the keys of all parked rows. */
export function hashKey(text: string): number {
  let low = 0x2545f491;
  let high = 0x6c62272e;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995);
    high ^= high >>> 15;
  }
  low = scatter(low ^ text.length);
  high = scatter(high ^ low);
  return 1 + (high & 0xfffff) * 2 ** 32 + (low >>> 0);
}

/** Every bit of the result depends on every bit of the value. */
function scatter(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x7feb352d);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}

/** As people are shown it; a key may be of any length. */
export function shownKey(text: string): string {
  const shownMax = 200;
  return text.length <= shownMax ? text : `${text.slice(0, shownMax)}…`;
}
