import type { Attempt } from "../api/api.ts";
import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { BufferBudget, SubscriptionPlan } from "./contract.ts";
import { createDelivery, hold, isCurrent, letGo } from "./entry.ts";
import type { Delivery, LiveEvent, RetryFacts, Scheduled } from "./entry.ts";
import { ExpiredRanges } from "./expired-ranges.ts";
import { Fifo } from "./fifo.ts";
import { createPace, inFlightMax, isFailing } from "./pace.ts";
import type { Pace } from "./pace.ts";
import { nextState } from "./states.ts";
import type { DeliveryState, Step } from "./states.ts";
import { Stillness } from "./stillness.ts";
import { TimeHeap } from "./time-heap.ts";

export interface ConsumerOptions {
  readonly plan: SubscriptionPlan;
  readonly generation: number;
  readonly start: Offset;
  readonly budget: BufferBudget;
}

/**
 * All that is known of one subscription's deliveries. No I/O, no clock, no chance: every method is
 * a function of this state and its arguments, so that tests drive it through any history.
 *
 * Each offset from `start` on is in exactly one place: unread (at or above the read position),
 * `open` (passed the filter, never failed), `retries` (failed at least once, parked or on its next
 * attempt), or settled, which leaves only a count (P2). `queue`, `returned`, `references`,
 * `schedule` and `early` say in which order the open ones and the retries go; they hold no truth.
 */
export class Consumer {
  plan: SubscriptionPlan;
  readonly generation: number;
  readonly start: Offset;
  readonly budget: BufferBudget;
  readonly counts: Record<DeliveryState, number> = {
    waiting: 0,
    inFlight: 0,
    parked: 0,
    delivered: 0,
    filtered: 0,
    dead: 0,
    discarded: 0,
    expired: 0,
    skipped: 0,
  };

  /** Undefined while it reads with the live group. */
  readNext: Offset | undefined;
  /** In the order of offsets: entries are only added by reading, which goes upwards. */
  readonly open: Map<Offset, Delivery> = new Map();
  readonly retries: Map<Offset, Delivery> = new Map();

  /** In memory, never tried. */
  readonly queue: Fifo<Delivery> = new Fifo();
  /** In memory again: read by offset, or put back after an attempt that did not count. */
  readonly returned: Fifo<Delivery> = new Fifo();
  /** Never tried, by offset only. */
  readonly references: Fifo<Delivery> = new Fifo();
  readonly schedule: TimeHeap<Scheduled> = new TimeHeap();
  /** Retries that may come before their time because the consumer is back. */
  readonly early: Fifo<Scheduled> = new Fifo();

  readonly pace: Pace = createPace();
  readonly stillness: Stillness = new Stillness();
  bufferedBytes = 0;
  /** How many deliveries are being read by offset. */
  fetching = 0;
  /** The sink answered 410; set until an update says otherwise. */
  isGone = false;
  isClosed = false;
  /** Lets retries and new events take turns. */
  #retryHadTurn = false;

  readonly expiredRanges: ExpiredRanges = new ExpiredRanges();
  lastErrors: readonly Attempt[] = [];
  /** Offsets whose parked row may differ from what is stored. */
  readonly changedRetries: Set<Offset> = new Set();

  constructor(options: ConsumerOptions) {
    this.plan = options.plan;
    this.generation = options.generation;
    this.start = options.start;
    this.budget = options.budget;
  }

  // -- Reading ---------------------------------------------------------------------------------

  get isPaused(): boolean {
    return this.plan.paused || this.isGone;
  }

  /**
   * It neither reads nor keeps events in memory: there is nobody to send them to. While failing it
   * reads on only for want of an event to probe with.
   */
  isDormant(): boolean {
    if (this.isClosed || this.isPaused || this.isFullOfRetries) return true;
    return isFailing(this.pace) && this.open.size > 0;
  }

  get isFullOfRetries(): boolean {
    return this.retries.size >= limits.parkedMax;
  }

