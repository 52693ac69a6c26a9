import type { Outcome, SinkDelivery } from "../connector/sink.ts";
import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Consumer } from "./consumer.ts";
import type { SubscriptionPlan } from "./contract.ts";
import type { Delivery } from "./entry.ts";

/** What is under way, while it is. */
export interface FlightFacts {
  readonly consumer: Consumer;
  readonly delivery: Delivery;
  /** As it was when the attempt started. */
  readonly plan: SubscriptionPlan;
  readonly request: SinkDelivery;
  readonly startedAt: EpochMs;
  /** The wall clock then, for people. */
  readonly time: EpochMs;
  /** Of several events in one request all but one: the request has been judged by that one. */
  readonly isEcho?: boolean;
}

/**
 * The callback of one attempt under way. Flights are used again and again, so that an attempt
 * makes no closure.
 */
export class Flight {
  #facts: FlightFacts | undefined;
  readonly settled: (outcome: Outcome) => void;

  constructor(onSettled: (flight: Flight, facts: FlightFacts, outcome: Outcome) => void) {
    this.settled = (outcome) => {
      const facts = this.#facts;
      assert(facts !== undefined, "a sink settles an attempt once");
      this.#facts = undefined;
      onSettled(this, facts, outcome);
    };
  }

  start(facts: FlightFacts): void {
    assert(this.#facts === undefined, "a flight carries one attempt at a time");
    this.#facts = facts;
  }
}
