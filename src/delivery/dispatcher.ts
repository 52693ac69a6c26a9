import type { SinkDelivery } from "../connector/sink.ts";
import type { EventView } from "../event/event-view.ts";
import type { CloudEvent } from "../event/event.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import type { BusName } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { TransformResult } from "../transform/transformer.ts";
import type { Consumer } from "./consumer.ts";
import type { SubscriptionPlan } from "./contract.ts";
import type { Delivery } from "./entry.ts";
import { Fifo } from "./fifo.ts";
import { Flight } from "./flight.ts";
import { passesFilter } from "./passes-filter.ts";
import type { Settler } from "./settler.ts";
import type { SteadyTime } from "./steady-time.ts";

export interface DispatcherOptions {
  readonly bus: BusName;
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly logger: Logger;
  readonly settler: Settler;
  /** Whether results wait too long for their commit. */
  readonly isStalled: () => boolean;
  /** A consumer has had its turn: read for it, fetch for it, wake it when something is due. */
  readonly afterTurn: (consumer: Consumer) => void;
}

/** Attempts a subscription may start before the next one has its turn. */
const attemptsPerTurnOfOne = 32;

/**
 * Starts attempts, fairly: subscriptions with something to send stand in a line, each starts a few
 * attempts and goes to the end of it; after attemptsPerTurnMax the event loop has its turn.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #line: Fifo<Consumer> = new Fifo();
  readonly #inLine: Set<Consumer> = new Set();
  readonly #idleFlights: Flight[] = [];
  #inFlight = 0;
  #isDraining = false;
  #isTurnScheduled = false;
  #isStopped = false;
  #whenLanded: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** It may have something to send now. */
  ready(consumer: Consumer): void {
    if (this.#inLine.has(consumer)) return;
    this.#inLine.add(consumer);
    this.#line.push(consumer);
  }

  /** Serves the line; called at the end of whatever made somebody ready. */
  drain(): void {
    if (this.#isDraining || this.#isStopped || this.#isTurnScheduled) return;
    if (this.#line.size === 0 || this.#options.isStalled()) return;
    this.#isDraining = true;
    let left: number = limits.attemptsPerTurnMax;
    while (left > 0) {
      const consumer = this.#line.shift();
      if (consumer === undefined) break;
      this.#inLine.delete(consumer);
      left -= 1 + this.#serve(consumer);
    }
    this.#isDraining = false;
    if (this.#line.size > 0) this.#scheduleTurn();
  }

  /** Starts nothing any more; resolves when nothing is in flight. */
  stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenLanded = resolve;
    });
  }

  #scheduleTurn(): void {
    this.#isTurnScheduled = true;
    setImmediate(() => {
      this.#isTurnScheduled = false;
      this.drain();
    });
  }

  #serve(consumer: Consumer): number {
    const now = this.#options.time.now();
    let started = 0;
    while (started < attemptsPerTurnOfOne) {
      const delivery = consumer.nextInMemory(now);
      if (delivery === undefined) break;
      this.#attempt(consumer, delivery);
      started += 1;
    }
    if (started === attemptsPerTurnOfOne) this.ready(consumer);
    if (!consumer.isClosed) this.#options.afterTurn(consumer);
    return started;
  }

  #attempt(consumer: Consumer, delivery: Delivery): void {
    const { plan } = consumer;
    const { live } = delivery;
    assert(live !== undefined, "what is in memory has its event");
    const { settler, logger } = this.#options;
    if (delivery.matchedRevision !== plan.revision) {
      if (!passesFilter(consumer, live.view, logger)) {
        settler.filteredOut(consumer, delivery);
        return;
      }
      delivery.matchedRevision = plan.revision;
    }
    consumer.begin(delivery);
    const result = transformed(plan, live.view);
    if (result.ok) this.#send(consumer, delivery, result.event);
    else settler.transformFailed(consumer, delivery, result.failure);
  }

  #send(consumer: Consumer, delivery: Delivery, event: CloudEvent): void {
    const { bus, time, clock } = this.#options;
    const { plan } = consumer;
    const request: SinkDelivery = {
      event,
      subscription: plan.id,
      bus,
      offset: delivery.offset,
      attempt: (delivery.retry?.attempts ?? 0) + 1,
      timeoutMs: plan.timeoutMs,
    };
    const flight = this.#idleFlights.pop() ?? this.#newFlight();
    flight.start({ consumer, delivery, plan, request, startedAt: time.now(), time: clock.now() });
    this.#inFlight += 1;
    plan.sink.send(request, flight.settled);
  }

  #newFlight(): Flight {
    return new Flight((flight, facts, outcome) => {
      this.#idleFlights.push(flight);
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#whenLanded?.();
      if (facts.consumer.isClosed) return;
      this.#options.settler.settle(facts, outcome);
      this.ready(facts.consumer);
      this.drain();
    });
  }
}

function transformed(plan: SubscriptionPlan, view: EventView): TransformResult {
  if (plan.transformer === undefined) return { ok: true, event: view.event };
  try {
    return plan.transformer.transform(view);
  } catch (error) {
    // A fault of ours; as a dead letter it is seen, kept, and stops nobody else.
    const message = `the transformer threw: ${String(error)}`;
    return { ok: false, failure: { path: "transformer", code: "internal", message } };
  }
}