  /** Whether one more event may be kept in memory. One always may, or nothing would ever move. */
  hasRoomFor(bytes: number): boolean {
    const held = this.queue.size + this.returned.size + this.fetching + this.counts.inFlight;
    if (held === 0) return true;
    if (this.queue.size >= limits.bufferedEventsMax) return false;
    if (this.bufferedBytes + bytes > limits.bufferedBytesMax) return false;
    if (this.budget.bytes + bytes <= this.budget.bytesMax) return true;
    // Those who hang must not take the whole budget: everybody has a small share for himself.
    return this.bufferedBytes + bytes <= limits.bufferedBytesShare;
  }

  /** The event passed the filter: it waits in memory. */
  matched(live: LiveEvent): void {
    const delivery = createDelivery(live.offset, live);
    delivery.matchedRevision = this.plan.revision;
    this.#addOpen(delivery);
    this.#hold(delivery, live);
    this.queue.push(delivery);
  }

  /** It passed before the last stop and is not settled: it waits by offset. */
  loadedUnsettled(offset: Offset): void {
    const delivery = createDelivery(offset, undefined);
    this.#addOpen(delivery);
    this.references.push(delivery);
  }

  loadedRetry(offset: Offset, retry: RetryFacts): void {
    assert(!this.open.has(offset), "an offset is unsettled or parked, not both");
    const delivery = createDelivery(offset, undefined);
    delivery.state = "parked";
    delivery.retry = retry;
    this.counts.parked += 1;
    this.retries.set(offset, delivery);
    this.#schedule(delivery);
  }

  /** Nobody will ever read these: retention or damage took them before the filter saw them. */
  expireUnread(range: {
    readonly from: Offset;
    readonly to: Offset;
    readonly reason: string;
  }): void {
    const from = Math.max(range.from, this.start);
    if (from > range.to) return;
    this.counts.expired += range.to - from + 1;
    this.expiredRanges.add({ from, to: range.to, reason: range.reason });
  }

  // -- Choosing what is next ---------------------------------------------------------------------

  /** The next delivery that is in memory and may be attempted now; the caller attempts it. */
  nextInMemory(now: EpochMs): Delivery | undefined {
    if (this.isClosed || this.isPaused) return undefined;
    if (this.counts.inFlight >= inFlightMax(this.pace, this.plan.concurrency, now))
      return undefined;
    const mayBegin = this.queue.size > 0 && this.#mayBegin(now);
    const queueHasTurn = this.#retryHadTurn || this.returned.size === 0;
    this.#retryHadTurn = !queueHasTurn;
    if (mayBegin && queueHasTurn) return this.queue.shift();
    return this.returned.shift();
  }

