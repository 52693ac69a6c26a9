import type { BatchLimits, Outcome, SinkDelivery } from "../connector/sink.ts";
import type { CloudEvent } from "../event/event.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import type { BusName } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Ready } from "./batching.ts";
import type { Consumer } from "./consumer.ts";
import type { Delivery } from "./entry.ts";
import { Fifo } from "./fifo.ts";
import { Flight } from "./flight.ts";
import type { FlightFacts } from "./flight.ts";
import { heirOf } from "./generations.ts";
import { passesFilter } from "./passes-filter.ts";
import type { Settler } from "./settler.ts";
import type { SteadyTime } from "./steady-time.ts";
import { transformed } from "./transformed.ts";

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
    const { batch } = consumer.plan.sink;
    let started = 0;
    while (batch !== undefined && started < attemptsPerTurnOfOne) {
      const sent = this.#attemptBatch(consumer, batch, now);
      if (sent === 0) break;
      started += sent;
    }
    while (batch === undefined && started < attemptsPerTurnOfOne) {
      const delivery = consumer.nextInMemory(now);
      if (delivery === undefined) break;
      this.#attempt(consumer, delivery);
      started += 1;
    }
    if (started >= attemptsPerTurnOfOne) this.ready(consumer);
    if (!consumer.isClosed) this.#options.afterTurn(consumer);
    return started;
  }

  #attempt(consumer: Consumer, delivery: Delivery): void {
    const facts = this.#begin(consumer, delivery);
    if (facts === undefined) return;
    const flight = this.#idleFlights.pop() ?? this.#newFlight();
    flight.start(facts);
    this.#inFlight += 1;
    facts.plan.sink.send(facts.request, flight.settled);
  }

  /** Sends what is ready in one request, if it need not wait for more; answers how many it took. */
  #attemptBatch(consumer: Consumer, batch: BatchLimits, now: EpochMs): number {
    if (!consumer.linger.isOver(readyOf(consumer, batch), batch, now)) return 0;
    const flights: FlightFacts[] = [];
    let taken = 0;
    let bytes = 0;
    while (flights.length < batch.maxEvents && bytes < batch.maxBytes) {
      const delivery = consumer.nextInMemory(now, flights.length === 0 ? "new" : "open");
      if (delivery === undefined) break;
      taken += 1;
      bytes += delivery.live?.bytes ?? 0;
      const facts = this.#begin(consumer, delivery);
      if (facts !== undefined) flights.push(facts);
    }
    if (taken > 0) consumer.linger.end();
    if (flights.length > 0) this.#sendBatch(consumer, flights);
    return taken;
  }

  #sendBatch(consumer: Consumer, flights: readonly FlightFacts[]): void {
    this.#inFlight += 1;
    consumer.requests += 1;
    const deliveries = flights.map(({ request }) => request);
    // One turn, one plan: a batch never mixes revisions.
    consumer.plan.sink.sendBatch(deliveries, (outcomes) => {
      const speaker = speakerOf(outcomes);
      for (const [index, facts] of flights.entries()) {
        const outcome = outcomes[index];
        assert(outcome !== undefined, "a batch has an outcome for each of its events");
        this.#settle(index === speaker ? facts : { ...facts, isEcho: true }, outcome);
      }
      consumer.requests -= 1;
      this.#landed(consumer);
    });
  }

  /** The attempt has begun; undefined where nothing is to be sent. */
  #begin(consumer: Consumer, delivery: Delivery): FlightFacts | undefined {
    const { plan } = consumer;
    const { live } = delivery;
    assert(live !== undefined, "what is in memory has its event");
    const { settler, logger } = this.#options;
    if (delivery.matchedRevision !== plan.revision) {
      if (!passesFilter(consumer, live.view, logger)) {
        settler.filteredOut(consumer, delivery);
        return undefined;
      }
      delivery.matchedRevision = plan.revision;
    }
    consumer.begin(delivery, this.#options.time.now());
    const result = transformed(plan, live.view);
    if (result.ok) return this.#factsOf(consumer, delivery, result.event);
    settler.transformFailed(consumer, delivery, result.failure);
    return undefined;
  }

  #factsOf(consumer: Consumer, delivery: Delivery, event: CloudEvent): FlightFacts {
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
    return { consumer, delivery, plan, request, startedAt: time.now(), time: clock.now() };
  }

  #newFlight(): Flight {
    return new Flight((flight, facts, outcome) => {
      this.#idleFlights.push(flight);
      this.#settle(facts, outcome);
      this.#landed(facts.consumer);
    });
  }

  #settle(facts: FlightFacts, outcome: Outcome): void {
    const { settler } = this.#options;
    if (!facts.consumer.isClosed) {
      settler.settle(facts, outcome);
      return;
    }
    settler.late(facts, outcome);
    const heir = heirOf(facts.consumer);
    if (heir !== facts.consumer) heir.oldAttempts -= 1;
  }

  /** A request is over. */
  #landed(consumer: Consumer): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#whenLanded?.();
    const heir = heirOf(consumer);
    if (heir.isClosed) return;
    this.ready(heir);
    this.drain();
  }
}

function readyOf(consumer: Consumer, { maxBytes }: BatchLimits): Ready {
  const { queue, returned } = consumer.lines;
  const bytesOf = ({ live }: Delivery): number => live?.bytes ?? 0;
  const queued = queue.sumTo(maxBytes, bytesOf);
  return {
    events: queue.size + returned.size,
    bytes: queued + returned.sumTo(maxBytes - queued, bytesOf),
  };
}

/**
 * The event whose outcome says what the request came to, for pace and circuit: one that was taken,
 * for then somebody is there and the failures are those events' own; else the first.
 */
function speakerOf(outcomes: readonly Outcome[]): number {
  const taken = outcomes.findIndex(({ outcome }) => outcome === "delivered");
  return Math.max(0, taken);
}
