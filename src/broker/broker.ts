import type { Engine, EngineHealth, EventLog, Lease } from "../engine/engine.ts";
import { engines } from "../engine/engines.ts";
import { Circuits, createBusDelivery } from "../delivery/delivery.ts";
import type { BufferBudget, BusDelivery } from "../delivery/delivery.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import { systemClock } from "../kernel/clock.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { BusName } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import { systemRandom } from "../kernel/random.ts";
import { Buses } from "./buses.ts";
import type { Dependents } from "./buses.ts";
import type { BrokerConfig } from "./config.ts";
import { defaultConfig } from "./config.ts";
import type { Broker, BrokerHealth, BrokerParts } from "./contract.ts";
import { Attempts } from "./attempts.ts";
import { DeadLetters } from "./dead-letters.ts";
import { DelayedEvents } from "./delayed.ts";
import { EventReader } from "./event-reader.ts";
import { Explain } from "./explain.ts";
import { Metrics } from "./metrics.ts";
import { Playground } from "./playground.ts";
import { createProcessLogger } from "./process-logger.ts";
import { Publisher } from "./publisher.ts";
import { Replays } from "./replays.ts";
import { ChangeQueue } from "./resource-table.ts";
import { RetentionKeeper } from "./retention.ts";
import { Secrets } from "./secrets.ts";
import { createSinkMaker } from "./sink-maker.ts";
import type { SinkMaker, SinkMembers } from "./sink-maker.ts";
import { Sources } from "./sources.ts";
import { PlanMaker } from "./subscription-plan.ts";
import { Subscriptions } from "./subscriptions.ts";

export type { Page, RunningBus, Versioned } from "./buses.ts";
export type { BrokerConfig } from "./config.ts";
export type { Broker, BrokerHealth, BrokerParts } from "./contract.ts";
export { EventImport } from "./event-import.ts";
export type { ImportCounts, ImportFailure } from "./event-import.ts";
export type { EventPump, PumpSink } from "./event-pump.ts";
export type { ReadRange } from "./event-reader.ts";
export { GapList } from "./event-scan.ts";
export type { ReadPage } from "./read-page.ts";
export { compileReadFilter } from "./read-filter.ts";
export type { EventMatcher } from "./read-filter.ts";
export type { Precondition } from "./resource-table.ts";
export type { PublishCallback, PublishOutcome } from "./publisher.ts";
export { createPlayground } from "./local-playground.ts";
export type { Playground } from "./playground.ts";
export { refusalError } from "./refusal.ts";
export type { HookAnswer } from "./sources.ts";

/** Opens the engine and everything stored in it, and starts delivering. */
export async function createBroker(
  given: Partial<BrokerConfig> = {},
  parts: BrokerParts = {},
): Promise<Broker> {
  const config: BrokerConfig = { ...defaultConfig(), ...given };
  const clock = parts.clock ?? systemClock;
  const logger = parts.logger ?? createProcessLogger(config.logLevel);
  const random = parts.random ?? systemRandom;
  const engine = parts.engine ?? createEngine(config, clock, logger);
  const runtime = new RunningBroker({ config, clock, logger, random, engine });
  try {
    await runtime.start();
    return runtime;
  } catch (error) {
    await runtime.stop().catch((cause: unknown) => {
      logger.error(
        { error: String(cause) },
        "the broker did not start, and did not stop cleanly either",
      );
    });
    throw error;
  }
}

function createEngine(config: BrokerConfig, clock: Clock, logger: Logger): Engine {
  const { engine, dataDir, fsync } = config;
  const definition = engines.find((each) => each.name === engine);
  assert(definition !== undefined, "the configuration names an engine that exists");
  return definition.createEngine({ dataDir, fsync, clock, logger });
}

const UNSYNCED =
  "events are acknowledged before they are synced: a power cut can lose some of them";

interface RuntimeOptions extends Required<BrokerParts> {
  readonly config: BrokerConfig;
}

/** The composition root. Constructed, started once, stopped once. */
class RunningBroker implements Broker {
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly buses: Buses;
  readonly subscriptions: Subscriptions;
  readonly sources: Sources;
  readonly deadLetters: DeadLetters;
  readonly replays: Replays;
  readonly attempts: Attempts;
  readonly explain: Explain;
  readonly delayed: DelayedEvents;
  readonly publisher: Publisher;
  readonly reader: EventReader;
  readonly playground: Playground;
  readonly metrics: Metrics;
  readonly retention: RetentionKeeper;
  readonly #options: RuntimeOptions;
  readonly #secrets: Secrets;
  readonly #sinks: SinkMaker;
  readonly #plans: PlanMaker;
  readonly #circuits: Circuits;
  readonly #budget: BufferBudget = { bytes: 0, bytesMax: limits.bufferedBytesTotalMax };
  #health: EngineHealth | undefined;
  #isStarted = false;
  #stopping: Promise<void> | undefined;