  /** The next delivery to be read by offset; taken until fetched or unfetched. */
  nextToFetch(now: EpochMs): Delivery | undefined {
    if (this.isClosed || this.isPaused) return undefined;
    const max = inFlightMax(this.pace, this.plan.concurrency, now);
    if (this.#busy >= max) return undefined;
    const delivery = this.#nextRetry(now) ?? this.#nextReference(now);
    if (delivery === undefined) return undefined;
    this.#take(delivery);
    this.fetching += 1;
    return delivery;
  }

  fetched(delivery: Delivery, live: LiveEvent): void {
    assert(this.fetching > 0 && delivery.isTaken, "only what was asked for is fetched");
    this.fetching -= 1;
    this.#hold(delivery, live);
    this.returned.push(delivery);
  }

  /** It was not read after all: back to where it came from. */
  unfetched(delivery: Delivery): void {
    assert(this.fetching > 0 && delivery.isTaken, "only what was asked for is given back");
    this.fetching -= 1;
    this.#release(delivery);
  }

  /** Its record is gone from the log and was never rescued. */
  fetchLost(delivery: Delivery, reason: string): void {
    this.fetching -= 1;
    this.expiredRanges.add({ from: delivery.offset, to: delivery.offset, reason });
    this.#settle(delivery, "expire");
  }

  /** When something will be due, if nothing else happens before; undefined = nothing waits. */
  wakeAt(now: EpochMs): EpochMs | undefined {
    if (this.isClosed || this.isPaused) return undefined;
    const blockedUntil = Math.max(this.pace.heldUntil, this.pace.restUntil);
    if (now < blockedUntil) return blockedUntil;
    // What is due already waits for a place, not for a time.
    const due = this.#earliestRetry()?.at ?? 0;
    const probe = isFailing(this.pace) && this.open.size > 0 ? this.pace.nextProbeAt : 0;
    if (due <= now) return probe > now ? probe : undefined;
    return probe > now ? Math.min(due, probe) : due;
  }

  // -- What becomes of a delivery ----------------------------------------------------------------

  begin(delivery: Delivery): void {
    assert(delivery.live !== undefined, "an attempt needs the event");
    delivery.isTaken = true;
    this.#move(delivery, "attempt");
  }

  succeed(delivery: Delivery): void {
    this.#settle(delivery, "succeed");
  }

  bury(delivery: Delivery): void {
    this.#settle(delivery, this.plan.deadLetter ? "bury" : "discard");
  }

  filterOut(delivery: Delivery): void {
    this.#settle(delivery, "filterOut");
  }

  /** A counted attempt failed: it waits for its next one, by offset only. */
  park(delivery: Delivery, retry: RetryFacts): void {
    this.#move(delivery, "park");
    this.open.delete(delivery.offset);
    this.retries.set(delivery.offset, delivery);
    delivery.retry = retry;
    this.changedRetries.add(delivery.offset);
    this.#drop(delivery);
    delivery.isTaken = false;
    this.#schedule(delivery);
  }

  /** The attempt did not count: as if it had not been made. */
  putBack(delivery: Delivery): void {
    this.#move(delivery, delivery.retry === undefined ? "putBack" : "park");
    if (delivery.retry === undefined && delivery.live !== undefined) this.returned.push(delivery);
    else this.#release(delivery);
  }

  // -- Changes of the whole ----------------------------------------------------------------------

  /** Gives the memory back: what waits is read again by offset when somebody is there again. */
  releaseBuffers(): void {
    const released = [...this.returned.drain(), ...this.queue.drain()];
    if (released.length === 0) return;
    const references = this.references.drain();
    for (const delivery of released) {
      this.#drop(delivery);
      delivery.isTaken = false;
      if (delivery.retry === undefined) references.push(delivery);
      else this.#schedule(delivery);
    }
    references.sort((left, right) => left.offset - right.offset);
    for (const delivery of references) this.references.push(delivery);
  }

  /** The consumer is back: what failed only because it was away need not wait its full time. */
  hurryConnectionRetries(): void {
    this.early.clear();
    const waiting = [...this.retries.values()].filter(
      (delivery) => delivery.retry?.cause === "connection" && !delivery.isTaken,
    );
    waiting.sort((left, right) => left.offset - right.offset);
    for (const delivery of waiting) {
      this.early.push({ at: 0, ticket: delivery.ticket, delivery });
    }
  }

  /** Ends it: nothing is settled, nothing is kept in memory. */
  close(): void {
    this.isClosed = true;
    for (const delivery of this.open.values()) this.#drop(delivery);
    for (const delivery of this.retries.values()) this.#drop(delivery);
    this.queue.clear();
    this.returned.clear();
    this.references.clear();
    this.early.clear();
  }

  // -- Numbers -----------------------------------------------------------------------------------

  /** Every offset below is settled or parked (a retry on its way still has its parked row). */
  position(readNext: Offset): Offset {
    for (const offset of this.open.keys()) return offset;
    return readNext;
  }

  /** The oldest offset that is not settled; readNext when all below it are. */
  lowestUnsettled(readNext: Offset): Offset {
    let lowest = this.position(readNext);
    for (const offset of this.retries.keys()) lowest = Math.min(lowest, offset);
    return lowest;
  }

  /**
   * A clock that runs only while maxAge stands still: paused or held. What it shows at the first
   * attempt is kept with the delivery; the difference to now is time that does not count.
   */
  stillMs(now: EpochMs): number {
    this.stillness.advance(now, this.#stillUntil());
    return this.stillness.totalMs;
  }

  /** Makes a change that may pause, resume or hold, and keeps the stillness clock right. */
  change(now: EpochMs, apply: () => void): void {
    this.stillness.advance(now, this.#stillUntil());
    apply();
    this.stillness.advance(now, this.#stillUntil());
  }

  #stillUntil(): EpochMs {
    return this.isPaused ? Number.POSITIVE_INFINITY : this.pace.heldUntil;
  }

  // -- Inside ------------------------------------------------------------------------------------

  #addOpen(delivery: Delivery): void {
    assert(!this.open.has(delivery.offset), "an offset is read once");
    this.open.set(delivery.offset, delivery);
    this.counts.waiting += 1;
  }

  #move(delivery: Delivery, step: Step): void {
    const next = nextState(delivery.state, step);
    this.counts[delivery.state] -= 1;
    this.counts[next] += 1;
    assert(this.counts[delivery.state] >= 0, "no state holds fewer than no deliveries");
    delivery.state = next;
  }

  #settle(delivery: Delivery, step: Step): void {
    this.#move(delivery, step);
    if (delivery.retry === undefined) {
      this.open.delete(delivery.offset);
    } else {
      this.retries.delete(delivery.offset);
      this.changedRetries.add(delivery.offset);
    }
    this.#drop(delivery);
  }

