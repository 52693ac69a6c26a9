import type { DelayedEvent, EventLog } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import { sleep } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Deduplicator } from "./deduplicator.ts";
import type { Appended } from "./delayed-append.ts";
import { appendDelayed, findDelayed } from "./delayed-append.ts";
import type { DelayedRows } from "./delayed-rows.ts";
import type { UnreadGuard } from "./unread-guard.ts";

export interface DelayedFiringOptions {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rows: DelayedRows;
  readonly unread: UnreadGuard;
  /** The door to the log while the bus deduplicates. */
  readonly deduplicator: () => Deduplicator | undefined;
}

/** Events that go to the log together. */
interface Job {
  readonly events: readonly DelayedEvent[];
  /** Undefined for events whose publisher has had its answer long ago. */
  readonly settled: ((appended: Appended) => void) | undefined;
}

type Failed = Appended & { readonly ok: false };
type Done = Appended & { readonly ok: true };

/**
 * Appends delayed events when they are due, and deletes their rows once their records are durable.
 * At most one append is on its way (`#lane`): so rows are deleted in the order of their offsets, and
 * `firedTo`, stored with their deletion, covers every record below it.
 *
 * States: created → recovering by start() → firing → stopped by stop() or halt().
 */
export class DelayedFiring {
  readonly #options: DelayedFiringOptions;
  readonly #jobs: Job[] = [];
  readonly #stopping = new AbortController();
  /** Appended, but their rows are still there. */
  #appended: DelayedEvent[] = [];
  /** Above the records of all of these. */
  #appendedTo: Offset = 0;
  #lane: Promise<void> | undefined;
  #removing: Promise<void> | undefined;
  #isFiring = false;
  #firstLook: Promise<void> | undefined;
  #isLoading = false;
  #restUntil = -Infinity;
  #timer: Disposable | undefined;
  #listener: Disposable | undefined;
  #markedAt = -Infinity;
  #fired = 0;
  #duplicates = 0;

  constructor(options: DelayedFiringOptions) {
    this.#options = options;
  }

  get fired(): number {
    return this.#fired;
  }

  /** Fired, but dropped because the bus had them already (deduplication). */
  get duplicates(): number {
    return this.#duplicates;
  }

  start(): void {
    this.#listener = this.#options.log.onAdvance(() => this.#onAdvance());
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#firstLook = promise;
    this.#occupyLane(this.#recover(resolve));
  }

