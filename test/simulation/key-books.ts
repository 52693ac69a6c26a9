import assert from "node:assert/strict";
import type { CloudEvent } from "../../src/event/event.ts";
import type { Ledger } from "./ledger.ts";

export interface Ordering {
  readonly by: string;
  /** The same key, told by the test in its own words. */
  readonly keyOf: (event: CloudEvent) => string | undefined;
  readonly onFailure: "dead-letter-and-continue" | "block";
}

export interface Sending {
  readonly offset: number;
  readonly event: CloudEvent;
  readonly inFlight: ReadonlySet<number>;
  readonly wants: (event: CloudEvent) => boolean;
  /** Whether the far end knows that it has ended for good, with nothing that could bring it back. */
  readonly hasEnded: (offset: number) => boolean;
  /** What the broker says; asked where the far end cannot know. */
  readonly placeOf: (offset: number) => string;
}

/**
 * P5, kept at the far end of one subscription: of each key one at a time, none before its
 * predecessors have ended, and taken for the first time in the order of the bus.
 */
export class KeyBooks {
  readonly #ordering: Ordering;
  readonly #ledger: Ledger;
  readonly #highest: Map<string, number> = new Map();
  readonly #taken: Set<number> = new Set();
  checks = 0;

  constructor(ordering: Ordering, ledger: Ledger) {
    this.#ordering = ordering;
    this.#ledger = ledger;
  }

  /** A seek: what was taken before says nothing about what comes. */
  forget(): void {
    this.#highest.clear();
    this.#taken.clear();
  }

  assertTurn({ offset, event, inFlight, wants, hasEnded, placeOf }: Sending): void {
    const { keyOf } = this.#ordering;
    const key = keyOf(event);
    if (key === undefined) return;
    for (const other of inFlight) {
      const known = this.#ledger.at(other);
      const isOther = known === undefined || keyOf(known.event) !== key;
      assert(isOther, `${offset} of key ${key} is sent while ${other} is in flight (P5)`);
    }
    for (const [earlier, known] of this.#ledger.known()) {
      if (earlier >= offset || keyOf(known.event) !== key || !wants(known.event)) continue;
      this.checks += 1;
      if (this.#ledger.isGone(earlier) || hasEnded(earlier)) continue;
      const place = placeOf(earlier);
      const isOver = place === "settled" || place === "expired" || place === "beforeStart";
      assert(isOver, `${offset} of key ${key} is sent while ${earlier} is ${place} (P5)`);
    }
  }

  took(offset: number, event: CloudEvent): void {
    const key = this.#ordering.keyOf(event);
    if (key === undefined || this.#taken.has(offset)) return;
    this.#taken.add(offset);
    const highest = this.#highest.get(key) ?? -1;
    assert(offset > highest, `${offset} of key ${key} is taken first after ${highest} (P5)`);
    this.#highest.set(key, offset);
  }
}
