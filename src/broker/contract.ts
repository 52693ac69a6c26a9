import type { Engine, EngineHealth } from "../engine/engine.ts";
import type { Clock } from "../kernel/clock.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { Attempts } from "./attempts.ts";
import type { Buses } from "./buses.ts";
import type { BrokerConfig } from "./config.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { DelayedEvents } from "./delayed.ts";
import type { EventReader } from "./event-reader.ts";
import type { Explain } from "./explain.ts";
import type { Metrics } from "./metrics.ts";
import type { Playground } from "./playground.ts";
import type { Publisher } from "./publisher.ts";
import type { Replays } from "./replays.ts";
import type { RetentionKeeper } from "./retention.ts";
import type { Sources } from "./sources.ts";
import type { Subscriptions } from "./subscriptions.ts";

export interface BrokerHealth extends Omit<EngineHealth, "reason"> {
  readonly reason: string | null;
}

/** A started broker: everything behind the HTTP door, usable without it. */
export interface Broker {
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
  health(): BrokerHealth;
  /** Logs an error of ours with its cause; the caller got only its problem details. */
  reportInternal(error: BrokerError): void;
  /** Takes nothing more, lets deliveries end or puts them back, and closes the engine. Idempotent. */
  stop(): Promise<void>;
}

/** What tests put in place of the real world. */
export interface BrokerParts {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  readonly engine?: Engine;
}
