import type { DeadLetter, JsonValue } from "../api/api.ts";
import { findEvents } from "../delivery/delivery.ts";
import type { DeadLetterDetails, FoundEvent } from "../delivery/delivery.ts";
import type {
  ConsumerStateStore,
  DeadLetterQuery,
  DeadLetterState,
  LetterPlace,
} from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { encodeStructured } from "../event/json-format.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { Page, RunningBus } from "./buses.ts";
import { readLetterFilter } from "./letter-input.ts";
import type { ListQuery } from "./resource-table.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** How many letters an export holds in memory at a time. */
const exportPageLetters = 50;

/** Dead letters as the API shows them: the stored row with its event, from log or rescue store. */
export class DeadLetters {
  readonly #subscriptions: Subscriptions;
  readonly #state: ConsumerStateStore;

  constructor(subscriptions: Subscriptions, state: ConsumerStateStore) {
    this.#subscriptions = subscriptions;
    this.#state = state;
  }

  /** `filter` as in letter-input.ts. */
  async list(subscription: string, page: ListQuery, filter: unknown): Promise<Page<DeadLetter>> {
    const bus = this.#subscriptions.busOf(subscription);
    const { after, limit } = page;
    const states = await this.#state.deadLetters(bus.name, {
      subscription,
      filter: readLetterFilter(filter),
      limit: limit + 1,
      ...(after === undefined ? {} : { after }),
    });
    const shown = states.slice(0, limit);
    const items = await this.#present(bus, shown);
    return { items, next: states.length > limit ? shown.at(-1)?.letter : undefined };
  }

  /** Throws at once what is wrong with the request; then hands out letters as fast as they are taken. */
  each(subscription: string, filter: unknown): AsyncGenerator<DeadLetter> {
    const bus = this.#subscriptions.busOf(subscription);
    return this.#pages(bus, {
      subscription,
      filter: readLetterFilter(filter),
      limit: exportPageLetters,
    });
  }

  async get(subscription: string, letter: string): Promise<DeadLetter> {
    const bus = this.#subscriptions.busOf(subscription);
    const state = await this.#state.deadLetter(bus.name, subscription, letter);
    if (state === undefined) throw noSuchLetter(subscription, letter);
    const [shown] = await this.#present(bus, [state]);
    if (shown === undefined) throw noSuchLetter(subscription, letter);
    return shown;
  }

  /** The delivery deletes it, because its event then counts as discarded (P2). */
  async delete(subscription: string, letter: string): Promise<DeadLetter> {
    const bus = this.#subscriptions.busOf(subscription);
    const shown = await this.get(subscription, letter);
    if (!(await bus.delivery.letters.discard(subscription, letter))) {
      throw noSuchLetter(subscription, letter);
    }
    return shown;
  }

  /** Deletes at most `max` of those that pass; answers how many. */
  purge(subscription: string, filter: unknown, max: number): Promise<number> {
    const { delivery } = this.#subscriptions.busOf(subscription);
    return delivery.letters.purge(subscription, readLetterFilter(filter), max);
  }

  async *#pages(bus: RunningBus, query: DeadLetterQuery): AsyncGenerator<DeadLetter> {
    let afterPlace: LetterPlace | undefined;
    for (;;) {
      const place = afterPlace === undefined ? {} : { afterPlace };
      const states = await this.#state.deadLetters(bus.name, { ...query, ...place });
      yield* await this.#present(bus, states);
      const last = states.at(-1);
      if (last !== undefined) afterPlace = { time: last.time, letter: last.letter };
      if (states.length < query.limit) return;
    }
  }

  /** With their events, those of neighbours read together. */
  async #present(bus: RunningBus, states: readonly DeadLetterState[]): Promise<DeadLetter[]> {
    const { name, log } = bus;
    const { next } = log.bounds();
    // Of a log that was lost the end may lie below.
    const offsets = states.map(({ offset }) => offset).filter((offset) => offset < next);
    const found = await findEvents({ bus: name, log, store: this.#state }, offsets);
    return states.map((state) => presented(state, found.get(state.offset)));
  }
}

function presented(state: DeadLetterState, found: FoundEvent | undefined): DeadLetter {
  const { attempts, request } = JSON.parse(state.details) as DeadLetterDetails;
  const event = found === undefined || found.found === "nothing" ? undefined : found.event;
  // Where an older copy of the log took the place of the one the letter is about, its offset
  // may have been given to another event.
  const isIts = event !== undefined && event.id === (attempts.at(-1)?.eventId ?? event.id);
  return {
    id: state.letter,
    offset: state.offset,
    generation: state.generation,
    time: new Date(state.time).toISOString(),
    reason: state.reason,
    event: isIts ? structuredJson(event) : null,
    request,
    attempts,
  };
}

/** What JSON.parse tells a reviver about a number, and JSON.rawJSON: newer than TypeScript's types. */
type Reviver = (name: string, value: unknown) => unknown;
interface NumberSource {
  readonly source?: string;
}
const { rawJSON } = JSON as typeof JSON & { rawJSON(this: void, text: string): unknown };

/** Numbers that JavaScript would round stay as they are written. */
function keepNumber(_name: string, value: unknown, { source }: NumberSource): unknown {
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return rawJSON(source);
}

/** An event as a value inside another JSON document, to be written by JSON.stringify. */
export function structuredJson(event: CloudEvent): JsonValue {
  const text = Buffer.from(encodeStructured(event)).toString("utf8");
  return JSON.parse(text, keepNumber as Reviver) as JsonValue;
}

function noSuchLetter(subscription: string, letter: string): BrokerError {
  const shown = letter.slice(0, limits.labelLengthMax);
  const detail = `subscription '${subscription}' has no dead letter '${shown}'`;
  return new BrokerError("dead_letter_not_found", detail);
}
