import assert from "node:assert/strict";
import type {
  BatchLimits,
  OpenSink,
  Outcome,
  SinkDelivery,
  SinkRequest,
} from "../../src/connector/sink.ts";
import type {
  AttemptNotice,
  BusDelivery,
  DeliveryStatus,
  OrderingPlan,
  SubscriptionPlan,
} from "../../src/delivery/delivery.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { compileEventKey, compileFilters } from "../../src/filter/compile.ts";
import { limits } from "../../src/kernel/limits.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import { answersOf, timeoutMs } from "./far-end.ts";
import type { Mood } from "./far-end.ts";
import { KeyBooks } from "./key-books.ts";
import type { Ordering } from "./key-books.ts";
import type { Life } from "./life.ts";
import type { Ledger } from "./ledger.ts";
import type { Trace } from "./trace.ts";

export interface ConsumerSettings {
  readonly id: string;
  readonly filters: readonly unknown[];
  /** The same filter, told by the test in its own words. */
  readonly wants: (event: CloudEvent) => boolean;
  readonly startOffset: number;
  readonly concurrency: number;
  readonly maxAttempts: number | undefined;
  readonly ordering: Ordering | undefined;
  readonly batch: BatchLimits | undefined;
  /** Attempts a second; 0 = no limit. */
  readonly rateLimit: number;
}

interface Surroundings {
  readonly random: SeededRandom;
  readonly ledger: Ledger;
  readonly trace: Trace;
  /** Grows with everything that happens: tells what was settled before a commit began. */
  readonly now: () => number;
  /** Keeps what fails inside a callback of the broker for the run to throw. */
  readonly guarded: (work: () => void) => void;
}

interface Settled {
  readonly at: number;
  readonly life: number;
  /** A dead letter, or discarded. */
  readonly isFailure: boolean;
}

interface Call {
  readonly life: Life;
  readonly deliveries: readonly SinkDelivery[];
  readonly settled: (outcomes: readonly Outcome[]) => void;
}

/**
 * A subscription, its far end, and what somebody who watches the far end knows of it (P2): which
 * events it took, how often each may come, and what must have come in the end.
 */
export class SimulatedConsumer {
  readonly settings: ConsumerSettings;
  readonly #around: Surroundings;
  readonly #filter;
  readonly #orderingPlan: OrderingPlan | undefined;
  readonly #keys: KeyBooks | undefined;
  /** By generation: offsets that the far end has taken at least once. */
  readonly #taken: Set<number>[] = [new Set(), new Set()];
  /** Where each generation begins; more than one is possible while a seek is under way. */
  readonly starts: number[];
  /** Grows with each seek: an answer to what was sent before is logged and settles nothing. */
  #epoch = 0;
  #isLate = false;
  #isSeeking = false;
  /** Offsets whose end was reported to the broker, and when. */
  readonly #settled = new Map<number, Settled>();
  /** Offsets that may come again although they were settled: a crash came before the commit. */
  readonly #repeatable = new Set<number>();
  /** Offsets that the opening circuit has given back. */
  readonly #returned = new Set<number>();
  readonly #failures = new Map<number, number>();
  readonly #inFlight = new Set<number>();
  #requests = 0;
  /** Attempts that the rate allows at this moment, and when that was counted. */
  #tokens = Number.POSITIVE_INFINITY;
  #tokensAt = 0;
  /** Heads of keys that an operator has skipped or buried: nobody tells the far end. */
  readonly #operated = new Set<number>();
  /** Whoever sends to it in this life. */
  delivery: BusDelivery | undefined;
  mood: Mood;
  isPaused = false;
  sends = 0;
  repeats = 0;
  #revision = 0;

  constructor(settings: ConsumerSettings, mood: Mood, around: Surroundings) {
    this.settings = settings;
    this.starts = [-1, settings.startOffset];
    this.mood = mood;
    this.#around = around;
    const compiled = compileFilters(settings.filters);
    assert(compiled.ok);
    this.#filter = compiled.filter;
    const { ordering } = settings;
    if (ordering === undefined) return;
    const key = compileEventKey(ordering.by);
    assert(key.ok);
    this.#orderingPlan = { by: ordering.by, onFailure: ordering.onFailure, read: key.read };
    this.#keys = new KeyBooks(ordering, around.ledger);
  }

  /** How often P5 had a predecessor to look at. */
  get orderChecks(): number {
    return this.#keys?.checks ?? 0;
  }

