import type { Attempt, GenerationTotals } from "../api/api.ts";
import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { startSlowly } from "./adaptive-pace.ts";
import { nextInMemory, nextToFetch, wakeAt } from "./choosing.ts";
import { beginProbe, createCircuit } from "./circuit.ts";
import type { Circuit } from "./circuit.ts";
import { createSampling } from "./attempt-log.ts";
import type { AttemptSampling } from "./attempt-log.ts";
import type { BufferBudget, SubscriptionPlan } from "./contract.ts";
import { createDelivery, hold, letGo } from "./entry.ts";
import type { Delivery, LiveEvent, RetryFacts } from "./entry.ts";
import { KeyLanes } from "./key-lanes.ts";
import {
  dropWaiting,
  learn,
  leaveLane,
  matchedInOrder,
  mayGo,
  parkedInOrder,
  promote,
  unblockRow,
} from "./key-order.ts";
import { keyNone, keyUnknown } from "./ordering.ts";
import { RecentEndings } from "./recent-endings.ts";
import { ExpiredRanges } from "./expired-ranges.ts";
import { Linger } from "./batching.ts";
import { createPace } from "./pace.ts";
import type { Pace } from "./pace.ts";
import { ProbeTurns } from "./probe-turns.ts";
import { RateLimit } from "./rate-limit.ts";
import { replaySettled } from "./replay.ts";
import type { Replay } from "./replay.ts";
import { nextState } from "./states.ts";
import type { DeliveryState, Step } from "./states.ts";
import { Stillness } from "./stillness.ts";
import { takeBackRow } from "./take-back.ts";
import { WaitingLines } from "./waiting-lines.ts";

export interface ConsumerOptions {
  readonly plan: SubscriptionPlan;
  readonly generation: number;
  readonly start: Offset;
  readonly budget: BufferBudget;
  readonly previous?: readonly GenerationTotals[];
}

