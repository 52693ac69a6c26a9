import assert from "node:assert/strict";
import type { Outcome, SinkDelivery } from "../../src/connector/sink.ts";
import type { OrderingPlan } from "../../src/delivery/ordering.ts";
import { ScriptedSink } from "./harness.ts";
import type { Script, World } from "./harness.ts";

export type KeyOf = (offset: number) => string | undefined;

export function orderingBy(
  by: string,
  keyOf: KeyOf,
  onFailure: OrderingPlan["onFailure"] = "dead-letter-and-continue",
): OrderingPlan {
  return { by, onFailure, read: (view) => keyOf(Number(view.event.id)) };
}

/**
 * A far end that holds P5: it throws when an event comes while an earlier one of its key is not
 * settled, and when one is taken for the first time after a later one of its key.
 */
export class OrderedSink extends ScriptedSink {
  keyOf: KeyOf;
  readonly #world: World;
  readonly #name: string;
  readonly #underWay: Set<number> = new Set();
  /** The highest offset taken of each key, in this era. */
  readonly #taken: Map<string, number> = new Map();
  readonly #everTaken: Set<number> = new Set();
  /** Below it everything has been seen settled in this era. */
  readonly #settled: Set<number> = new Set();
  #era = 0;
  checks = 0;

  constructor(world: World, name: string, keyOf: KeyOf, script?: Script) {
    super(world.clock, script);
    this.#world = world;
    this.#name = name;
    this.keyOf = keyOf;
  }

  /** A seek or another ordering: from here on what was taken before says nothing. */
  newEra(): void {
    this.#era += 1;
    this.#taken.clear();
    this.#everTaken.clear();
    this.#settled.clear();
  }

  /** The process died: nobody hears the answers, and state may go back a little. */
  crashed(): void {
    this.#underWay.clear();
    this.#settled.clear();
    this.hanging.length = 0;
  }

  override send(delivery: SinkDelivery, settled: (outcome: Outcome) => void): void {
    const { offset } = delivery;
    const era = this.#era;
    this.#checkStart(offset);
    this.#underWay.add(offset);
    super.send(delivery, (outcome) => {
      this.#underWay.delete(offset);
      if (outcome.outcome === "delivered" && era === this.#era) this.#checkTaken(offset);
      settled(outcome);
    });
  }

  #checkStart(offset: number): void {
    const key = this.keyOf(offset);
    if (key === undefined) return;
    for (const other of this.#underWay) {
      assert.notEqual(this.keyOf(other), key, `${other} and ${offset} of ${key} are under way`);
    }
    const { start } = this.#world.delivery.status(this.#name);
    for (let earlier = start; earlier < offset; earlier += 1) {
      if (this.keyOf(earlier) !== key || this.#settled.has(earlier)) continue;
      const { place } = this.#world.delivery.placeOf(this.#name, earlier).where;
      assert(
        place === "settled" || place === "expired",
        `${offset} of ${key} is attempted while ${earlier} is ${place}`,
      );
      this.#settled.add(earlier);
      this.checks += 1;
    }
  }

  #checkTaken(offset: number): void {
    const key = this.keyOf(offset);
    if (key === undefined || this.#everTaken.has(offset)) return;
    this.#everTaken.add(offset);
    const highest = this.#taken.get(key) ?? -1;
    assert(offset > highest, `${offset} of ${key} was taken first after ${highest}`);
    this.#taken.set(key, offset);
  }
}
