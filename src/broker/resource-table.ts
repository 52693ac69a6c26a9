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
    const ids = [...this.#entries.keys()].filter((id) => after === undefined || id > after).sort();
    const entries = ids.slice(0, limit).flatMap((id) => this.#entries.get(id) ?? []);
    return { entries, hasMore: ids.length > limit };
  }

  async put(id: string, value: Value): Promise<Entry<Value>> {
    const expect = this.#entries.get(id)?.revision ?? 0;
    const text = JSON.stringify(value);
    const revision = await this.#store.put({ kind: this.#kind, id, value: text, expect });
    const entry = { id, revision, value };
    this.#entries.set(id, entry);
    return entry;
  }

  async delete(id: string): Promise<void> {
    await this.#store.delete(this.#kind, id);
    this.#entries.delete(id);
  }

  check(id: string, precondition: Precondition): void {
    const revision = this.#entries.get(id)?.revision;
    const { ifMatch, ifNoneMatch } = precondition;
    const what = `${this.#kind} '${id}'`;
    if (ifNoneMatch !== undefined && revision !== undefined) {
      throw new BrokerError("precondition_failed", `${what} exists already (If-None-Match: *)`);
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

/** Lets changes through one at a time, in the order in which they came. */
export class ChangeQueue {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(change);
    // The failure belongs to the caller of this change, not to the next one.
    this.#last = result.catch(() => undefined);
    return result;
  }
}
