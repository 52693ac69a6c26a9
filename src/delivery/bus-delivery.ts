import type { LoadedBusState } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { Disposable } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset, SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { AttemptLog } from "./attempt-log.ts";
import { probeAtOnce } from "./circuit.ts";
import { CircuitKeeper } from "./circuit-keeper.ts";
import { Circuits } from "./circuits.ts";
import { Consumer } from "./consumer.ts";
import { letterOfBlocked } from "./blocked.ts";
import type {
  BlockedDecision,
  BufferBudget,
  BusDelivery,
  BusDeliveryOptions,
  DeliveryStatus,
  EventPlace,
  SubscriptionPlan,
  UnreadMark,
} from "./contract.ts";
import { nextGeneration } from "./generations.ts";
import type { Closing } from "./generations.ts";
import { LetterDesk } from "./letter-desk.ts";
import { reorder, resolveBlocked } from "./key-order.ts";
import { goalAfterLoss, isBeyond } from "./lost-log.ts";
import { buildMachinery } from "./machinery.ts";
import type { Machinery } from "./machinery.ts";
import { placeOf } from "./place-of.ts";
import { prepareTrim } from "./retention.ts";
import { lagEventsMaxOf, readNextOf, statusOf } from "./status.ts";
import type { SteadyTime } from "./steady-time.ts";
import { loadConsumer } from "./stored-rows.ts";

export function createBusDelivery(options: BusDeliveryOptions): BusDelivery {
  return new LocalBusDelivery(options);
}

/**
 * Composes the parts of delivery for one bus and owns them.
 *
 * States: new → running (start) → stopped (stop, a lost lease, a fenced commit). Only a running
 * one attempts, stores and takes changes.
 */
class LocalBusDelivery implements BusDelivery {
  readonly #options: BusDeliveryOptions;
  readonly #circuits: CircuitKeeper;
  readonly #time: SteadyTime;
  readonly #budget: BufferBudget;
  readonly #consumers: Map<SubscriptionId, Consumer> = new Map();
  readonly #removals: Map<SubscriptionId, Promise<void>> = new Map();
  #machinery: Machinery | undefined;
  #logListener: Disposable | undefined;
  #trimming: Promise<void> = Promise.resolve();
  /** A trim that is prepared or made reaches up to here: nothing below is read any more. */
  #readableFrom: Offset = 0;
  #stopping: Promise<void> | undefined;
  #isStopped = false;
  readonly #attemptLog: AttemptLog = new AttemptLog();
  readonly letters: LetterDesk;
  readonly #onLeaseLost = (): void => this.#halt("the lease of the bus was lost");