  /**
   * Resolves when it is known which rows an earlier process appended; until then none of them can be
   * told from one that waits. Rejects while storage does not say.
   */
  async whenRecovered(): Promise<void> {
    await this.#firstLook;
    if (this.#isFiring) return;
    const detail = `bus '${this.#options.bus}' does not know yet which delayed events were appended`;
    throw new BrokerError("storage_unavailable", detail, { retryAfterSeconds: 1 });
  }

  /** Appends events that are stored and held, before anything that is due. */
  append(events: readonly DelayedEvent[], settled: (appended: Appended) => void): void {
    this.#jobs.push({ events, settled });
    if (!this.#isFiring && this.#stopping.signal.aborted) this.#refuseJobs();
    else this.#fire();
  }

  /** Resolves when nothing is on its way to the log. */
  async whenDecided(): Promise<void> {
    while (this.#lane !== undefined && this.#isFiring) await this.#lane;
  }

  isAppended(id: string): boolean {
    return this.#options.rows.isHeld(id) && this.#appended.some((event) => event.id === id);
  }

  /** Nothing at or above this offset may leave the log: a restart would not know it was fired. */
  get neededFrom(): Offset {
    const { rows } = this.#options;
    const isKnown = this.#isFiring && this.#appended.length === 0;
    return isKnown || rows.count === 0 ? Infinity : rows.firedTo;
  }

  /** Finishes what is on its way to the log and deletes its rows. What waits stays in the store. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.dispose();
    while (this.#lane !== undefined) await this.#lane;
    this.#refuseJobs();
    await this.#removing;
    if (this.#appended.length > 0) await this.#removeOnce();
    else if (this.#options.rows.count > 0) await this.#mark();
    this.halt();
    await this.#options.rows.whenIdle();
  }

  /** At once, and without a word to the store: somebody else may hold the bus by now. */
  halt(): void {
    this.#stopping.abort();
    this.#isFiring = false;
    this.#timer?.dispose();
    this.#listener?.dispose();
    this.#refuseJobs();
  }

  /** Sees to it that the next event is fired in time. To be called when what waits has changed. */
  schedule(): void {
    this.#timer?.dispose();
    if (!this.#isFiring || this.#stopping.signal.aborted) return;
    const { clock, rows } = this.#options;
    if (rows.window.wantsMore) void this.#load();
    const { head } = rows.window;
    if (head === undefined) return;
    const waitMs = Math.max(head.dueAt - clock.now(), this.#restUntil - clock.monotonic());
    if (waitMs <= 0) {
      this.#fire();
      return;
    }
    // The wall clock decides, and it may be set meanwhile: it is looked at again every now and then.
    const delayMs = Math.min(Math.ceil(waitMs), limits.delayedTimerMsMax);
    this.#timer = clock.after(delayMs, () => this.schedule());
  }

  /** What the last process appended is deleted, not appended again. */
  async #recover(looked: () => void): Promise<void> {
    const { rows, bus, logger } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        if (rows.count === 0) rows.window.load([], undefined);
        else await this.#removeFound();
        this.#isFiring = true;
        looked();
        return;
      } catch (error) {
        looked();
        logger.error({ bus, error: String(error) }, "delayed events wait until storage answers");
        await this.#rest();
      }
    }
  }

  async #removeFound(): Promise<void> {
    const { log, rows } = this.#options;
    const { offsets, next } = await findDelayed(log, rows.firedTo);
    if (offsets.size > 0) await rows.removeFound([...offsets.keys()], next);
  }

  async #load(): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    if (!(await this.#options.rows.load())) await this.#rest();
    this.#isLoading = false;
    this.schedule();
  }

  #fire(): void {
    if (this.#lane !== undefined || !this.#isFiring) return;
    const job = this.#jobs.shift() ?? this.#dueJob();
    if (job === undefined) return;
    this.#options.rows.hold(job.events);
    this.#occupyLane(this.#append(job));
  }

