import type { Offset } from "../kernel/ids.ts";
import type { Delivery } from "./entry.ts";

/**
 * Whose turn it is to be the probe. An event that was never tried goes first, so that a run of
 * poison events keeps nobody out for longer than it takes to find the first good one; with none left
 * the others take turns, parked ones among them.
 */
export class ProbeTurns {
  /** The highest offset that is known to pass the filter. */
  #known: Offset = -1;
  /** Below or at it everything known has been tried, or was on its way. */
  #tried: Offset = -1;
  #turn: Offset = -1;

  noted(offset: Offset): void {
    if (offset > this.#known) this.#known = offset;
  }

  tried(offset: Offset): void {
    if (offset > this.#tried) this.#tried = offset;
  }

  /** Whether something is known that was never tried. */
  get hasFresh(): boolean {
    return this.#known > this.#tried;
  }

  next(
    open: ReadonlyMap<Offset, Delivery>,
    retries: ReadonlyMap<Offset, Delivery>,
    mayGo: (delivery: Delivery) => boolean,
  ): Delivery | undefined {
    const places = { deliveries: [open, retries], mayGo };
    const fresh = this.hasFresh ? lowestAbove(this.#tried, places) : undefined;
    if (fresh !== undefined) return fresh;
    this.#tried = this.#known;
    const next = lowestAbove(this.#turn, places) ?? lowestAbove(-1, places);
    if (next !== undefined) this.#turn = next.offset;
    return next;
  }
}

interface Places {
  readonly deliveries: readonly ReadonlyMap<Offset, Delivery>[];
  /** Order by key may keep one back. */
  readonly mayGo: (delivery: Delivery) => boolean;
}

/** Probes are seconds apart, so this may look at every delivery there is. */
function lowestAbove(offset: Offset, places: Places): Delivery | undefined {
  let found: Delivery | undefined;
  for (const deliveries of places.deliveries) {
    for (const delivery of deliveries.values()) {
      if (delivery.offset <= offset || delivery.isTaken || !places.mayGo(delivery)) continue;
      if (found === undefined || delivery.offset < found.offset) found = delivery;
    }
  }
  return found;
}