  /** The subscription as one life of the broker sees it. */
  plan(life: Life): SubscriptionPlan {
    const { id, startOffset, concurrency, maxAttempts, rateLimit } = this.settings;
    this.#revision += 1;
    return {
      id,
      revision: this.#revision,
      startOffset,
      filter: this.#filter,
      transformer: undefined,
      sink: this.#sink(life),
      concurrency,
      rateLimit,
      circuitKey: undefined,
      ordering: this.#orderingPlan,
      timeoutMs,
      retry: { maxAttempts, maxAgeMs: 86_400_000, minDelayMs: 100, maxDelayMs: 3000 },
      deadLetter: true,
      paused: this.isPaused,
    };
  }

  hasTaken(generation: number, offset: number): boolean {
    return this.#taken[generation]?.has(offset) ?? false;
  }

  /** A new generation is asked for: from now on everything may come again. */
  seekBegins(generation: number, goal: number): void {
    this.#isSeeking = true;
    this.starts[generation] = goal;
    this.#taken[generation] = new Set();
    this.#keys?.forget();
    this.#forget();
  }

  /** It is durable, or nobody knows because the broker died; what came meanwhile may come again. */
  seekEnds(): void {
    if (!this.#isSeeking) return;
    this.#isSeeking = false;
    this.#forget();
  }

  #forget(): void {
    this.#epoch += 1;
    this.#inFlight.clear();
    this.#requests = 0;
    this.#tokens = Number.POSITIVE_INFINITY;
    this.#settled.clear();
    this.#repeatable.clear();
    this.#returned.clear();
  }