  #occupyLane(work: Promise<void>): void {
    this.#lane = work.finally(() => {
      this.#lane = undefined;
      // A batch that waits for its answer is served even while the bus is being stopped.
      if (this.#jobs.length > 0) this.#fire();
      else this.schedule();
    });
  }

  #dueJob(): Job | undefined {
    const { rows, clock } = this.#options;
    const mustWait =
      this.#stopping.signal.aborted ||
      this.#restUntil > clock.monotonic() ||
      this.#appended.length >= limits.delayedAppendedMax;
    if (mustWait) return undefined;
    const events = rows.window.takeDue(clock.now());
    return events.length === 0 ? undefined : { events, settled: undefined };
  }

  async #append(job: Job): Promise<void> {
    const { log, unread, deduplicator } = this.#options;
    const before = log.bounds().next;
    const appended = await appendDelayed({
      log,
      unread,
      deduplicator: deduplicator(),
      events: job.events,
      wasAccepted: job.settled === undefined,
    });
    if (appended.ok) this.#onAppended(job, appended);
    else if (appended.failure.code !== "outcome_unknown") this.#onFailed(job, appended);
    else await this.#onUnknown(job, appended, before);
  }

  #onAppended({ events, settled }: Job, appended: Done): void {
    const { bus, logger } = this.#options;
    const { duplicates, next = 0 } = appended;
    this.#appendedTo = Math.max(this.#appendedTo, next);
    for (const event of events) this.#appended.push(event);
    if (settled === undefined) {
      this.#fired += events.length;
      this.#duplicates += duplicates.length;
      if (duplicates.length > 0) {
        const ids = duplicates.slice(0, 10).map((index) => events[index]?.id);
        logger.warn({ bus, dropped: duplicates.length, ids }, DROPPED);
      }
    }
    settled?.(appended);
    this.#removing ??= this.#remove().finally(() => {
      this.#removing = undefined;
      this.schedule();
    });
  }

  /** Nothing was stored. Events that nobody waits for are tried again. */
  #onFailed({ events, settled }: Job, appended: Failed): void {
    if (settled !== undefined) {
      settled(appended);
      return;
    }
    const { bus, clock, logger, rows } = this.#options;
    const { code, message } = appended.failure;
    logger.warn({ bus, code, events: events.length }, `due events wait: ${message}`);
    this.#restUntil = clock.monotonic() + limits.diskRetryMs;
    rows.release(events);
  }

  /**
   * Whether they are in the log, the log must say: it is read from where they would be before they
   * are appended again, and until it can be read nothing else is.
   */
  async #onUnknown(job: Job, appended: Failed, before: Offset): Promise<void> {
    const { log, bus, logger } = this.#options;
    logger.warn({ bus, events: job.events.length }, `due events: ${appended.failure.message}`);
    while (!this.#stopping.signal.aborted) {
      try {
        const found = await findDelayed(log, before);
        const offsets = job.events.flatMap(({ id }) => found.offsets.get(id) ?? []);
        if (offsets.length === 0) {
          this.#onFailed(job, appended);
          return;
        }
        assert(offsets.length === job.events.length, "an append is all or nothing");
        this.#onAppended(job, { ok: true, offsets, duplicates: [], next: found.next });
        return;
      } catch (error) {
        logger.error({ bus, error: String(error) }, "the log cannot be read; tried again");
        await this.#rest();
      }
    }
    job.settled?.(appended);
  }

  async #remove(): Promise<void> {
    while (this.#appended.length > 0) {
      const isDone = await this.#removeOnce();
      if (this.#stopping.signal.aborted) return;
      if (!isDone) await this.#rest();
    }
  }

  /** All that is in the log by now, in one transaction with the new firedTo. */
  async #removeOnce(): Promise<boolean> {
    const events = [...this.#appended];
    const isDone = await this.#options.rows.removeFired(events, this.#appendedTo);
    if (isDone) this.#appended = this.#appended.slice(events.length);
    return isDone;
  }

  /** On a busy bus firedTo moves on by itself, so that a restart has little to look through. */
  #onAdvance(): void {
    const { log, clock, rows } = this.#options;
    if (rows.count === 0) return;
    const isDue =
      log.bounds().next - rows.firedTo >= limits.delayedMarkEvents ||
      clock.monotonic() - this.#markedAt >= limits.delayedMarkIntervalMs;
    if (!isDue) return;
    this.#markedAt = clock.monotonic();
    void this.#mark();
  }

  /** Before the first event waits: what the log holds up to here has nothing to do with it. */
  markBeforeFirst(): void {
    const { log, rows } = this.#options;
    const isFar = log.bounds().next - rows.firedTo >= limits.delayedMarkEvents;
    if (rows.count === 0 && isFar) void this.#mark();
  }

  async #mark(): Promise<void> {
    const { log, rows } = this.#options;
    const { next } = log.bounds();
    const isQuiet = this.#isFiring && this.#lane === undefined && this.#appended.length === 0;
    if (isQuiet && next > rows.firedTo) await rows.mark(next);
  }

  #refuseJobs(): void {
    const failure = new BrokerError("stopping", `bus '${this.#options.bus}' is closing`);
    for (const { settled } of this.#jobs.splice(0)) settled?.({ ok: false, failure });
  }

  async #rest(): Promise<void> {
    const { clock } = this.#options;
    // Woken by stop(), which is no failure.
    await sleep(clock, limits.diskRetryMs, this.#stopping.signal).catch(() => undefined);
  }
}

const DROPPED = "delayed events were dropped: the bus had them already (deduplication)";
