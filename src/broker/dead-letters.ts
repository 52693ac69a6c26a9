import type { DeadLetter, JsonValue } from "../api/api.ts";
import type { DeadLetterDetails } from "../delivery/delivery.ts";
import type { ConsumerStateStore, DeadLetterState } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { encodeStructured } from "../event/json-format.ts";
import { decodeEvent } from "../event/stored-form.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Page, RunningBus } from "./buses.ts";
import { decodeAt } from "./event-reader.ts";
import type { ListQuery } from "./resource-table.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Dead letters as the API shows them: the stored row with its event, from log or rescue store. */
export class DeadLetters {
  readonly #subscriptions: Subscriptions;
  readonly #state: ConsumerStateStore;

  constructor(subscriptions: Subscriptions, state: ConsumerStateStore) {
    this.#subscriptions = subscriptions;
    this.#state = state;
  }

  async list(subscription: string, query: ListQuery): Promise<Page<DeadLetter>> {
    const bus = this.#subscriptions.busOf(subscription);
    const { after, limit } = query;
    const states = await this.#state.deadLetters(bus.name, {
      subscription,
      limit: limit + 1,
      ...(after === undefined ? {} : { after }),
    });
    const shown = states.slice(0, limit);
    const items: DeadLetter[] = [];
    for (const state of shown) items.push(await this.#present(bus, state));
    return { items, next: states.length > limit ? shown.at(-1)?.letter : undefined };
  }

  async get(subscription: string, letter: string): Promise<DeadLetter> {
    const bus = this.#subscriptions.busOf(subscription);
    const state = await this.#state.deadLetter(bus.name, subscription, letter);
    if (state === undefined) throw noSuchLetter(subscription, letter);
    return this.#present(bus, state);
  }

  /** The delivery deletes it, because its event then counts as discarded (P2). */
  async delete(subscription: string, letter: string): Promise<DeadLetter> {
    const bus = this.#subscriptions.busOf(subscription);
    const shown = await this.get(subscription, letter);
    const { delivery } = bus;
    if (delivery.discardLetter === undefined) {
      throw new BrokerError("not_supported_yet", "dead letters cannot be deleted yet");
    }
    if (!(await delivery.discardLetter(subscription, letter)))
      throw noSuchLetter(subscription, letter);
    return shown;
  }

  async #present(bus: RunningBus, state: DeadLetterState): Promise<DeadLetter> {
    const { attempts, request } = JSON.parse(state.details) as DeadLetterDetails;
    const event = await this.#event(bus, state.offset);
    return {
      id: state.letter,
      offset: state.offset,
      time: new Date(state.time).toISOString(),
      reason: state.reason,
      event: event === undefined ? null : structuredJson(event),
      request,
      attempts,
    };
  }

  async #event(bus: RunningBus, offset: Offset): Promise<CloudEvent | undefined> {
    if (offset >= bus.log.bounds().first) {
      const batch = await bus.log.read(offset, { records: 1, bytes: 1 });
      if (batch.count > 0 && batch.offsets[0] === offset) return decodeAt(batch, 0);
    }
    const [rescued] = await this.#state.rescued(bus.name, [offset]);
    if (rescued === undefined) return undefined;
    const payload = Buffer.from(rescued.payload);
    return decodeEvent(payload, 0, payload.length);
  }
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
