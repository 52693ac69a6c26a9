import { assert } from "../../kernel/assert.ts";
import type { BusName, Offset, SubscriptionId } from "../../kernel/ids.ts";
import type {
  AttemptQuery,
  ConsumerChanges,
  ConsumerStateStore,
  DeadLetterQuery,
  DeadLetterState,
  LetterFilter,
  LetterPlace,
  LoadedBusState,
  ParkedState,
  ReplayState,
  RescuedRecord,
  StoredAttempt,
  SubscriptionState,
} from "../engine.ts";
import type { LeaseTokens } from "../local-leases.ts";
import { MemoryAttempts } from "./memory-attempts.ts";
import { fenced, unknownBus, unknownLetter } from "../state-errors.ts";

interface BusState {
  position: Offset | undefined;
  leaseToken: number | undefined;
  readonly subscriptions: Map<SubscriptionId, SubscriptionState>;
  readonly parked: Map<string, ParkedState>;
  readonly letters: Map<string, DeadLetterState>;
  readonly rescued: Map<Offset, RescuedRecord>;
  readonly replays: Map<string, ReplayState>;
  readonly attempts: MemoryAttempts;
}

/**
 * Consumer state in memory. Calls take effect in the order in which they are made, each one whole,
 * and answer in a later turn, as those of the state database do.
 */
export class MemoryState implements ConsumerStateStore, LeaseTokens {
  readonly #buses = new Map<BusName, BusState>();
  readonly #assertOpen: () => void;
  #tokenLast = 0;

  /** `assertOpen` throws when the engine is closed. */
  constructor(assertOpen: () => void) {
    this.#assertOpen = assertOpen;
  }

  /** The bus has a log from now on, and so it can have state. */
  addBus(bus: BusName): void {
    if (this.#buses.has(bus)) return;
    this.#buses.set(bus, {
      position: undefined,
      leaseToken: undefined,
      subscriptions: new Map(),
      parked: new Map(),
      letters: new Map(),
      rescued: new Map(),
      replays: new Map(),
      attempts: new MemoryAttempts(),
    });
  }

  deleteBus(bus: BusName): void {
    this.#buses.delete(bus);
  }

  async issue(bus: BusName): Promise<number> {
    this.#assertOpen();
    await nextTurn();
    const state = this.#bus(bus);
    this.#tokenLast += 1;
    state.leaseToken = this.#tokenLast;
    return this.#tokenLast;
  }

  async revoke(bus: BusName, token: number): Promise<void> {
    this.#assertOpen();
    await nextTurn();
    const state = this.#buses.get(bus);
    if (state?.leaseToken === token) state.leaseToken = undefined;
  }

  async load(bus: BusName): Promise<LoadedBusState> {
    this.#assertOpen();
    await nextTurn();
    const state = this.#buses.get(bus);
    if (state === undefined) {
      return { position: undefined, subscriptions: [], parked: [], replays: [], failures: [] };
    }
    const subscriptions = sorted(state.subscriptions.values(), (row) => [row.subscription, 0]);
    return {
      position: state.position,
      subscriptions,
      parked: sorted(state.parked.values(), (row) => [row.subscription, row.offset]),
      replays: sorted(state.replays.values(), (row) => [row.subscription, row.replay]),
      failures: subscriptions.flatMap((row) => state.attempts.failures(row.subscription)),
    };
  }

  async commit(bus: BusName, leaseToken: number, changes: ConsumerChanges): Promise<void> {
    // What the caller hands over is its own again as soon as the call returns.
    const copy = copyChanges(changes);
    this.#assertOpen();
    await nextTurn();
    const state = this.#buses.get(bus);
    if (state === undefined || state.leaseToken !== leaseToken) {
      throw fenced(bus, leaseToken);
    }
    apply(state, copy);
    dropUnnamed(state);
  }

  async deadLetters(bus: BusName, query: DeadLetterQuery): Promise<readonly DeadLetterState[]> {
    this.#assertOpen();
    await nextTurn();
    const all = this.#letters(bus, query.subscription);
    const { after, filter, limit } = query;
    const last = after === undefined ? undefined : all.find(({ letter }) => letter === after);
    if (after !== undefined && last === undefined) throw unknownLetter(query.subscription, after);
    const place = last ?? query.afterPlace;
    return all
      .filter((letter) => place === undefined || comparePlaces(letter, place) > 0)
      .filter((letter) => filter === undefined || passes(letter, filter))
      .slice(0, limit);
  }

  async countDeadLetters(
    bus: BusName,
    subscription: SubscriptionId,
    filter: LetterFilter,
  ): Promise<number> {
    this.#assertOpen();
    await nextTurn();
    return this.#letters(bus, subscription).filter((letter) => passes(letter, filter)).length;
  }

  async attempts(bus: BusName, query: AttemptQuery): Promise<readonly StoredAttempt[]> {
    this.#assertOpen();
    await nextTurn();
    return this.#buses.get(bus)?.attempts.search(query) ?? [];
  }

  async deadLetter(
    bus: BusName,
    subscription: SubscriptionId,
    letter: string,
  ): Promise<DeadLetterState | undefined> {
    this.#assertOpen();
    await nextTurn();
    return this.#buses.get(bus)?.letters.get(letterKey({ subscription, letter }));
  }

  async rescued(bus: BusName, offsets: readonly Offset[]): Promise<readonly RescuedRecord[]> {
    this.#assertOpen();
    await nextTurn();
    const rescued = this.#buses.get(bus)?.rescued;
    return offsets.map((offset) => rescued?.get(offset)).filter((record) => record !== undefined);
  }

  async named(bus: BusName, from: Offset, before: Offset): Promise<readonly Offset[]> {
    this.#assertOpen();
    await nextTurn();
    const state = this.#buses.get(bus);
    if (state === undefined) return [];
    const offsets = new Set<Offset>();
    for (const row of state.parked.values()) offsets.add(row.offset);
    for (const letter of state.letters.values()) offsets.add(letter.offset);
    return [...offsets]
      .filter((offset) => offset >= from && offset < before)
      .toSorted((left, right) => left - right);
  }

  #letters(bus: BusName, subscription: SubscriptionId): DeadLetterState[] {
    const letters = this.#buses.get(bus)?.letters.values() ?? [];
    const own = [...letters].filter((letter) => letter.subscription === subscription);
    return own.toSorted(comparePlaces);
  }

  #bus(bus: BusName): BusState {
    const state = this.#buses.get(bus);
    if (state === undefined) throw unknownBus(bus);
    return state;
  }
}

