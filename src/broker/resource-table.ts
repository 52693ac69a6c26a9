import type { ResourceKind, ResourceStore, Revision } from "../engine/engine.ts";
import { BrokerError } from "../kernel/errors.ts";

export interface Entry<Value> {
  readonly id: string;
  readonly revision: Revision;
  readonly value: Value;
}

/** What a request says about the state it expects (If-Match, If-None-Match). */
export interface Precondition {
  /** One of these revisions, or "*": any, as long as it exists. */
  readonly ifMatch?: readonly Revision[] | "*";
  /** It must not exist yet. */
  readonly ifNoneMatch?: "*";
}

export interface ListQuery {
  readonly limit: number;
  /** Entries behind this id. */
  readonly after: string | undefined;
}

/**
 * The resources of one kind, all in memory, each change durable before it shows. Changes are made
 * one at a time by their owner (Buses, Subscriptions, Sources).
 */
export class ResourceTable<Value> {
  readonly #store: ResourceStore;
  readonly #kind: ResourceKind;
  readonly #entries: Map<string, Entry<Value>> = new Map<string, Entry<Value>>();
  /** Made for a list and kept for its next page; undefined when an id came or went. */
  #sortedIds: readonly string[] | undefined;

  constructor(store: ResourceStore, kind: ResourceKind) {
    this.#store = store;
    this.#kind = kind;
  }

  async load(): Promise<void> {
    for (const { id, revision, value } of await this.#store.list(this.#kind)) {
      this.#entries.set(id, { id, revision, value: JSON.parse(value) as Value });
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): Entry<Value> | undefined {
    return this.#entries.get(id);
  }

  values(): Iterable<Entry<Value>> {
    return this.#entries.values();
  }

  /** In the order of the ids; `hasMore` says whether some are left behind the last one. */
  page(query: ListQuery): { readonly entries: readonly Entry<Value>[]; readonly hasMore: boolean } {
    const { after, limit } = query;
    this.#sortedIds ??= [...this.#entries.keys()].sort();
    const start = after === undefined ? 0 : countUpTo(this.#sortedIds, after);
    const ids = this.#sortedIds.slice(start, start + limit);
    const entries = ids.flatMap((id) => this.#entries.get(id) ?? []);
    return { entries, hasMore: start + limit < this.#sortedIds.length };
  }

  async put(id: string, value: Value): Promise<Entry<Value>> {
    const expect = this.#entries.get(id)?.revision ?? 0;
    const text = JSON.stringify(value);
    const revision = await this.#store.put({ kind: this.#kind, id, value: text, expect });
    const entry = { id, revision, value };
    if (!this.#entries.has(id)) this.#sortedIds = undefined;
    this.#entries.set(id, entry);
    return entry;
  }

  async delete(id: string): Promise<void> {
    await this.#store.delete(this.#kind, id);
    this.#sortedIds = undefined;
    this.#entries.delete(id);
  }

  check(id: string, precondition: Precondition): void {
    const revision = this.#entries.get(id)?.revision;
    const { ifMatch, ifNoneMatch } = precondition;
    const what = `${this.#kind} '${id}'`;
    if (ifNoneMatch !== undefined && revision !== undefined) {
      throw new BrokerError("precondition_failed", `${what} exists already`);
    }
    if (ifMatch === undefined) return;
    if (revision === undefined) {
      throw new BrokerError("precondition_failed", `${what} does not exist (If-Match)`);
    }
    if (ifMatch !== "*" && !ifMatch.includes(revision)) {
      throw new BrokerError(
        "precondition_failed",
        `${what} is at ETag "${revision}" by now (If-Match)`,
      );
    }
  }
}

/** How many of the sorted ids are not behind `id`. */
function countUpTo(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] ?? "") <= id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Lets changes through one at a time, in the order in which they came. Those that concern nobody
 * else may go side by side; what comes after them waits for all of them.
 */
export class ChangeQueue {
  #last: Promise<unknown> = Promise.resolve();
  readonly #beside: Set<Promise<unknown>> = new Set<Promise<unknown>>();

  run<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = Promise.all([this.#last, ...this.#beside]).then(change);
    // The failure belongs to the caller of this change, not to the next one.
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** For changes that see nothing of what others of their kind do. */
  runBeside<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(change);
    const end: Promise<unknown> = result.catch(() => undefined);
    this.#beside.add(end);
    void end.then(() => this.#beside.delete(end));
    return result;
  }
}
