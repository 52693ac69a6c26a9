import assert from "node:assert/strict";
import type { Attempt } from "../../src/api/api.ts";
import type { OpenSink, Outcome, SinkDelivery, SinkRequest } from "../../src/connector/sink.ts";
import { createBusDelivery } from "../../src/delivery/delivery.ts";
import type {
  BusDelivery,
  DeadLetterDetails,
  DeliveryStatus,
  SubscriptionPlan,
} from "../../src/delivery/delivery.ts";
import type {
  ConsumerChanges,
  ConsumerStateStore,
  DeadLetterState,
  Engine,
  EventLog,
  Gap,
  Lease,
  LetterFilter,
  RecordBatch,
} from "../../src/engine/engine.ts";
import { createMemoryEngine } from "../../src/engine/memory/memory-engine.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { noExtensions } from "../../src/event/event.ts";
import { encodeEvent } from "../../src/event/stored-form.ts";
import type { CompiledFilter } from "../../src/filter/filter.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

export const bus = "orders";

export const everything: CompiledFilter = {
  passes: () => true,
  explain: () => [],
  anchorings: [],
};

export function onlyTypes(...types: string[]): CompiledFilter {
  const set = new Set(types);
  return {
    passes: (view) => set.has(view.event.type),
    explain: () => [],
    anchorings: [[{ attribute: "type", kind: "exact", values: types }]],
  };
}

/** Passes by a property of the id, without telling the index. */
export function idsWhere(wanted: (id: number) => boolean): CompiledFilter {
  return {
    passes: (view) => wanted(Number(view.event.id)),
    explain: () => [],
    anchorings: [],
  };
}

export const delivered: Outcome = { outcome: "delivered", status: 200, latencyMs: 1 };

const failureFacts = { latencyMs: 1, response: undefined };

export const refused: Outcome = {
  ...failureFacts,
  outcome: "retry",
  failure: "connect",
  status: undefined,
  error: "connection refused by 127.0.0.1:9",
  retryAfterMs: undefined,
};

export function answered(status: number, retryAfterMs?: number): Outcome {
  return {
    ...failureFacts,
    outcome: "retry",
    failure: "status",
    status,
    error: `answered ${status}`,
    response: "no",
    retryAfterMs,
  };
}

export function held(status: number, retryAfterMs?: number): Outcome {
  const error = `answered ${status}`;
  return { ...failureFacts, outcome: "hold", failure: "status", status, error, retryAfterMs };
}

export function final(outcome: "rejected" | "gone", status: number): Outcome {
  return { ...failureFacts, outcome, failure: "status", status, error: `answered ${status}` };
}

export const aborted: Outcome = { outcome: "aborted", latencyMs: 1 };

/** What a far end does with one attempt; "hang" = nothing, until the test releases it. */
export type Script = (delivery: SinkDelivery) => Outcome | "hang";

export interface Sent {
  readonly offset: number;
  readonly attempt: number;
  readonly at: number;
  readonly event: CloudEvent;
}