/**
 * All that is known of one generation of a subscription's deliveries. No I/O, no clock, no chance: every method is
 * a function of this state and its arguments, so that tests drive it through any history.
 *
 * Each offset from `start` on is in exactly one place: unread (at or above the read position),
 * `open` (passed the filter, never failed), `retries` (failed at least once, parked or on its next
 * attempt), or settled, which leaves only a count (P2). `lines` say in which order the open ones and
 * the retries go; choosing.ts which of them is next, key-order.ts what `ordering` adds.
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

  /** Which of those goes when. */
  readonly lines: WaitingLines = new WaitingLines();

  readonly pace: Pace = createPace();
  readonly rate: RateLimit = new RateLimit();
  /** Its own, or the one that several share. */
  circuit: Circuit = createCircuit();
  /** What was given up lately, and what a circuit that opened has taken back. */
  readonly endings: RecentEndings = new RecentEndings();
  readonly probes: ProbeTurns = new ProbeTurns();
  /** Who of each key may go; undefined = in no order. */
  lanes: KeyLanes | undefined;
  /** Attempts of earlier generations that are under way: with `ordering` this one waits for them. */
  oldAttempts = 0;
  /** Requests under way, where one carries several events. */
  requests = 0;
  readonly linger: Linger = new Linger();
  readonly stillness: Stillness = new Stillness();
  bufferedBytes = 0;
  /** How many deliveries are being read by offset. */
  fetching = 0;
  /** The sink answered 410; set until an update says otherwise. */
  isGone = false;
  isClosed = false;
  /** The generation after this one; set when a seek has closed it. */
  successor: Consumer | undefined;
  /** Totals of the generations before this one, the latest first. */
  previous: readonly GenerationTotals[];
  /** Lets retries and new events take turns. */
  retryHadTurn = false;

  readonly expiredRanges: ExpiredRanges = new ExpiredRanges();
  lastErrors: readonly Attempt[] = [];
  readonly sampling: AttemptSampling = createSampling();
  /** The replays of its dead letters, the oldest first; shared with later generations. */
  readonly replays: Map<string, Replay> = new Map();
  /** Offsets whose parked row may differ from what is stored. */
  readonly changedRetries: Set<Offset> = new Set();

  constructor(options: ConsumerOptions) {
    this.plan = options.plan;
    this.generation = options.generation;
    this.start = options.start;
    this.budget = options.budget;
    this.previous = options.previous ?? [];
    const { ordering } = options.plan;
    this.lanes = ordering === undefined ? undefined : new KeyLanes(ordering.by);
    this.endings.mayReturn = (delivery) => this.lanes?.mayReturn(delivery) ?? true;
  }

  // -- Reading ---------------------------------------------------------------------------------

  get isPaused(): boolean {
    return this.plan.paused || this.isGone;
  }

  /**
   * It neither reads nor keeps events in memory: there is nobody to send them to. With an open
   * circuit it reads on only for want of an event to probe with that was never tried.
   */
  isDormant(): boolean {
    if (this.isClosed || this.isPaused || this.isFullOfRetries) return true;
    // What is read now might have to wait for something whose key is not known yet.
    if (this.lanes?.isLearning === true) return true;
    // In search of a key that has not failed it does not read the whole log.
    const hasManyHeld = this.lanes !== undefined && this.retries.size >= limits.bufferedEventsMax;
    return this.isCut && (this.probes.hasFresh || hasManyHeld);
  }

  /** The circuit is not closed: probes only. */
  get isCut(): boolean {
    return this.circuit.state !== "closed";
  }

  get isFullOfRetries(): boolean {
    // With ordering all that waits may have to be parked at once, behind those before it.
    const mayPark = this.lanes === undefined ? 0 : this.open.size;
    return this.retries.size + mayPark >= limits.parkedMax;
  }

  /** How many events it keeps in memory, or has in line for that. */
  get bufferedEvents(): number {
    return this.lanes === undefined ? this.lines.queue.size : this.open.size;
  }

  /** Whether one more event may be kept in memory. One always may, or nothing would ever move. */
  hasRoomFor(bytes: number): boolean {
    const { bufferedEvents } = this;
    if (bufferedEvents + this.lines.returned.size + this.fetching + this.counts.inFlight === 0)
      return true;
    if (bufferedEvents >= limits.bufferedEventsMax) return false;
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
    if (this.lanes === undefined) this.lines.queue.push(delivery);
    else matchedInOrder(this, this.lanes, delivery);
  }

  /** It passed before the last stop and is not settled: it waits by offset. */
  loadedUnsettled(offset: Offset): void {
    const delivery = createDelivery(offset, undefined);
    this.#addOpen(delivery);
    if (this.lanes === undefined) this.lines.refer(delivery);
    else this.lanes.addUnknown(delivery);
  }

  /** `key` as found by the present ordering; keyUnknown where it was another one. */
  loadedRetry(offset: Offset, retry: RetryFacts, key: number = keyUnknown): void {
    assert(!this.open.has(offset), "an offset is unsettled or parked, not both");
    const delivery = createDelivery(offset, undefined);
    delivery.state = "parked";
    delivery.retry = retry;
    this.counts.parked += 1;
    this.retries.set(offset, delivery);
    this.probes.noted(offset);
    if (this.lanes === undefined) this.lines.scheduleRetry(delivery, this.retries.size);
    else if (key === keyUnknown) this.lanes.addUnknown(delivery);
    else promote(this, this.lanes.add(delivery, key));
    if (retry.blocked !== undefined) this.lanes?.blocked.add(delivery);
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

  // -- Choosing what is next, see choosing.ts ------------------------------------------------------

  /** The next delivery that is in memory and may be attempted now; the caller attempts it. */
  nextInMemory(now: EpochMs, request: "new" | "open" = "new"): Delivery | undefined {
    return nextInMemory(this, now, request);
  }

  /** The next delivery to be read by offset; taken until fetched or unfetched. */
  nextToFetch(now: EpochMs): Delivery | undefined {
    const delivery = nextToFetch(this, now);
    if (delivery !== undefined) this.fetching += 1;
    return delivery;
  }

  /** When something will be due, if nothing else happens before; undefined = nothing waits. */
  wakeAt(now: EpochMs): EpochMs | undefined {
    return wakeAt(this, now);
  }

  fetched(delivery: Delivery, live: LiveEvent): void {
    assert(this.fetching > 0 && delivery.isTaken, "only what was asked for is fetched");
    this.fetching -= 1;
    if (this.lanes?.isUnknown(delivery) === true) {
      learn(this, delivery, live);
      return;
    }
    this.#hold(delivery, live);
    this.lines.returned.push(delivery);
  }

  /** It was not read after all: back to where it came from. */
  unfetched(delivery: Delivery): void {
    assert(this.fetching > 0 && delivery.isTaken, "only what was asked for is given back");
    this.fetching -= 1;
    this.release(delivery);
  }

  /** Its record is gone from the log and was never rescued. */
  fetchLost(delivery: Delivery, reason: string): void {
    this.fetching -= 1;
    this.expiredRanges.add({ from: delivery.offset, to: delivery.offset, reason });
    this.settle(delivery, "expire");
  }

  /** Requests under way: what concurrency counts. */
  get underWay(): number {
    return this.plan.sink.batch === undefined ? this.counts.inFlight : this.requests;
  }

  // -- What becomes of a delivery ----------------------------------------------------------------

  begin(delivery: Delivery, now: EpochMs): void {
    assert(delivery.live !== undefined, "an attempt needs the event");
    delivery.isTaken = true;
    this.move(delivery, "attempt");
    this.lanes?.noteAttempt(delivery);
    this.probes.tried(delivery.offset);
    if (this.isCut) delivery.probe = beginProbe(this.circuit);
    this.rate.take(now);
  }

  succeed(delivery: Delivery): void {
    this.lanes?.noteSuccess();
    this.settle(delivery, "succeed");
  }

  /** `letter` names its dead letter; undefined where none are kept. */
  bury(delivery: Delivery, letter: string | undefined): void {
    this.endings.ended({ delivery, letter, row: this.circuit.row });
    this.lanes?.noteLetter(delivery);
    this.settle(delivery, letter === undefined ? "discard" : "bury");
  }

  /** One of this generation's dead letters is no more. */
  letterGone(as: "delivered" | "discarded"): void {
    assert(this.counts.dead > 0, "a letter was counted when it was made");
    this.counts.dead -= 1;
    this.counts[as] += 1;
  }

  /** One of this generation's dead letters is redriven: its event waits for a retry again. */
  redrive(offset: Offset, retry: RetryFacts): void {
    assert(this.counts.dead > 0, "a letter was counted when it was made");
    assert(!this.retries.has(offset), "an offset is dead or parked, not both");
    this.counts.dead -= 1;
    this.loadedRetry(offset, retry);
    this.changedRetries.add(offset);
  }

  filterOut(delivery: Delivery): void {
    this.settle(delivery, "filterOut");
  }

  /** A counted attempt failed: it waits for its next one, by offset only. */
  park(delivery: Delivery, retry: RetryFacts): void {
    this.move(delivery, "park");
    this.open.delete(delivery.offset);
    this.retries.set(delivery.offset, delivery);
    delivery.retry = retry;
    delivery.probe = 0;
    this.changedRetries.add(delivery.offset);
    this.drop(delivery);
    delivery.isTaken = false;
    if (this.lanes === undefined) this.lines.scheduleRetry(delivery, this.retries.size);
    else parkedInOrder(this, this.lanes, delivery);
  }

  /** The attempt did not count: as if it had not been made. */
  putBack(delivery: Delivery): void {
    this.move(delivery, delivery.retry === undefined ? "putBack" : "park");
    delivery.probe = 0;
    const mayStay = delivery.retry === undefined && delivery.live !== undefined && !this.isCut;
    if (mayStay && mayGo(this, delivery)) this.lines.returned.push(delivery);
    else this.release(delivery);
  }

  // -- Changes of the whole ----------------------------------------------------------------------

  /** Gives the memory back: what waits is read again by offset when somebody is there again. */
  releaseBuffers(): void {
    const released = [...this.lines.returned.drain(), ...this.lines.queue.drain()];
    if (this.lanes !== undefined) dropWaiting(this);
    if (released.length === 0) return;
    for (const delivery of released) this.release(delivery);
    this.lines.sortReferences();
  }

  /**
   * The circuit opened: maxAge stands still, and what was given up since the last success waits
   * again. Answers the dead letters that are to be deleted in the same commit.
   */
  circuitOpened(now: EpochMs): readonly string[] {
    this.stillness.advance(now, this.#stillUntil({ isCut: false }));
    this.stillness.advance(now, this.#stillUntil({ isCut: this.isCut }));
    this.lines.early.clear();
    const back = takeBackRow(this);
    unblockRow(this);
    return back.flatMap(({ letter }) => (letter === undefined ? [] : [letter]));
  }

  /** The circuit closed: sending begins with one request. */
  circuitClosed(now: EpochMs): void {
    this.stillness.advance(now, this.#stillUntil({ isCut: true }));
    this.stillness.advance(now, this.#stillUntil({ isCut: this.isCut }));
    startSlowly(this.pace.adaptive);
    this.lines.sortReferences();
    this.lines.hurry(this.retries.values(), (delivery) => mayGo(this, delivery));
  }

  /** Ends it: nothing is settled, nothing is kept in memory. */
  close(): void {
    this.isClosed = true;
    for (const deliveries of [this.open, this.retries]) {
      for (const delivery of deliveries.values()) {
        const { live } = delivery;
        this.drop(delivery);
        // What is on its way is still to be logged under its event's id.
        if (delivery.state === "inFlight") delivery.live = live;
      }
    }
    this.lines.clear();
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
   * A clock that runs only while maxAge stands still: paused, held or with an open circuit. What it shows at the first
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

  #stillUntil({ isCut }: { readonly isCut: boolean } = this): EpochMs {
    return this.isPaused || isCut ? Number.POSITIVE_INFINITY : this.pace.heldUntil;
  }

  // -- Inside ------------------------------------------------------------------------------------

  #addOpen(delivery: Delivery): void {
    assert(!this.open.has(delivery.offset), "an offset is read once");
    this.open.set(delivery.offset, delivery);
    this.counts.waiting += 1;
    this.probes.noted(delivery.offset);
  }

  move(delivery: Delivery, step: Step): void {
    const next = nextState(delivery.state, step);
    this.counts[delivery.state] -= 1;
    this.counts[next] += 1;
    assert(this.counts[delivery.state] >= 0, "no state holds fewer than no deliveries");
    delivery.state = next;
  }

  settle(delivery: Delivery, step: Step): void {
    this.move(delivery, step);
    const replay = this.#replayOf(delivery);
    if (replay !== undefined) replaySettled(replay, step);
    if (delivery.retry === undefined) {
      this.open.delete(delivery.offset);
    } else {
      this.retries.delete(delivery.offset);
      this.changedRetries.add(delivery.offset);
    }
    this.endings.settled(delivery.offset);
    this.drop(delivery);
    const { lanes } = this;
    if (lanes === undefined) return;
    const wasSent = step === "succeed" || step === "filterOut" || step === "expire";
    if (wasSent || delivery.key <= keyNone) leaveLane(this, lanes, delivery);
    else lanes.leaveWhenStored(delivery);
  }

  /** The replay that has redriven it, if any. */
  #replayOf({ retry }: Delivery): Replay | undefined {
    return retry?.replay === undefined ? undefined : this.replays.get(retry.replay);
  }

  release(delivery: Delivery): void {
    this.drop(delivery);
    delivery.probe = 0;
    delivery.isTaken = false;
    if (this.lanes !== undefined) promote(this, this.lanes.landed(delivery));
    else if (delivery.retry === undefined) this.lines.refer(delivery);
    else this.lines.scheduleRetry(delivery, this.retries.size);
  }

  #hold(delivery: Delivery, live: LiveEvent): void {
    delivery.live = live;
    delivery.appendedAt = live.time;
    this.bufferedBytes += live.bytes;
    hold(live, this.budget);
  }

  drop(delivery: Delivery): void {
    const { live } = delivery;
    if (live === undefined) return;
    delivery.live = undefined;
    this.bufferedBytes -= live.bytes;
    letGo(live, this.budget);
  }
}
