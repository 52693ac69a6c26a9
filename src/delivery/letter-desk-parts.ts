import type { OpenSink } from "../connector/sink.ts";
import type { ConsumerStateStore, EventLog } from "../engine/engine.ts";
import type { Clock } from "../kernel/clock.ts";
import type { BusName, SubscriptionId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { Committer } from "./committer.ts";
import type { Consumer } from "./consumer.ts";
import type { SteadyTime } from "./steady-time.ts";

/** What those who work on dead letters need of the delivery of their bus. */
export interface LetterDeskParts {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly store: ConsumerStateStore;
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly random: Random;
  readonly logger: Logger;
  readonly attemptLog: AttemptLog;
  /** Throws subscription_not_found, or `stopping`. */
  readonly consumer: (subscription: SubscriptionId) => Consumer;
  readonly consumers: () => Iterable<Consumer>;
  readonly committer: () => Committer;
  /** It may have something to send. */
  readonly wake: (consumer: Consumer) => void;
  readonly openSink: (description: unknown) => OpenSink;
}
