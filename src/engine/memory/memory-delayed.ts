import { assert } from "../../kernel/assert.ts";
import type { BusName, Offset } from "../../kernel/ids.ts";
import type { DelayedEvent, DelayedQuery, DelayedStore, DelayedSummary } from "../engine.ts";
import { unknownBus } from "../state-errors.ts";

interface BusDelayed {
  /** In the order of (dueAt, id). */
  events: DelayedEvent[];
  firedTo: Offset;
}

/**
 * Delayed events in memory. Calls take effect in the order in which they are made, each one whole,
 * and answer in a later turn, as those of the state database do.
 */
export class MemoryDelayed implements DelayedStore {
  readonly #buses = new Map<BusName, BusDelayed>();
  readonly #assertOpen: () => void;

  /** `assertOpen` throws when the engine is closed. */
  constructor(assertOpen: () => void) {
    this.#assertOpen = assertOpen;
  }

  addBus(bus: BusName): void {
    if (!this.#buses.has(bus)) this.#buses.set(bus, { events: [], firedTo: 0 });
  }

  deleteBus(bus: BusName): void {
    this.#buses.delete(bus);
  }

  async add(bus: BusName, events: readonly DelayedEvent[]): Promise<void> {
    // What the caller hands over is its own again as soon as the call returns.
    const copies = structuredClone(events);
    this.#assertOpen();
    await nextTurn();
    const state = this.#buses.get(bus);
    if (state === undefined) throw unknownBus(bus);
    const known = new Set(state.events.map(({ id }) => id));
    assert(
      copies.every(({ id }) => !known.has(id)),
      "the id of a delayed event is unique within its bus",
    );
    state.events = [...state.events, ...copies].toSorted(byPlace);
  }

  async list(bus: BusName, query: DelayedQuery): Promise<readonly DelayedEvent[]> {
    this.#assertOpen();
    await nextTurn();
    const { after, dueBy = Infinity, limit, bytes } = query;
    const listed: DelayedEvent[] = [];
    let left = bytes;
    for (const event of this.#buses.get(bus)?.events ?? []) {
      if (after !== undefined && byPlace(event, after) <= 0) continue;
      if (event.dueAt > dueBy || listed.length === limit) break;
      left -= event.payload.length;
      if (left < 0 && listed.length > 0) break;
      listed.push(event);
    }
    return listed;
  }

  async get(bus: BusName, id: string): Promise<DelayedEvent | undefined> {
    this.#assertOpen();
    await nextTurn();
    return this.#buses.get(bus)?.events.find((event) => event.id === id);
  }

  async remove(
    bus: BusName,
    ids: readonly string[],
    firedTo: Offset | undefined,
  ): Promise<readonly string[]> {
    const wanted = new Set(ids);
    this.#assertOpen();
    await nextTurn();
    const state = this.#buses.get(bus);
    if (state === undefined) return [];
    const present = new Set(state.events.map(({ id }) => id));
    state.events = state.events.filter(({ id }) => !wanted.has(id));
    if (firedTo !== undefined) state.firedTo = Math.max(state.firedTo, firedTo);
    return [...wanted].filter((id) => present.has(id));
  }

  async summary(bus: BusName): Promise<DelayedSummary> {
    this.#assertOpen();
    await nextTurn();
    const { events, firedTo } = this.#buses.get(bus) ?? { events: [], firedTo: 0 };
    const bytes = events.reduce((sum, { payload }) => sum + payload.length, 0);
    return { count: events.length, bytes, nextDueAt: events[0]?.dueAt, firedTo };
  }
}

type Place = Pick<DelayedEvent, "dueAt" | "id">;

function byPlace(left: Place, right: Place): number {
  if (left.dueAt !== right.dueAt) return left.dueAt - right.dueAt;
  if (left.id === right.id) return 0;
  return left.id < right.id ? -1 : 1;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