  /** Whether an event that was never tried may be attempted. */
  #mayBegin(now: EpochMs): boolean {
    // Each new attempt may end up parked, so the places are counted before it begins.
    if (this.retries.size + this.counts.inFlight >= limits.parkedMax) return false;
    if (!isFailing(this.pace)) return true;
    return now >= this.pace.nextProbeAt && this.#busy === 0;
  }

  get #busy(): number {
    return this.counts.inFlight + this.fetching + this.returned.size;
  }

  #earliestRetry(): Scheduled | undefined {
    let top = this.schedule.peek();
    while (top !== undefined && !isCurrent(top)) {
      this.schedule.pop();
      top = this.schedule.peek();
    }
    return top;
  }

  #nextRetry(now: EpochMs): Delivery | undefined {
    const due = this.#earliestRetry();
    if (due !== undefined && due.at <= now) {
      this.schedule.pop();
      return due.delivery;
    }
    if (isFailing(this.pace)) return undefined;
    for (let entry = this.early.shift(); entry !== undefined; entry = this.early.shift()) {
      if (isCurrent(entry)) return entry.delivery;
    }
    return undefined;
  }

  #nextReference(now: EpochMs): Delivery | undefined {
    return this.references.size > 0 && this.#mayBegin(now) ? this.references.shift() : undefined;
  }

  #take(delivery: Delivery): void {
    delivery.isTaken = true;
    delivery.ticket += 1;
  }

  #schedule(delivery: Delivery): void {
    assert(delivery.retry !== undefined, "only what failed before is scheduled");
    delivery.ticket += 1;
    this.schedule.push({ at: delivery.retry.dueAt, ticket: delivery.ticket, delivery });
    // Void entries usually surface soon; a bound keeps those with far due times from piling up.
    if (this.schedule.size > 2 * this.retries.size + 64) this.schedule.retain(isCurrent);
  }

  #release(delivery: Delivery): void {
    this.#drop(delivery);
    delivery.isTaken = false;
    if (delivery.retry === undefined) this.references.push(delivery);
    else this.#schedule(delivery);
  }

  #hold(delivery: Delivery, live: LiveEvent): void {
    delivery.live = live;
    this.bufferedBytes += live.bytes;
    hold(live, this.budget);
  }

  #drop(delivery: Delivery): void {
    const { live } = delivery;
    if (live === undefined) return;
    delivery.live = undefined;
    this.bufferedBytes -= live.bytes;
    letGo(live, this.budget);
  }
}
