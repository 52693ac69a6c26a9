import type { Consumer } from "./consumer.ts";

const nobody: readonly Consumer[] = [];

/**
 * Who may want an event of a type: ten thousand subscriptions on distinct types cost one look-up
 * per event. Filters that do not say which types they pass are asked about every event.
 */
export class TypeIndex {
  readonly #byType: Map<string, Consumer[]> = new Map();
  readonly #others: Set<Consumer> = new Set();
  /** The types each consumer is listed under, as its filter said when it was added. */
  readonly #listed: Map<Consumer, ReadonlySet<string> | undefined> = new Map();

  get size(): number {
    return this.#listed.size;
  }

  add(consumer: Consumer): void {
    const { types } = consumer.plan.filter;
    this.#listed.set(consumer, types);
    if (types === undefined) {
      this.#others.add(consumer);
      return;
    }
    for (const type of types) {
      const members = this.#byType.get(type);
      if (members === undefined) this.#byType.set(type, [consumer]);
      else members.push(consumer);
    }
  }

  remove(consumer: Consumer): void {
    const types = this.#listed.get(consumer);
    this.#listed.delete(consumer);
    this.#others.delete(consumer);
    for (const type of types ?? []) {
      const rest = (this.#byType.get(type) ?? nobody).filter((one) => one !== consumer);
      if (rest.length === 0) this.#byType.delete(type);
      else this.#byType.set(type, rest);
    }
  }

  withType(type: string): readonly Consumer[] {
    return this.#byType.get(type) ?? nobody;
  }

  /** Those whose filter does not say which types it passes. */
  get others(): ReadonlySet<Consumer> {
    return this.#others;
  }
}