/** A far end under the control of the test: answers in a later turn, or after virtual time. */
export class ScriptedSink implements OpenSink {
  readonly batch: undefined = undefined;
  script: Script;
  latencyMs = 0;
  readonly sent: Sent[] = [];
  readonly delivered: Map<number, number> = new Map();
  readonly hanging: ((outcome: Outcome) => void)[] = [];
  inFlight = 0;
  inFlightMax = 0;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock, script: Script = () => delivered) {
    this.#clock = clock;
    this.script = script;
  }

  sendBatch(): void {
    throw new Error("this sink takes no batches");
  }

  send(delivery: SinkDelivery, settled: (outcome: Outcome) => void): void {
    const { offset, attempt, event } = delivery;
    this.sent.push({ offset, attempt, at: this.#clock.now(), event });
    this.inFlight += 1;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    const answer = this.script(delivery);
    const finish = (outcome: Outcome): void => {
      this.inFlight -= 1;
      if (outcome.outcome === "delivered") {
        this.delivered.set(offset, (this.delivered.get(offset) ?? 0) + 1);
      }
      settled(outcome);
    };
    if (answer === "hang") this.hanging.push(finish);
    else if (this.latencyMs > 0) this.#clock.after(this.latencyMs, () => finish(answer));
    else setImmediate(() => finish(answer));
  }

  releaseAll(outcome: Outcome): void {
    for (const finish of this.hanging.splice(0)) finish(outcome);
  }

  preview(delivery: SinkDelivery): SinkRequest {
    const body = Buffer.from(delivery.event.data ?? []).toString();
    return { method: "POST", url: "http://sink/", headers: {}, body };
  }

  close(): Promise<void> {
    this.releaseAll(aborted);
    return Promise.resolve();
  }
}

/** What is wrong with the log as delivery sees it; all of it may be changed at any time. */
export interface LogFaults {
  /** How often a read is answered from memory; 0 = everything comes from the disk, later. */
  cached: number;
  /** How often a read from the disk fails. */
  failing: number;
  gaps: readonly Gap[];
}

export interface WorldOptions {
  readonly seed?: number;
  readonly segmentRecords?: number;
  readonly faults?: Partial<LogFaults>;
}

/** A log on a bad disk: without a tail cache, with failing reads, with ranges that are gone. */
function faultyLog(log: EventLog, faults: LogFaults, random: SeededRandom): EventLog {
  return {
    append: (records, settled) => log.append(records, settled),
    read: async (from, limit) => {
      await turns(random.integer(0, 3));
      if (random.chance(faults.failing)) throw new BrokerError("storage_unavailable", "bad disk");
      return withGaps(await log.read(from, limit), faults.gaps);
    },
    readCached: (from, limit) => {
      if (!random.chance(faults.cached)) return undefined;
      const batch = log.readCached(from, limit);
      return batch === undefined ? undefined : withGaps(batch, faults.gaps);
    },
    onAdvance: (listener) => log.onAdvance(listener),
    bounds: () => log.bounds(),
    offsetAt: (time) => log.offsetAt(time),
    trimmable: (wanted) => log.trimmable(wanted),
    trim: (before) => log.trim(before),
    segments: () => log.segments(),
    setRollAfter: (rollAfterMs) => log.setRollAfter(rollAfterMs),
    setRollBytes: (rollBytes) => log.setRollBytes(rollBytes),
    keys: (since) => log.keys(since),
    damages: () => log.damages(),
    verify: (options) => log.verify(options),
  };
}

function withGaps(batch: RecordBatch, gaps: readonly Gap[]): RecordBatch {
  const first = batch.offsets[0] ?? batch.next;
  const touching = gaps.filter((gap) => gap.from < batch.next && gap.to >= first);
  const isGone = (offset: number): boolean =>
    touching.some((gap) => gap.from <= offset && offset <= gap.to);
  const kept = offsets(0, batch.count - 1).filter((index) => !isGone(batch.offsets[index] ?? 0));
  const pick = (values: readonly number[]): number[] => kept.map((index) => values[index] ?? 0);
  return {
    ...batch,
    count: kept.length,
    offsets: pick(batch.offsets),
    times: pick(batch.times),
    hops: pick(batch.hops),
    starts: pick(batch.starts),
    ends: pick(batch.ends),
    gaps: [...batch.gaps, ...touching],
    next: Math.max(batch.next, ...touching.map((gap) => gap.to + 1)),
  };
}

/** One bus over the memory engine in virtual time, with a delivery that can crash and come back. */
export class World {
  readonly clock: FakeClock = new FakeClock();
  readonly random: SeededRandom;
  readonly engine: Engine;
  readonly attempts: { subscription: string; attempt: Attempt }[] = [];
  readonly gone: string[] = [];
  readonly plans: Map<string, SubscriptionPlan> = new Map();
  readonly faults: LogFaults;
  log!: EventLog;
  delivery!: BusDelivery;
  lease!: Lease;
  /** Set to make commits fail or hang. */
  commitFault: (() => Promise<void>) | undefined;
  commits = 0;
  onCommit: ((changes: ConsumerChanges) => void) | undefined;

  constructor(options: WorldOptions = {}) {
    this.random = new SeededRandom(options.seed ?? 1);
    this.faults = { cached: 1, failing: 0, gaps: [], ...options.faults };
    this.engine = createMemoryEngine({
      clock: this.clock,
      segmentRecords: options.segmentRecords ?? 1000,
    });
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    await world.engine.open();
    world.log = await world.engine.log(bus);
    await world.start();
    return world;
  }

  async start(): Promise<void> {
    this.lease = await this.engine.leases.acquire(bus, new AbortController().signal);
    this.delivery = createBusDelivery({
      bus,
      log: faultyLog(this.log, this.faults, this.random),
      consumerState: this.store,
      lease: this.lease,
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      onGone: (subscription) => this.gone.push(subscription),
      onAttempt: ({ subscription, attempt }) => this.attempts.push({ subscription, attempt }),
    });
    await this.delivery.start([...this.plans.values()]);
  }

  get store(): ConsumerStateStore {
    const { consumerState } = this.engine;
    return {
      load: (name) => consumerState.load(name),
      commit: async (name, token, changes) => {
        const stored = structuredClone(changes);
        this.commits += 1;
        this.onCommit?.(stored);
        await this.commitFault?.();
        await consumerState.commit(name, token, stored);
      },
      deadLetters: (name, query) => consumerState.deadLetters(name, query),
      deadLetter: (name, subscription, letter) =>
        consumerState.deadLetter(name, subscription, letter),
      countDeadLetters: (name, subscription, filter) =>
        consumerState.countDeadLetters(name, subscription, filter),
      attempts: (name, query) => consumerState.attempts(name, query),
      rescued: (name, offsets) => consumerState.rescued(name, offsets),
      named: (name, from, before) => consumerState.named(name, from, before),
    };
  }

  /** As kill -9 does: whatever was not committed is gone, and nobody says goodbye. */
  async crash(): Promise<void> {
    await this.lease.release();
    this.commitFault = () => new Promise(() => undefined);
    const dead = this.delivery;
    void dead.stop(0);
    this.clock.advance(20_000);
    await turns(5);
    this.commitFault = undefined;
  }

  async restart(): Promise<void> {
    await this.crash();
    await this.start();
    await turns();
  }

  plan(id: string, sink: OpenSink, change: Partial<SubscriptionPlan> = {}): SubscriptionPlan {
    const before = this.plans.get(id);
    const plan: SubscriptionPlan = {
      id,
      startOffset: 0,
      filter: everything,
      transformer: undefined,
      concurrency: 64,
      rateLimit: 0,
      circuitKey: undefined,
      timeoutMs: 60_000,
      retry: {
        maxAttempts: undefined,
        maxAgeMs: 86_400_000,
        minDelayMs: 1000,
        maxDelayMs: 600_000,
      },
      deadLetter: true,
      paused: false,
      ...before,
      sink,
      ...change,
      revision: (before?.revision ?? 0) + 1,
    };
    this.plans.set(id, plan);
    return plan;
  }

  async subscribe(
    id: string,
    sink: OpenSink,
    change: Partial<SubscriptionPlan> = {},
  ): Promise<void> {
    const adding = this.delivery.add(this.plan(id, sink, change));
    await this.run(60);
    await adding;
  }

  update(id: string, change: Partial<SubscriptionPlan>): void {
    const { sink } = this.plans.get(id) ?? {};
    assert(sink !== undefined);
    this.delivery.update(this.plan(id, change.sink ?? sink, change));
  }

  /** Publishes events with ids that go on counting; resolves when they are durable. */
  async publish(count: number, type: string | ((id: number) => string) = "t"): Promise<void> {
    const first = this.log.bounds().next;
    const records = Array.from({ length: count }, (_, index) => ({
      payload: encodeEvent(
        event(String(first + index), typeof type === "string" ? type : type(first + index)),
      ),
      hops: 0,
      facts: undefined,
    }));
    await new Promise<void>((resolve, reject) => {
      this.log.append(records, (failure) => (failure === undefined ? resolve() : reject(failure)));
    });
  }

  /** Lets virtual time pass in steps, with turns enough for whatever each step starts. */
  async run(durationMs: number, stepMs = 50): Promise<void> {
    await turns();
    for (let passed = 0; passed < durationMs; passed += stepMs) {
      await this.clock.advanceAsync(Math.min(stepMs, durationMs - passed));
      await turns(6);
    }
    await turns();
  }

  status(id: string): DeliveryStatus {
    const status = this.delivery.status(id);
    assertIdentity(status);
    return status;
  }

  async letters(id: string): Promise<readonly (DeadLetterState & { facts: DeadLetterDetails })[]> {
    const query = { subscription: id, limit: 100_000 };
    const letters = await this.engine.consumerState.deadLetters(bus, query);
    return letters
      .map((letter) => ({ ...letter, facts: JSON.parse(letter.details) as DeadLetterDetails }))
      .toSorted((left, right) => left.offset - right.offset);
  }

  async stop(): Promise<void> {
    const stopping = this.delivery.stop(100);
    await this.run(200);
    await stopping;
    await this.lease.release();
  }
}

export const anyLetter: LetterFilter = {
  since: undefined,
  before: undefined,
  reason: undefined,
  eventType: undefined,
  eventSource: undefined,
  generation: undefined,
  offset: undefined,
};

/** P2: every offset of [start, next) is in exactly one place. */
export function assertIdentity(status: DeliveryStatus): void {
  const sum = Object.values(status.counters).reduce((total, count) => total + count, 0);
  assert.equal(sum, status.next - status.start, "the counters sum up to next - start");
  for (const [name, count] of Object.entries(status.counters)) {
    assert(count >= 0, `${name} is not negative`);
  }
}

export function event(id: string, type: string, data = `{"n":${id}}`): CloudEvent {
  return {
    id,
    source: "/test",
    type,
    subject: undefined,
    time: undefined,
    datacontenttype: "application/json",
    dataschema: undefined,
    extensions: noExtensions,
    data: Buffer.from(data),
    dataIsImpliedJson: false,
  };
}

export async function turns(count = 12): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export function offsets(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Sorted offsets that were delivered at least once. */
export function deliveredOffsets(sink: ScriptedSink): number[] {
  return [...sink.delivered.keys()].toSorted((left, right) => left - right);
}
