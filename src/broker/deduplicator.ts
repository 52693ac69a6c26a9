import type { EncodedRecord, EventLog } from "../engine/engine.ts";
import { encodeFacts, KEY_BYTES } from "../engine/record-facts.ts";
import type { CloudEvent } from "../event/event.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import { keyAt, keyBlockAt, keyBlocksOf } from "./deduplication-key.ts";
import type { FreshEvent, Judgement } from "./deduplication-judge.ts";
import { judge, reusedError } from "./deduplication-judge.ts";
import { KeyWindow } from "./key-window.ts";
import type { PublishCallback } from "./publish-outcome.ts";

export interface DeduplicationSettings {
  readonly windowMs: number;
  readonly maxKeys: number;
}

/** Keys held over all buses. */
export interface KeyBudget {
  keys: number;
  readonly keysMax: number;
}

export interface DeduplicatorOptions {
  readonly bus: string;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly budget: KeyBudget;
}

/** An event on its way to the log. */
export interface UnkeyedRecord {
  readonly event: CloudEvent;
  /** The event in stored form. */
  readonly payload: Uint8Array;
  readonly hops: number;
  /** The delayed event that this was; undefined for any other. */
  readonly delayedId?: string | undefined;
}

export interface DeduplicationCounts {
  /** Events that the bus had already. */
  readonly duplicates: number;
  /** Keys that had to go before their window was over. */
  readonly evicted: number;
  /** Keys held now. */
  readonly keys: number;
}

/** One publish that goes through this door. */
interface Job {
  readonly records: readonly UnkeyedRecord[];
  /** The key of record i lies at keyAt(i). */
  readonly blocks: Buffer;
  /** Its events were acknowledged before: nobody is left who could be told of a refusal. */
  readonly wasAccepted: boolean;
  readonly settled: PublishCallback;
}

/** An identity whose event is on its way to the disk, and who waits to hear what became of it. */
interface Flight {
  waiting: Job[] | undefined;
}

/**
 * The door to the log of a bus with deduplication: lets each event in once per window, and answers
 * for the others with the offset of the first. An identity (source and id) is, for this bus,
 *
 *   unknown    its event is appended                      → in flight
 *   in flight  further ones wait for the outcome          → known when it is durable;
 *              unknown when nothing was stored: the first that waits takes its place;
 *              unknown when nobody knows: those that wait are told so too (`outcome_unknown`)
 *   known      further ones are duplicates, or refused with `id_reused` when the content differs
 *                                                         → unknown when the window is over
 *
 * Only the callbacks of the log make an identity known, so that nobody is told "duplicate" of an
 * event that is not durable. Known keys age on the monotonic clock: no jump of the wall clock makes
 * the bus forget. While settings change the door holds everything back, and reads the keys of the
 * new window from the log. No promise is made on the way of an event.
 */
export class Deduplicator {
  readonly #options: DeduplicatorOptions;
  readonly #seed: number;
  /** By identity. */
  readonly #flights: Map<string, Flight> = new Map<string, Flight>();
  readonly #sweeper: Disposable;
  readonly #knowledge: { window: KeyWindow; readonly flights: Map<string, Flight> };
  #settings: DeduplicationSettings;
  /** Publishes that wait until new settings are in force; undefined when none are awaited. */
  #held: Job[] | undefined;
  #appending = 0;
  #onIdle: (() => void) | undefined;
  #duplicates = 0;
  #evicted = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  /** Knows nothing yet: `change` reads what the log holds. */
  constructor(options: DeduplicatorOptions) {
    this.#options = options;
    this.#seed = Buffer.from(options.random.bytes(4)).readInt32LE();
    this.#settings = { windowMs: 0, maxKeys: 1 };
    this.#knowledge = { window: new KeyWindow(1, this.#seed), flights: this.#flights };
    const { clock } = options;
    this.#sweeper = clock.every(limits.deduplicationSweepMs, () => this.#sweep());
  }

  get settings(): DeduplicationSettings {
    return this.#settings;
  }

  get counts(): DeduplicationCounts {
    return {
      duplicates: this.#duplicates,
      evicted: this.#evicted,
      keys: this.#knowledge.window.count,
    };
  }

  /**
   * Appends what the bus does not have yet, all or nothing, in the given order. The outcome says
   * which records were duplicates; without one all were appended.
   */
  publish(records: readonly UnkeyedRecord[], settled: PublishCallback): void {
    this.#submit({ records, blocks: keyBlocksOf(records), wasAccepted: false, settled });
  }

