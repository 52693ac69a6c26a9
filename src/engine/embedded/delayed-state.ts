import type { BusName, Offset } from "../../kernel/ids.ts";
import type { DelayedEvent, DelayedQuery, DelayedStore, DelayedSummary } from "../engine.ts";
import type { StateDatabase } from "./state-database.ts";

/** Delayed events in the state database; each call is one transaction there. */
export class EmbeddedDelayed implements DelayedStore {
  readonly #database: () => StateDatabase;

  constructor(database: () => StateDatabase) {
    this.#database = database;
  }

  async add(bus: BusName, events: readonly DelayedEvent[]): Promise<void> {
    // A payload is mostly a view of a larger buffer, all of which would be cloned with it.
    const own = events.map((event) => ({ ...event, payload: ownBytes(event.payload) }));
    await this.#database().request("addDelayed", { bus, events: own });
  }

  async list(bus: BusName, query: DelayedQuery): Promise<readonly DelayedEvent[]> {
    return this.#database().request("listDelayed", { bus, query });
  }

  async get(bus: BusName, id: string): Promise<DelayedEvent | undefined> {
    return this.#database().request("getDelayed", { bus, id });
  }

  async remove(
    bus: BusName,
    ids: readonly string[],
    firedTo: Offset | undefined,
  ): Promise<readonly string[]> {
    return this.#database().request("removeDelayed", { bus, ids, firedTo });
  }

  async summary(bus: BusName): Promise<DelayedSummary> {
    return this.#database().request("summarizeDelayed", bus);
  }
}

function ownBytes(payload: Uint8Array): Uint8Array {
  return payload.length === payload.buffer.byteLength ? payload : new Uint8Array(payload);
}