  constructor(options: RuntimeOptions) {
    const { config, clock, random, logger, engine } = options;
    this.#options = options;
    this.config = config;
    this.clock = clock;
    this.#circuits = new Circuits(clock);
    const changes = new ChangeQueue();
    this.#secrets = new Secrets({ ...config, resources: engine.resources, random, logger });
    this.#sinks = createSinkMaker({
      allowPrivateSinks: config.allowPrivateSinks,
      allowSinks: config.allowSinks,
      clock,
      logger,
    });
    const plans = new PlanMaker(this.#sinks);
    this.#plans = plans;
    this.buses = new Buses({
      engine,
      clock,
      random,
      logger,
      changes,
      createDelivery: (bus, log, lease) => this.#createDelivery(bus, log, lease),
      dependents: (bus) => this.#dependents(bus),
    });
    this.publisher = new Publisher(clock);
    this.subscriptions = new Subscriptions({
      ...options,
      buses: this.buses,
      plans,
      secrets: this.#secrets,
      changes,
    });
    this.sources = new Sources({
      ...options,
      buses: this.buses,
      publisher: this.publisher,
      secrets: this.#secrets,
      changes,
    });
    this.delayed = new DelayedEvents(this.buses);
    const { consumerState: state } = engine;
    const { buses, subscriptions } = this;
    this.deadLetters = new DeadLetters(subscriptions, state);
    this.replays = new Replays(subscriptions, plans);
    this.attempts = new Attempts(subscriptions, state, clock);
    this.explain = new Explain({ buses, subscriptions, attempts: this.attempts, state });
    this.reader = new EventReader(this.buses, clock);
    this.playground = new Playground(plans, this.buses);
    this.metrics = new Metrics({
      buses: this.buses,
      subscriptions: this.subscriptions,
      clock,
      health: () => this.#engineHealth(),
      scrub: () => engine.scrub,
    });
    this.retention = new RetentionKeeper({ buses: this.buses, clock, logger });
  }

  async start(): Promise<void> {
    const { engine, logger } = this.#options;
    engine.onHealth((health) => this.#onHealth(health));
    this.#health = await engine.open();
    await this.#secrets.open();
    await this.buses.open();
    await this.subscriptions.open();
    await this.sources.open();
    const health = this.health();
    logger.info({ ...health }, "the broker is started");
    if (health.durability === "os") logger.warn({ fsync: health.fsync }, UNSYNCED);
    this.#isStarted = true;
  }

  health(): BrokerHealth {
    const health = this.#engineHealth();
    const { reason = null } = health;
    return { ...health, reason };
  }

  reportInternal(error: BrokerError): void {
    if (error.code !== "internal") return;
    const { cause } = error;
    const stack = cause instanceof Error ? cause.stack : error.stack;
    this.#options.logger.error({ stack }, `an error of the broker: ${error.message}`);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * From the door inwards, so that nothing new comes while the inner parts finish. All have one
   * deadline together, and the engine, which still has to flush, a part of the time to itself.
   */
  async #stop(): Promise<void> {
    const failures: unknown[] = [];
    const engineUntil = this.clock.monotonic() + limits.stopTimeoutMs;
    const partsUntil = engineUntil - limits.stopEngineMsMin;
    this.publisher.stop();
    for (const step of [
      () => this.retention.stop(),
      () => this.buses.stop(limits.stopDrainMs),
      () => this.subscriptions.closeSinks(),
      () => this.#sinks.close(),
    ]) {
      await this.#inTime(step(), partsUntil).catch((error: unknown) => failures.push(error));
    }
    const closed = this.#options.engine.close();
    await this.#inTime(closed, engineUntil).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, "the broker did not stop cleanly");
    if (this.#isStarted) this.#options.logger.info({}, "the broker is stopped");
  }

  /** A part that hangs must not keep the others from stopping, nor the process from ending. */
  async #inTime(step: Promise<unknown>, until: number): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.clock.after(until - this.clock.monotonic(), () => {
      const what = `within the ${limits.stopTimeoutMs} ms of all (stopTimeoutMs)`;
      reject(new Error(`a part of the broker did not stop ${what}`));
    });
    try {
      await Promise.race([step, late]);
    } finally {
      timer.dispose();
    }
  }

  #engineHealth(): EngineHealth {
    const { engine, fsync } = this.config;
    const reason = "the broker is starting";
    return this.#health ?? { engine, durability: "memory", fsync, writable: false, reason };
  }

  #onHealth(health: EngineHealth): void {
    const { logger } = this.#options;
    const before = this.#health?.writable;
    this.#health = health;
    if (health.writable === before) return;
    const fields = { ...health };
    if (health.writable) logger.info(fields, "storage takes events");
    else logger.error(fields, "storage takes no events");
  }

  #createDelivery(bus: BusName, log: EventLog, lease: Lease): BusDelivery {
    const { engine, clock, random, logger } = this.#options;
    return createBusDelivery({
      bus,
      log,
      lease,
      consumerState: engine.consumerState,
      clock,
      random,
      logger,
      budget: this.#budget,
      circuits: this.#circuits,
      onGone: (id) => this.#pauseGone(id),
      onAttempt: ({ attempt }) => this.metrics.attempted(attempt),
      // What a redrive to another sink has stored; secrets never go there.
      openSink: (sink) =>
        this.#plans.openSink(sink as SinkMembers, { signing: [], credential: undefined }),
    });
  }

  #pauseGone(id: string): void {
    const { logger } = this.#options;
    logger.warn({ subscription: id }, "the sink answered 410 Gone: the subscription is paused");
    this.subscriptions.setPaused(id, true).catch((error: unknown) => {
      logger.error(
        { subscription: id, error: String(error) },
        "a gone subscription was not paused",
      );
    });
  }

  #dependents(bus: BusName): Dependents {
    const subscriptions = this.subscriptions.namesOf(bus);
    const sources = this.sources.namesOf(bus);
    return {
      names: [
        ...subscriptions.map((id) => `subscription '${id}'`),
        ...sources.map((name) => `source '${name}'`),
      ],
      delete: async () => {
        for (const name of sources) await this.sources.remove(name);
        await this.subscriptions.removeAll(subscriptions);
      },
    };
  }
}
