import type { DelayedEvent } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { DelayedPlace } from "./delayed-id.ts";
import { comparePlaces } from "./delayed-id.ts";

/** Before every other place. */
const BEGINNING: DelayedPlace = { dueAt: -Infinity, id: "" };
const END: DelayedPlace = { dueAt: Infinity, id: "" };

/**
 * The next of a bus's delayed events, in memory and in their order. Everything stored up to
 * `loadedTo` is in it, save what its owner has taken out; what lies behind is in the store alone.
 */
export class DelayedWindow {
  /** Sorted; what has been taken lies before #start. */
  #events: DelayedEvent[] = [];
  #start = 0;
  #bytes = 0;
  #loadedTo: DelayedPlace = BEGINNING;

  get size(): number {
    return this.#events.length - this.#start;
  }

  get head(): DelayedEvent | undefined {
    return this.#events[this.#start];
  }

  get loadedTo(): DelayedPlace {
    return this.#loadedTo;
  }

  /** Whether the store has more than this window, and the window has room. */
  get wantsMore(): boolean {
    if (this.#loadedTo === END) return false;
    const isHalfFull =
      this.size * 2 > limits.delayedWindowEventsMax ||
      this.#bytes * 2 > limits.delayedWindowBytesMax;
    return !isHalfFull;
  }

  /** What a load may bring. */
  get room(): { readonly limit: number; readonly bytes: number } {
    return {
      limit: Math.max(1, limits.delayedWindowEventsMax - this.size),
      bytes: Math.max(0, limits.delayedWindowBytesMax - this.#bytes),
    };
  }

  /** What the store has behind `loadedTo`, without what is taken; `last` is where that ended. */
  load(events: readonly DelayedEvent[], last: DelayedPlace | undefined): void {
    for (const event of events) {
      this.#events.push(event);
      this.#bytes += event.payload.length;
    }
    this.#loadedTo = last ?? END;
  }

  /** Takes in an event that is stored now, or is to be appended after all. */
  insert(event: DelayedEvent): void {
    if (comparePlaces(event, this.#loadedTo) > 0) return;
    let low = this.#start;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#events[middle] ?? event;
      if (comparePlaces(other, event) < 0) low = middle + 1;
      else high = middle;
    }
    if (this.#events[low]?.id === event.id) return;
    this.#events.splice(low, 0, event);
    this.#bytes += event.payload.length;
    this.#shed();
  }

  /** Takes out what is due, in order and as much as one append may carry. */
  takeDue(now: EpochMs): readonly DelayedEvent[] {
    const taken: DelayedEvent[] = [];
    let bytes = 0;
    for (let event = this.head; event !== undefined && event.dueAt <= now; event = this.head) {
      bytes += event.payload.length;
      const isFull =
        taken.length === limits.delayedGroupEventsMax || bytes > limits.delayedGroupBytesMax;
      if (isFull && taken.length > 0) break;
      taken.push(event);
      this.#bytes -= event.payload.length;
      this.#start += 1;
    }
    this.#compact();
    return taken;
  }

  /** Takes out one event; undefined when it is not here. */
  remove(id: string): DelayedEvent | undefined {
    const index = this.#events.findIndex((event, at) => at >= this.#start && event.id === id);
    if (index < 0) return undefined;
    const [event] = this.#events.splice(index, 1);
    this.#bytes -= event?.payload.length ?? 0;
    return event;
  }

  /** Forgets everything: the store is asked again. */
  reset(): void {
    this.#events = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#loadedTo = BEGINNING;
  }

  #compact(): void {
    if (this.#start * 2 <= this.#events.length) return;
    this.#events.splice(0, this.#start);
    this.#start = 0;
  }

  /** The latest leave a window that has grown too large; one event always stays. */
  #shed(): void {
    while (
      this.size > 1 &&
      (this.size > limits.delayedWindowEventsMax || this.#bytes > limits.delayedWindowBytesMax)
    ) {
      this.#bytes -= this.#events.pop()?.payload.length ?? 0;
      this.#loadedTo = this.#events.at(-1) ?? BEGINNING;
    }
  }
}