  /** The broker has decided what became of an attempt. */
  noticed({ attempt }: AttemptNotice, life: number): void {
    const { outcome, offset } = attempt;
    this.#around.trace.add(`${this.settings.id} ${offset}: ${outcome}`);
    if (outcome === "retry" || this.#isLate) return;
    const isFailure = outcome !== "delivered";
    this.#settled.set(offset, { at: this.#around.now(), life, isFailure });
    this.#repeatable.delete(offset);
  }

  /** The broker died. What it had settled since its last commit began may come again. */
  lifeEnded(committedAt: number): void {
    for (const [offset, { at }] of this.#settled) {
      if (at > committedAt) this.#repeatable.add(offset);
    }
    if (this.#isSeeking) this.#keys?.forget();
    this.seekEnds();
    this.#inFlight.clear();
    this.#requests = 0;
    this.#tokens = Number.POSITIVE_INFINITY;
    this.delivery = undefined;
  }

  /** An operator has moved the blocked head of a key on. */
  operated(offset: number): void {
    this.#operated.add(offset);
  }

  wasOperated(offset: number): boolean {
    return this.#operated.has(offset);
  }

  /**
   * P2 between the acts: what the far end knows for certain, compared with what is said. After a
   * seek it cannot tell any more which generation an event came for.
   */
  assertCounted({ counters }: DeliveryStatus): void {
    if (this.starts.length > 2) return;
    const { id } = this.settings;
    assert.equal(counters.inFlight, this.#inFlight.size, `${id}: so many are in flight (P2)`);
    let delivered = 0;
    let failed = this.#operated.size;
    for (const [offset, { isFailure }] of this.#settled) {
      if (isFailure) failed += 1;
      else if (!this.#repeatable.has(offset)) delivered += 1;
    }
    assert.equal(counters.delivered, delivered, `${id}: so many were delivered (P2)`);
    assert(counters.dead + counters.skipped <= failed, `${id}: no more than ${failed} failed (P2)`);
  }

  #sink(life: Life): OpenSink {
    const { batch } = this.settings;
    return {
      send: (delivery, settled) => {
        const answer = ([outcome]: readonly Outcome[]): void => {
          assert(outcome !== undefined, "one event has one outcome");
          settled(outcome);
        };
        if (!life.isOver) this.#take({ life, deliveries: [delivery], settled: answer });
      },
      batch,
      sendBatch: (deliveries, settled) => {
        assert(batch !== undefined && deliveries.length <= batch.maxEvents);
        if (!life.isOver) this.#take({ life, deliveries, settled });
      },
      preview: ({ event }): SinkRequest => ({
        method: "POST",
        url: "http://sink/",
        headers: {},
        body: event.id,
      }),
      close: () => Promise.resolve(),
    };
  }

  #take({ life, deliveries, settled }: Call): void {
    const { trace, random, guarded } = this.#around;
    const { concurrency, id } = this.settings;
    guarded(() => assert(this.#requests < concurrency, `${id}: more than ${concurrency} requests`));
    for (const delivery of deliveries) {
      trace.add(`${id} gets ${delivery.offset}, attempt ${delivery.attempt}`);
      guarded(() => this.#assertExplained(delivery));
      guarded(() => this.#assertRate(life));
      this.sends += 1;
      this.#inFlight.add(delivery.offset);
    }
    this.#requests += 1;
    const { mood } = this;
    const outcomes = answersOf(mood, deliveries.length, { random, nowMs: life.monotonic() });
    const latencyMs = mood.latencyMs(random);
    // The far end has done its work before it answers, and whether or not the answer arrives.
    for (const [index, delivery] of deliveries.entries()) {
      const isTaken = outcomes[index]?.outcome === "delivered";
      if (isTaken || (mood.mayTakeAndFail === true && random.chance(0.5))) this.#took(delivery);
    }
    const epoch = this.#epoch;
    const answer = (): void => {
      if (!life.isOver) this.#answer({ life, deliveries, settled }, outcomes, epoch);
    };
    if (latencyMs > 0) life.after(latencyMs, answer);
    else setImmediate(answer);
  }

  #took({ offset, event }: SinkDelivery): void {
    // Which generation it was sent for is known only when a seek under way is known to be durable.
    for (const taken of this.#taken) taken.add(offset);
    this.#around.guarded(() => this.#keys?.took(offset, event));
  }

  #answer({ deliveries, settled }: Call, outcomes: readonly Outcome[], epoch: number): void {
    this.#isLate = epoch !== this.#epoch;
    if (!this.#isLate) this.#requests -= 1;
    for (const [index, { offset }] of deliveries.entries()) {
      if (!this.#isLate) this.#inFlight.delete(offset);
      if (outcomes[index]?.outcome === "retry")
        this.#failures.set(offset, this.#failed(offset) + 1);
    }
    settled(outcomes);
    this.#isLate = false;
  }

  #failed(offset: number): number {
    return this.#failures.get(offset) ?? 0;
  }

  /** An event that ended in failure is returned when the circuit opens, at most once. */
  #comesBack(offset: number): boolean {
    if (this.#settled.get(offset)?.isFailure !== true || this.#returned.has(offset)) return false;
    this.#returned.add(offset);
    this.#settled.delete(offset);
    return true;
  }

  #assertExplained({ offset, attempt, event, bus }: SinkDelivery): void {
    const { id, wants } = this.settings;
    const { ledger } = this.#around;
    const what = `subscription ${id}, offset ${offset}`;
    assert.equal(bus, "orders");
    ledger.assertUnchanged(offset, event);
    assert(wants(event), `${what}: the filter does not pass it`);
    const start = this.#isSeeking ? Math.min(...this.starts) : (this.starts.at(-1) ?? 0);
    assert(offset >= start || this.starts.length > 2, `${what}: it starts at ${start}`);
    assert(!this.isPaused, `${what}: it is paused`);
    assert(!this.#inFlight.has(offset), `${what}: it is in flight already`);
    const attemptMax = this.#failed(offset) + 1;
    assert(attempt >= 1 && attempt <= attemptMax, `${what}: attempt ${attempt} of ${attemptMax}`);
    this.#assertTurn(offset, event);
    if (this.#isSeeking || !this.#settled.has(offset)) return;
    const mayRepeat = this.#repeatable.has(offset) || this.#comesBack(offset);
    assert(mayRepeat, `${what}: it was settled and committed, and comes again`);
    this.repeats += 1;
  }

  #assertTurn(offset: number, event: CloudEvent): void {
    this.#keys?.assertTurn({
      offset,
      event,
      inFlight: this.#inFlight,
      wants: this.settings.wants,
      hasEnded: (earlier) => this.#settled.has(earlier) && !this.#repeatable.has(earlier),
      placeOf: (earlier) =>
        this.delivery?.placeOf(this.settings.id, earlier).where.place ?? "unknown",
    });
  }

  /** A bucket of our own, which fills as the limit says. */
  #assertRate(life: Life): void {
    const { rateLimit, id } = this.settings;
    if (rateLimit === 0) return;
    const now = life.monotonic();
    const tokensMax = Math.max(1, (rateLimit * limits.rateBurstMs) / 1000);
    const filled = this.#tokens + ((now - this.#tokensAt) * rateLimit) / 1000;
    this.#tokens = Math.min(tokensMax, filled) - 1;
    this.#tokensAt = now;
    assert(this.#tokens > -0.01, `${id}: more than ${rateLimit} attempts a second`);
  }
}
