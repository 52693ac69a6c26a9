import type { LoadedBusState, ParkedState } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { Disposable } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset, SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { Consumer } from "./consumer.ts";
import type {
  BufferBudget,
  BusDelivery,
  BusDeliveryOptions,
  DeliveryStatus,
  SubscriptionPlan,
} from "./contract.ts";
import { buildMachinery } from "./machinery.ts";
import type { Machinery } from "./machinery.ts";
import { probeAtOnce } from "./pace.ts";
import { prepareTrim } from "./retention.ts";
import { readNextOf, statusOf } from "./status.ts";
import { SteadyTime } from "./steady-time.ts";
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
  readonly #time: SteadyTime;
  readonly #budget: BufferBudget;
  readonly #consumers: Map<SubscriptionId, Consumer> = new Map();
  readonly #removals: Map<SubscriptionId, Promise<void>> = new Map();
  #machinery: Machinery | undefined;
  #logListener: Disposable | undefined;
  #trimming: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #isStopped = false;
  readonly #onLeaseLost = (): void => this.#halt("the lease of the bus was lost");

  constructor(options: BusDeliveryOptions) {
    this.#options = options;
    this.#time = new SteadyTime(options.clock);
    this.#budget = options.budget ?? { bytes: 0, bytesMax: limits.bufferedBytesTotalMax };
  }

  async start(subscriptions: readonly SubscriptionPlan[]): Promise<void> {
    assert(this.#machinery === undefined, "a bus's delivery is started once");
    const { bus, log, lease, consumerState } = this.#options;
    lease.lost.throwIfAborted();
    const loaded = await consumerState.load(bus);
    const { next } = log.bounds();
    const position = loaded.position ?? next;
    if (position > next) {
      throw new BrokerError(
        "data_corrupt",
        `bus '${bus}' ends at offset ${next}, but its consumer state has read up to ${position}`,
      );
    }
    const machinery = buildMachinery({
      options: this.#options,
      time: this.#time,
      position,
      hooks: {
        afterTurn: (consumer) => this.#afterTurn(consumer),
        wake: (consumer) => this.#wake(consumer),
        sleep: (consumer) => this.#sleep(consumer),
        halt: (why) => this.#halt(why),
      },
    });
    this.#machinery = machinery;
    for (const consumer of this.#load(subscriptions, loaded)) this.#enlist(consumer);
    for (const row of loaded.subscriptions) {
      if (!this.#consumers.has(row.subscription)) {
        machinery.committer.deleteStored(row.subscription);
      }
    }
    lease.lost.addEventListener("abort", this.#onLeaseLost, { once: true });
    this.#logListener = log.onAdvance(() => this.#advanced());
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

  update(plan: SubscriptionPlan): void {
    const { group, committer, dispatcher } = this.#running();
    const consumer = this.#consumer(plan.id);
    consumer.change(this.#time.now(), () => {
      consumer.plan = plan;
      // The plan says paused by itself from now on, or somebody resumed.
      if (!plan.paused) consumer.isGone = false;
    });
    group.reindex(consumer);
    probeAtOnce(consumer.pace);
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

  prepareTrim(before: Offset): Promise<void> {
    const { group, committer, reader } = this.#running();
    const { bus, log, consumerState: store } = this.#options;
    const consumers = (): Iterable<Consumer> => this.#consumers.values();
    const trim = { bus, log, store, reader, group, committer, consumers };
    // One at a time: the second finds what the first has named.
    const run = this.#trimming.then(() => prepareTrim(trim, before));
    this.#trimming = run.catch(() => undefined);
    return run;
  }

  stop(drainMs: number): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    return this.#stopping;
  }

  // -- Start and stop ----------------------------------------------------------------------------

  #load(subscriptions: readonly SubscriptionPlan[], loaded: LoadedBusState): Consumer[] {
    const rows = new Map(loaded.subscriptions.map((row) => [row.subscription, row]));
    const parked = Map.groupBy(loaded.parked, (one: ParkedState) => one.subscription);
    return subscriptions.map((plan) => {
      const row = rows.get(plan.id);
      if (row === undefined) return this.#newConsumer(plan);
      const mine = parked.get(plan.id) ?? [];
      return loadConsumer({ plan, budget: this.#budget, row, parked: mine });
    });
  }

  #newConsumer(plan: SubscriptionPlan): Consumer {
    const start = plan.startOffset;
    const { group } = this.#built();
    assert(start <= this.#options.log.bounds().next, "a subscription starts within the log");
    const consumer = new Consumer({ plan, generation: 1, start, budget: this.#budget });
    consumer.readNext = start >= group.position ? undefined : start;
    return consumer;
  }

  /** Takes a consumer in; from here on it is read for and served. */
  #enlist(consumer: Consumer): void {
    const { group, committer, dispatcher } = this.#built();
    this.#consumers.set(consumer.plan.id, consumer);
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
    for (const consumer of this.#consumers.values()) consumer.close();
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