  constructor(options: BusDeliveryOptions) {
    this.#options = options;
    const circuits = options.circuits ?? new Circuits(options.clock);
    this.#time = circuits.time;
    this.#circuits = new CircuitKeeper({
      circuits,
      time: this.#time,
      parts: () => this.#built(),
      sleep: (consumer) => this.#sleep(consumer),
    });
    this.#budget = options.budget ?? { bytes: 0, bytesMax: limits.bufferedBytesTotalMax };
    this.letters = this.#makeLetterDesk();
  }

  async start(subscriptions: readonly SubscriptionPlan[]): Promise<void> {
    assert(this.#machinery === undefined, "a bus's delivery is started once");
    const { bus, log, lease, consumerState, logger } = this.#options;
    lease.lost.throwIfAborted();
    const loaded = await consumerState.load(bus);
    const { next } = log.bounds();
    const position = loaded.position ?? next;
    const isLogLost = isBeyond(loaded, next);
    if (isLogLost) {
      const fields = { bus, next, position };
      logger.error(fields, "the log ends below what was read: was an older copy put in its place?");
    }
    const machinery = buildMachinery({
      options: this.#options,
      time: this.#time,
      position: Math.min(position, next),
      attemptLog: this.#attemptLog,
      hooks: {
        onLetter: (subscription) => this.letters.added(subscription),
        afterTurn: (consumer) => this.#afterTurn(consumer),
        wake: (consumer) => this.#wake(consumer),
        sleep: (consumer) => this.#sleep(consumer),
        halt: (why) => this.#halt(why),
        onCircuit: this.#circuits.tell,
      },
    });
    this.#machinery = machinery;
    for (const consumer of this.#load(subscriptions, loaded)) {
      this.#enlist(isLogLost ? this.#afterLoss(consumer, position) : consumer);
    }
    for (const row of loaded.subscriptions) {
      if (!this.#consumers.has(row.subscription)) {
        machinery.committer.deleteStored(row.subscription);
      }
    }
    lease.lost.addEventListener("abort", this.#onLeaseLost, { once: true });
    // Before the first event gets an offset that the stored state believes to have been read.
    if (isLogLost) await machinery.committer.flush();
    this.#logListener = log.onAdvance(() => this.#advanced());
    this.letters.start();
    this.#advanced();
  }

  async add(plan: SubscriptionPlan): Promise<void> {
    await this.#removals.get(plan.id);
    const { committer, dispatcher } = this.#running();
    assert(!this.#consumers.has(plan.id), "a subscription is added once");
    const consumer = this.#newConsumer(plan);
    this.#enlist(consumer);
    committer.changed(consumer);
    dispatcher.drain();
    await committer.flush();
  }

  async seek(subscription: SubscriptionId, goal: Offset): Promise<void> {
    const { group, committer, dispatcher } = this.#running();
    const { first, next } = this.#options.log.bounds();
    assert(goal <= next, "a seek goes to an offset within the log");
    const old = this.#consumer(subscription);
    const heir = this.#closeGeneration(old, {
      goal: Math.max(goal, first, this.#readableFrom),
      readNext: readNextOf(old, group.position),
      reason: "seek",
    });
    this.#enlist(heir);
    dispatcher.drain();
    await committer.flush();
  }

  placeOf(subscription: SubscriptionId, offset: Offset): EventPlace {
    const consumer = this.#consumer(subscription);
    return placeOf({
      consumer,
      offset,
      status: this.status(subscription),
      readNext: readNextOf(consumer, this.#built().group.position),
      now: this.#time.now(),
    });
  }

  async unblock(
    subscription: SubscriptionId,
    offset: Offset,
    decision: BlockedDecision,
  ): Promise<boolean> {
    const { committer, dispatcher } = this.#running();
    const consumer = this.#consumer(subscription);
    const delivery = consumer.retries.get(offset);
    if (delivery?.retry?.blocked === undefined) return false;
    if (decision === "dead-letter") {
      const { clock, random } = this.#options;
      const made = { letter: random.id(), time: clock.now() };
      const letter = letterOfBlocked(consumer, delivery, made);
      if (letter !== undefined) committer.addLetter(letter);
    }
    resolveBlocked(consumer, delivery, decision);
    committer.changed(consumer);
    dispatcher.ready(consumer);
    dispatcher.drain();
    await committer.flush();
    return true;
  }

  update(plan: SubscriptionPlan): void {
    const { group, committer, dispatcher } = this.#running();
    const consumer = this.#consumer(plan.id);
    const sharesAnother = plan.circuitKey !== consumer.plan.circuitKey;
    if (sharesAnother) this.#circuits.part(consumer);
    consumer.change(this.#time.now(), () => {
      consumer.plan = plan;
      // The plan says paused by itself from now on, or somebody resumed.
      if (!plan.paused) consumer.isGone = false;
    });
    reorder(consumer);
    consumer.rate.setRate(plan.rateLimit);
    if (sharesAnother) this.#circuits.join(consumer);
    group.reindex(consumer);
    probeAtOnce(consumer.circuit);
    committer.changed(consumer);
    if (consumer.isDormant()) this.#sleep(consumer);
    dispatcher.ready(consumer);
    dispatcher.drain();
  }

  async remove(subscription: SubscriptionId): Promise<void> {
    const { group, committer, wakeUps } = this.#running();
    const consumer = this.#consumers.get(subscription);
    if (consumer === undefined) return;
    this.#consumers.delete(subscription);
    group.remove(consumer);
    this.#circuits.leave(consumer);
    consumer.close();
    wakeUps.set(consumer, undefined);
    committer.delete(consumer);
    const removal = committer.flush();
    this.#removals.set(subscription, removal);
    try {
      await removal;
    } finally {
      this.#removals.delete(subscription);
    }
  }

  status(subscription: SubscriptionId): DeliveryStatus {
    const { group } = this.#built();
    return statusOf({
      consumer: this.#consumer(subscription),
      log: this.#options.log,
      groupPosition: group.position,
      now: this.#time.now(),
      wallNow: this.#options.clock.now(),
    });
  }

  lowestUnsettled(): Offset {
    const { group } = this.#built();
    let lowest = this.#options.log.bounds().next;
    for (const consumer of this.#consumers.values()) {
      const readNext = readNextOf(consumer, group.position);
      lowest = Math.min(lowest, consumer.lowestUnsettled(readNext));
    }
    return lowest;
  }

  lagEventsMax(): number | undefined {
    const groupPosition = this.#built().group.position;
    const { next } = this.#options.log.bounds();
    return lagEventsMaxOf(this.#consumers.values(), { next, groupPosition });
  }

  lowestUnread(): UnreadMark | undefined {
    const { group } = this.#built();
    let lowest: UnreadMark | undefined;
    for (const [subscription, consumer] of this.#consumers) {
      const offset = readNextOf(consumer, group.position);
      if (lowest === undefined || offset < lowest.offset) lowest = { subscription, offset };
    }
    return lowest;
  }

  prepareTrim(before: Offset, options = { keepUnread: false }): Promise<Offset> {
    const { group, committer, reader } = this.#running();
    const { bus, log, consumerState: store } = this.#options;
    const consumers = (): Iterable<Consumer> => this.#consumers.values();
    const trim = { bus, log, store, reader, group, committer, consumers };
    // One at a time: the second finds what the first has named.
    const run = this.#trimming.then(() => {
      // Only now: a seek may have gone back while this one was waiting.
      const unread = options.keepUnread ? this.lowestUnread()?.offset : undefined;
      const cut = log.trimmable(Math.min(before, unread ?? before));
      this.#readableFrom = Math.max(this.#readableFrom, cut);
      return prepareTrim(trim, cut);
    });
    this.#trimming = run.then(
      () => undefined,
      () => undefined,
    );
    return run;
  }

  stop(drainMs: number): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    return this.#stopping;
  }

  // -- Start and stop ----------------------------------------------------------------------------

  #makeLetterDesk(): LetterDesk {
    const { consumerState: store, openSink = noOtherSink } = this.#options;
    return new LetterDesk({
      ...this.#options,
      store,
      openSink,
      time: this.#time,
      attemptLog: this.#attemptLog,
      consumer: (subscription) => {
        this.#running();
        return this.#consumer(subscription);
      },
      consumers: () => this.#consumers.values(),
      committer: () => this.#running().committer,
      wake: (consumer) => this.#wake(consumer),
    });
  }

  #load(subscriptions: readonly SubscriptionPlan[], loaded: LoadedBusState): Consumer[] {
    const rows = new Map(loaded.subscriptions.map((row) => [row.subscription, row]));
    const parked = Map.groupBy(loaded.parked, (one) => one.subscription);
    const replays = Map.groupBy(loaded.replays, (one) => one.subscription);
    const failures = Map.groupBy(loaded.failures, (one) => one.subscription);
    return subscriptions.map((plan) => {
      const row = rows.get(plan.id);
      if (row === undefined) return this.#newConsumer(plan);
      return loadConsumer({
        plan,
        budget: this.#budget,
        row,
        parked: parked.get(plan.id) ?? [],
        replays: replays.get(plan.id) ?? [],
        failures: failures.get(plan.id) ?? [],
      });
    });
  }

  #newConsumer(plan: SubscriptionPlan): Consumer {
    const { group } = this.#built();
    // Beyond the end only if an older copy of the log has taken the place of the one it was made on.
    const start = Math.min(plan.startOffset, this.#options.log.bounds().next);
    const consumer = new Consumer({ plan, generation: 1, start, budget: this.#budget });
    // A trim that is being prepared has the names of everything below it already.
    const readNext = Math.max(start, this.#readableFrom);
    consumer.expireUnread({ from: start, to: readNext - 1, reason: "trimmed" });
    consumer.readNext = readNext >= group.position ? undefined : readNext;
    return consumer;
  }

  #closeGeneration(old: Consumer, close: Pick<Closing, "goal" | "readNext" | "reason">): Consumer {
    const { group, committer, wakeUps } = this.#built();
    const { clock, log } = this.#options;
    const { next } = log.bounds();
    const groupPosition = group.position;
    const heir = nextGeneration(old, { ...close, next, groupPosition, now: clock.now() });
    group.remove(old);
    this.#circuits.leave(old);
    wakeUps.set(old, undefined);
    committer.succeeded(old, heir);
    return heir;
  }

  /** The log ends below what `consumer` may have read: see lost-log.ts. */
  #afterLoss(consumer: Consumer, position: Offset): Consumer {
    const readNext = readNextOf(consumer, position);
    const goal = goalAfterLoss(consumer, readNext, this.#options.log.bounds().next);
    if (goal === undefined) return consumer;
    return this.#closeGeneration(consumer, { goal, readNext, reason: "log-lost" });
  }

  /** Takes a consumer in; from here on it is read for and served. */
  #enlist(consumer: Consumer): void {
    const { group, committer, dispatcher } = this.#built();
    this.#consumers.set(consumer.plan.id, consumer);
    consumer.rate.setRate(consumer.plan.rateLimit);
    this.#circuits.join(consumer);
    group.add(consumer);
    if (consumer.isDormant()) this.#sleep(consumer);
    // A crash between a 410 and the broker's storing of the pause: it is told again.
    if (consumer.isGone && !consumer.plan.paused) this.#options.onGone(consumer.plan.id);
    if (consumer.isGone && consumer.plan.paused) committer.changed(consumer);
    dispatcher.ready(consumer);
  }

  async #stop(drainMs: number): Promise<void> {
    const machinery = this.#machinery;
    if (machinery === undefined || this.#isStopped) return;
    const { clock, logger, bus } = this.#options;
    this.#stopReading(machinery);
    const landed = machinery.dispatcher.stop();
    await within(clock, drainMs, landed);
    try {
      // A store that does not answer must not keep the process from ending.
      await within(clock, limits.stopDrainMs, machinery.committer.flush());
    } catch (error) {
      logger.error({ bus, error: String(error) }, "the last consumer state could not be stored");
    }
    this.#end(machinery, new BrokerError("stopping", `delivery of bus '${bus}' has stopped`));
  }

  #stopReading(machinery: Machinery): void {
    this.#logListener?.dispose();
    this.#options.lease.lost.removeEventListener("abort", this.#onLeaseLost);
    machinery.group.stop();
    machinery.lagReader.stop();
    machinery.fetcher.stop();
    machinery.wakeUps.stop();
    this.letters.stop();
  }

  /** Somebody else has the bus, or will have it at once: stop without storing anything. */
  #halt(why: string): void {
    const machinery = this.#machinery;
    if (machinery === undefined || this.#isStopped) return;
    this.#options.logger.error({ bus: this.#options.bus }, `delivery stops: ${why}`);
    this.#stopReading(machinery);
    void machinery.dispatcher.stop();
    this.#end(machinery, new BrokerError("fenced", why));
  }

  #end(machinery: Machinery, error: BrokerError): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    machinery.committer.close(error);
    for (const consumer of this.#consumers.values()) {
      consumer.close();
      this.#circuits.leave(consumer);
    }
  }

  // -- While running -----------------------------------------------------------------------------

  #advanced(): void {
    const { group, dispatcher } = this.#built();
    group.run();
    dispatcher.drain();
  }

  #afterTurn(consumer: Consumer): void {
    const { fetcher, lagReader, wakeUps } = this.#built();
    const now = this.#time.now();
    fetcher.consider(consumer, now);
    lagReader.consider(consumer);
    wakeUps.set(consumer, consumer.wakeAt(now));
  }

  #wake(consumer: Consumer): void {
    const { dispatcher } = this.#built();
    dispatcher.ready(consumer);
    dispatcher.drain();
  }

  /** There is nobody to send to: it keeps no events in memory and does not read. */
  #sleep(consumer: Consumer): void {
    const { group } = this.#built();
    consumer.releaseBuffers();
    group.leave(consumer);
  }

  #consumer(subscription: SubscriptionId): Consumer {
    const consumer = this.#consumers.get(subscription);
    if (consumer !== undefined) return consumer;
    throw new BrokerError("subscription_not_found", `there is no subscription '${subscription}'`);
  }

  #built(): Machinery {
    assert(this.#machinery !== undefined, "delivery is started before it is used");
    return this.#machinery;
  }

  #running(): Machinery {
    const machinery = this.#built();
    if (!this.#isStopped) return machinery;
    throw new BrokerError("stopping", `delivery of bus '${this.#options.bus}' has stopped`);
  }
}

function noOtherSink(): never {
  throw new BrokerError("internal", "this delivery was given no way to open another sink");
}

/** Waits for `work`, but no longer than `delayMs`. Rejects when the work does. */
function within(
  clock: BusDeliveryOptions["clock"],
  delayMs: number,
  work: Promise<void>,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = clock.after(delayMs, resolve);
  work.then(resolve, reject);
  return promise.finally(() => timer.dispose());
}
