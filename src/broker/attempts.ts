import type { Attempt } from "../api/api.ts";
import { attemptOf } from "../delivery/delivery.ts";
import type { AttemptQuery, ConsumerStateStore, StoredAttempt } from "../engine/engine.ts";
import type { Clock } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { Page, RunningBus } from "./buses.ts";
import { readAttemptFilter } from "./letter-input.ts";
import type { ListQuery } from "./resource-table.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** The attempts log of subscriptions, newest first. */
export class Attempts {
  readonly #subscriptions: Subscriptions;
  readonly #state: ConsumerStateStore;
  readonly #clock: Clock;

  constructor(subscriptions: Subscriptions, state: ConsumerStateStore, clock: Clock) {
    this.#subscriptions = subscriptions;
    this.#state = state;
    this.#clock = clock;
  }

  async list(subscription: string, page: ListQuery, filter: unknown): Promise<Page<Attempt>> {
    const bus = this.#subscriptions.busOf(subscription);
    const { limit } = page;
    const query = { ...readAttemptFilter(filter), below: placeOf(page.after), limit: limit + 1 };
    const found = await this.#search(bus, { subscription, ...query });
    const last = found.length > limit ? found[limit - 1] : undefined;
    return {
      items: found.slice(0, limit).map(attemptOf),
      next: last === undefined ? undefined : String(last.sequence),
    };
  }

  /** The latest attempts with one event. */
  async ofEvent(bus: RunningBus, subscription: string, offset: number): Promise<Attempt[]> {
    const found = await this.#search(bus, {
      ...readAttemptFilter({}),
      subscription,
      offset,
      below: undefined,
      limit: limits.explainAttemptsMax,
    });
    return found.map(attemptOf);
  }

  /** What is too old may still be stored: it goes when a newer one comes. */
  #search(bus: RunningBus, query: AttemptQuery): Promise<readonly StoredAttempt[]> {
    const oldest = this.#clock.now() - limits.attemptLogAgeMsMax;
    const since = Math.max(query.since ?? oldest, oldest);
    return this.#state.attempts(bus.name, { ...query, since });
  }
}

function placeOf(after: string | undefined): number | undefined {
  if (after === undefined) return undefined;
  if (/^\d{1,16}$/.test(after)) return Number(after);
  const message = "after must be what the Link of the page before says";
  throw new BrokerError("invalid_request", message, {
    violations: [{ path: "after", code: "invalid_value", message }],
  });
}