  /**
   * The same for events that were acknowledged before they come here, as delayed ones: one that
   * brings a known id with other content is appended too, for nobody could be told that it is not.
   */
  publishAccepted(records: readonly UnkeyedRecord[], settled: PublishCallback): void {
    this.#submit({ records, blocks: keyBlocksOf(records), wasAccepted: true, settled });
  }

  /**
   * Holds publishes back, reads the keys of the new window and persists; only when both went well
   * the settings change. Rejects with what went wrong; then everything is as it was.
   */
  async change<Result>(
    settings: DeduplicationSettings,
    persist: () => Promise<Result>,
  ): Promise<Result> {
    assert(this.#held === undefined, "one change at a time");
    this.#held = [];
    try {
      await this.idle();
      const window = await this.#readWindow(settings);
      const result = await persist();
      this.#options.budget.keys += window.count - this.#knowledge.window.count;
      this.#knowledge.window = window;
      this.#settings = settings;
      return result;
    } finally {
      const held = this.#held;
      this.#held = undefined;
      for (const job of held) this.#submit(job);
    }
  }

  /** Resolves when nothing that went through this door is on its way to the disk. */
  idle(): Promise<void> {
    if (this.#appending === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onIdle;
      this.#onIdle = () => {
        before?.();
        resolve();
      };
    });
  }

  /**
   * Lets go of timer and budget. What is on its way is still settled, and known to those that wait
   * for it. Idempotent.
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sweeper.dispose();
    this.#options.budget.keys -= this.#knowledge.window.count;
  }

  #submit(job: Job): void {
    if (this.#held !== undefined) {
      this.#held.push(job);
      return;
    }
    const since = this.#options.clock.monotonic() - this.#settings.windowMs;
    const judgement = judge(job, this.#knowledge, since);
    switch (judgement.verdict) {
      case "wait":
        this.#wait(job, judgement.identity);
        return;
      case "reused":
        queueMicrotask(() => job.settled(reusedError(job.records, judgement.reused), 0));
        return;
      case "go":
        if (judgement.fresh.length > 0) this.#append(job, judgement);
        else queueMicrotask(() => this.#answer(job, judgement, { first: 0 }));
    }
  }

  #wait(job: Job, identity: string): void {
    const flight = this.#flights.get(identity);
    assert(flight !== undefined, "only what is in flight is waited for");
    if (flight.waiting === undefined) flight.waiting = [job];
    else flight.waiting.push(job);
  }

  #append(job: Job, judgement: Judgement): void {
    const records: EncodedRecord[] = [];
    for (const fresh of judgement.fresh) {
      records.push(recordOf(job, fresh));
      if (fresh.identity !== undefined) this.#flights.set(fresh.identity, { waiting: undefined });
    }
    this.#appending += 1;
    this.#options.log.append(records, (failure, first) => {
      const woken = this.#land(job, judgement.fresh, failure === undefined ? first : undefined);
      if (failure === undefined) this.#answer(job, judgement, { first });
      else job.settled(failure, 0);
      if (woken !== undefined) this.#wakeAll(woken, failure);
      this.#appending -= 1;
      if (this.#appending === 0) this.#becomeIdle();
    });
  }

  /** Ends the flights of these events, known from now on if they have offsets; returns who waits. */
  #land(
    { blocks }: Job,
    fresh: readonly FreshEvent[],
    first: Offset | undefined,
  ): Map<string, readonly Job[]> | undefined {
    let woken: Map<string, readonly Job[]> | undefined;
    for (let place = 0; place < fresh.length; place++) {
      const event = fresh[place];
      const identity = event?.identity;
      if (event === undefined || identity === undefined) continue;
      if (first !== undefined) this.#remember(blocks, keyAt(event.index), first + place);
      const waiting = this.#flights.get(identity)?.waiting;
      this.#flights.delete(identity);
      if (waiting !== undefined) woken = (woken ?? new Map()).set(identity, waiting);
    }
    return woken;
  }

  #wakeAll(woken: ReadonlyMap<string, readonly Job[]>, failure: BrokerError | undefined): void {
    for (const [identity, jobs] of woken) {
      // What nobody knows of the first, nobody knows of those that waited to be told the same.
      if (failure?.code === "outcome_unknown") for (const job of jobs) job.settled(failure, 0);
      else this.#wake(identity, jobs);
    }
  }

  /** In the order in which they came; as soon as one is in flight the rest waits for that one. */
  #wake(identity: string, jobs: readonly Job[]): void {
    for (let index = 0; index < jobs.length; index++) {
      const flight = this.#flights.get(identity);
      if (flight !== undefined) {
        flight.waiting = [...(flight.waiting ?? []), ...jobs.slice(index)];
        return;
      }
      const job = jobs[index];
      if (job !== undefined) this.#submit(job);
    }
  }

  #becomeIdle(): void {
    const onIdle = this.#onIdle;
    this.#onIdle = undefined;
    onIdle?.();
  }

  #answer(job: Job, judgement: Judgement, { first }: { readonly first: Offset }): void {
    const { fresh, known, twins } = judgement;
    if (known.length + twins.length === 0) {
      job.settled(undefined, first);
      return;
    }
    this.#duplicates += known.length + twins.length;
    const offsets = job.records.map(() => 0);
    for (const { index, offset } of known) offsets[index] = offset;
    for (const [place, { index }] of fresh.entries()) offsets[index] = first + place;
    for (const { index, of } of twins) offsets[index] = offsets[of] ?? 0;
    const duplicates = [...known, ...twins].map(({ index }) => index).toSorted((a, b) => a - b);
    job.settled(undefined, first, { offsets, duplicates, delayed: offsets.map(() => null) });
  }

  #remember(keys: Buffer, at: number, offset: Offset): void {
    const { clock, budget } = this.#options;
    const time = clock.monotonic();
    const since = time - this.#settings.windowMs;
    const window = this.#knowledge.window;
    const countBefore = window.count;
    window.dropOlderThan(since, EXPIRED_PER_KEY);
    if (window.isFull || (budget.keys >= budget.keysMax && window.count > 0)) {
      if ((window.oldestTime ?? 0) >= since) this.#tellEviction(time);
      window.dropOldest();
    }
    window.add(keys, at, { offset, time });
    if (!this.#isClosed) budget.keys += window.count - countBefore;
  }

  #tellEviction(time: number): void {
    this.#evicted += 1;
    if (time - this.#warnedAt < limits.deduplicationWarningMs) return;
    this.#warnedAt = time;
    const { bus, logger } = this.#options;
    const { windowMs, maxKeys } = this.#settings;
    const keptMs = Math.round(time - (this.#knowledge.window.oldestTime ?? time));
    const fields = { bus, maxKeys, windowMs, keptMs, keys: this.#knowledge.window.count };
    logger.warn(
      fields,
      "more events than deduplication keeps keys for: a duplicate is recognised for a shorter " +
        "time than the window; raise deduplication.maxKeys of the bus, or shorten the window",
    );
  }

  /** On an idle bus nothing else drops what is over. */
  #sweep(): void {
    const since = this.#options.clock.monotonic() - this.#settings.windowMs;
    const dropped = this.#knowledge.window.dropOlderThan(since, limits.deduplicationSweepKeysMax);
    this.#options.budget.keys -= dropped;
    this.#knowledge.window.shrink();
  }

  async #readWindow({ windowMs, maxKeys }: DeduplicationSettings): Promise<KeyWindow> {
    const { log, clock, budget } = this.#options;
    const window = new KeyWindow(maxKeys, this.#seed);
    const room = budget.keysMax - budget.keys + this.#knowledge.window.count;
    const now = clock.now();
    const monotonic = clock.monotonic();
    for await (const batch of log.keys(Math.max(0, now - windowMs))) {
      for (const [index, offset] of batch.offsets.entries()) {
        // A record from the future was written before the clock was set back: it is new.
        const ageMs = Math.max(0, now - (batch.times[index] ?? now));
        if (window.isFull || (window.count >= room && window.count > 0)) window.dropOldest();
        window.add(batch.keys, index * KEY_BYTES, { offset, time: monotonic - ageMs });
      }
    }
    return window;
  }
}

/** More than come in, so that the window empties itself while it is used. */
const EXPIRED_PER_KEY = 4;

function recordOf({ records, blocks }: Job, { index, identity }: FreshEvent): EncodedRecord {
  const record = records[index];
  assert(record !== undefined, "a judgement speaks of the records it was given");
  const { payload, hops, delayedId } = record;
  if (identity === undefined) return { payload, hops, facts: encodeFacts({ delayedId }) };
  if (delayedId === undefined) return { payload, hops, facts: keyBlockAt(blocks, index) };
  const key = blocks.subarray(keyAt(index), keyAt(index) + KEY_BYTES);
  return { payload, hops, facts: encodeFacts({ delayedId, key }) };
}
