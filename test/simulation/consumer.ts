import assert from "node:assert/strict";
import type { OpenSink, Outcome, SinkDelivery, SinkRequest } from "../../src/connector/sink.ts";
import type { AttemptNotice, SubscriptionPlan } from "../../src/delivery/delivery.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { compileFilters } from "../../src/filter/compile.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
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
}

/** How a far end behaves: what it answers, and after how long. */
export interface Mood {
  readonly name: string;
  readonly answer: (random: SeededRandom) => Outcome;
  /** Longest wait before the answer. */
  readonly latencyMs: number;
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

const timeoutMs = 2000;

/**
 * A subscription, its far end, and what somebody who watches the far end knows of it (P2): which
 * events it took, how often each may come, and what must have come in the end.
 */
export class SimulatedConsumer {
  readonly settings: ConsumerSettings;
  readonly #around: Surroundings;
  readonly #filter;
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
  }

  /** The subscription as one life of the broker sees it. */
  plan(life: Life, number: number): SubscriptionPlan {
    const { id, startOffset, concurrency, maxAttempts } = this.settings;
    this.#revision += 1;
    return {
      id,
      revision: this.#revision,
      startOffset,
      filter: this.#filter,
      transformer: undefined,
      sink: this.#sink(life, number),
      concurrency,
      rateLimit: 0,
      circuitKey: undefined,
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
    this.seekEnds();
    this.#inFlight.clear();
  }

  #sink(life: Life, number: number): OpenSink {
    return {
      send: (delivery, settled) => {
        if (!life.isOver) this.#take(delivery, { life, number, settled });
      },
      batch: undefined,
      sendBatch: () => assert.fail("this far end takes no batches"),
      preview: ({ event }): SinkRequest => ({
        method: "POST",
        url: "http://sink/",
        headers: {},
        body: event.id,
      }),
      close: () => Promise.resolve(),
    };
  }

  #take(
    delivery: SinkDelivery,
    call: {
      readonly life: Life;
      readonly number: number;
      readonly settled: (outcome: Outcome) => void;
    },
  ): void {
    const { trace, random } = this.#around;
    const { offset, attempt } = delivery;
    trace.add(`${this.settings.id} gets ${offset}, attempt ${attempt}`);
    this.#around.guarded(() => this.#assertExplained(delivery));
    this.sends += 1;
    this.#inFlight.add(offset);
    const outcome = this.mood.answer(random);
    const latencyMs = this.mood.latencyMs === 0 ? 0 : random.integer(0, this.mood.latencyMs);
    const epoch = this.#epoch;
    const answer = (): void => {
      if (call.life.isOver) return;
      this.#isLate = epoch !== this.#epoch;
      if (!this.#isLate) this.#inFlight.delete(offset);
      if (outcome.outcome === "retry") this.#failures.set(offset, this.#failed(offset) + 1);
      call.settled(outcome);
      this.#isLate = false;
    };
    // The far end has done its work before it answers, and whether or not the answer arrives.
    // Which generation it was sent for is known only when a seek under way is known to be durable.
    if (outcome.outcome === "delivered") for (const taken of this.#taken) taken.add(offset);
    if (latencyMs > 0) call.life.after(latencyMs, answer);
    else setImmediate(answer);
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
    const { id, concurrency, wants } = this.settings;
    const { ledger } = this.#around;
    const what = `subscription ${id}, offset ${offset}`;
    assert.equal(bus, "orders");
    ledger.assertUnchanged(offset, event);
    assert(wants(event), `${what}: the filter does not pass it`);
    const start = this.#isSeeking ? Math.min(...this.starts) : (this.starts.at(-1) ?? 0);
    assert(offset >= start || this.starts.length > 2, `${what}: it starts at ${start}`);
    assert(!this.isPaused, `${what}: it is paused`);
    assert(!this.#inFlight.has(offset), `${what}: it is in flight already`);
    assert(this.#inFlight.size < concurrency, `${what}: more than ${concurrency} in flight`);
    const attemptMax = this.#failed(offset) + 1;
    assert(attempt >= 1 && attempt <= attemptMax, `${what}: attempt ${attempt} of ${attemptMax}`);
    if (this.#isSeeking || !this.#settled.has(offset)) return;
    const mayRepeat = this.#repeatable.has(offset) || this.#comesBack(offset);
    assert(mayRepeat, `${what}: it was settled and committed, and comes again`);
    this.repeats += 1;
  }
}

const failure = { latencyMs: 1, response: undefined } as const;

function answered(status: number): Outcome {
  const error = `answered ${status}`;
  const facts = { ...failure, failure: "status" as const, status, error };
  if (status === 429) return { ...facts, outcome: "hold", retryAfterMs: 300 };
  if (status === 410) return { ...facts, outcome: "gone" };
  if (status === 400) return { ...facts, outcome: "rejected" };
  return { ...facts, outcome: "retry", retryAfterMs: undefined };
}

const delivered: Outcome = { outcome: "delivered", status: 200, latencyMs: 1 };
const aborted: Outcome = { outcome: "aborted", latencyMs: 1 };

function broken(kind: "connect" | "timeout"): Outcome {
  return {
    ...failure,
    outcome: "retry",
    failure: kind,
    status: undefined,
    error: kind,
    retryAfterMs: undefined,
  };
}

function some(share: number, outcome: Outcome): Mood["answer"] {
  return (random) => (random.chance(share) ? outcome : delivered);
}

export const goodMood: Mood = { name: "good", answer: () => delivered, latencyMs: 0 };

export const moods: readonly Mood[] = [
  goodMood,
  goodMood,
  { name: "slow", answer: () => delivered, latencyMs: 200 },
  { name: "late", answer: some(0.3, broken("timeout")), latencyMs: timeoutMs },
  { name: "hanging", answer: () => broken("timeout"), latencyMs: timeoutMs },
  { name: "down", answer: () => broken("connect"), latencyMs: 0 },
  { name: "flaky", answer: some(0.4, answered(500)), latencyMs: 20 },
  { name: "unreachable at times", answer: some(0.4, broken("connect")), latencyMs: 5 },
  { name: "busy", answer: some(0.2, answered(429)), latencyMs: 10 },
  { name: "picky", answer: some(0.2, answered(400)), latencyMs: 10 },
  { name: "closing", answer: some(0.2, aborted), latencyMs: 10 },
  { name: "leaving", answer: some(0.05, answered(410)), latencyMs: 10 },
];