function apply(state: BusState, changes: ConsumerChanges): void {
  if (changes.position !== undefined) state.position = changes.position;
  for (const row of changes.subscriptions) state.subscriptions.set(row.subscription, row);
  for (const row of changes.parked) state.parked.set(parkedKey(row), row);
  for (const row of changes.unparked) state.parked.delete(parkedKey(row));
  for (const row of changes.deadLetters) state.letters.set(letterKey(row), row);
  for (const row of changes.deletedLetters) state.letters.delete(letterKey(row));
  for (const subscription of changes.deletedSubscriptions) deleteSubscription(state, subscription);
  state.attempts.add(changes.attempts);
  for (const row of changes.replays) state.replays.set(replayKey(row), row);
  for (const row of changes.deletedReplays) state.replays.delete(replayKey(row));
  for (const record of changes.rescued) state.rescued.set(record.offset, record);
}

function passes(letter: DeadLetterState, filter: LetterFilter): boolean {
  const { since, before } = filter;
  if (since !== undefined && letter.time < since) return false;
  if (before !== undefined && letter.time >= before) return false;
  return (["reason", "eventType", "eventSource", "generation", "offset"] as const).every(
    (name) => filter[name] === undefined || letter[name] === filter[name],
  );
}

function comparePlaces(left: LetterPlace, right: LetterPlace): number {
  return compare(left.time, right.time) || compare(left.letter, right.letter);
}

function deleteSubscription(state: BusState, subscription: SubscriptionId): void {
  state.subscriptions.delete(subscription);
  state.attempts.deleteOf(subscription);
  for (const [key, row] of state.replays) {
    if (row.subscription === subscription) state.replays.delete(key);
  }
  for (const [key, row] of state.parked) {
    if (row.subscription === subscription) state.parked.delete(key);
  }
  for (const [key, row] of state.letters) {
    if (row.subscription === subscription) state.letters.delete(key);
  }
}

function dropUnnamed(state: BusState): void {
  if (state.rescued.size === 0) return;
  const named = new Set<Offset>();
  for (const row of state.parked.values()) named.add(row.offset);
  for (const letter of state.letters.values()) named.add(letter.offset);
  for (const row of state.subscriptions.values()) {
    for (const offset of row.unsettled) named.add(offset);
  }
  for (const offset of state.rescued.keys()) {
    if (!named.has(offset)) state.rescued.delete(offset);
  }
}

function copyChanges(changes: ConsumerChanges): ConsumerChanges {
  const copy = structuredClone(changes);
  assert(
    copy.subscriptions.every((row) => row.unsettled.every((offset) => offset >= 0)),
    "offsets are not negative",
  );
  return {
    ...copy,
    subscriptions: copy.subscriptions.map((row) => ({
      ...row,
      unsettled: row.unsettled.toSorted((left, right) => left - right),
    })),
  };
}

function parkedKey(row: {
  readonly subscription: SubscriptionId;
  readonly offset: Offset;
}): string {
  return `${row.offset}/${row.subscription}`;
}

function letterKey(row: {
  readonly subscription: SubscriptionId;
  readonly letter: string;
}): string {
  return JSON.stringify([row.subscription, row.letter]);
}

function replayKey(row: {
  readonly subscription: SubscriptionId;
  readonly replay: string;
}): string {
  return JSON.stringify([row.subscription, row.replay]);
}

type SortKey = readonly [string | number, string | number];

function sorted<Row>(rows: Iterable<Row>, keyOf: (row: Row) => SortKey): Row[] {
  return [...rows].toSorted((left, right) => {
    const [leftMajor, leftMinor] = keyOf(left);
    const [rightMajor, rightMinor] = keyOf(right);
    return compare(leftMajor, rightMajor) || compare(leftMinor, rightMinor);
  });
}

function compare(left: string | number, right: string | number): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
