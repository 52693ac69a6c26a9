import { assert } from "../kernel/assert.ts";
import { AffixTree } from "./affix-tree.ts";
import { costOf } from "./anchors.ts";
import type { Anchor, AnchorAttribute, Anchoring, CompiledFilter, EventKeys } from "./filter.ts";

export { mayPass } from "./anchors.ts";

interface Entry<Item> {
  readonly item: Item;
  /** Under what it is listed; undefined = it is a candidate for every event. */
  readonly anchoring: Anchoring | undefined;
  /** The look-up that found it last, so that none finds it twice. */
  foundIn: number;
}

/**
 * Which of many filters an event may pass, found by its type, source and subject: the work grows
 * with the length of these and with the number of candidates, not with the number of filters. Who
 * is no candidate does not pass; candidates are still to be evaluated.
 */
export class FilterIndex<Item> {
  readonly #entries: Map<Item, Entry<Item>> = new Map();
  readonly #always: Set<Entry<Item>> = new Set();
  readonly #tables: readonly AttributeTable<Entry<Item>>[] = [
    new AttributeTable("type"),
    new AttributeTable("source"),
    new AttributeTable("subject"),
  ];
  #candidates: Item[] = [];
  #lookUps = 0;

  get size(): number {
    return this.#entries.size;
  }

  add(item: Item, filter: Pick<CompiledFilter, "anchorings">): void {
    assert(!this.#entries.has(item), "a filter is listed once");
    const anchoring = this.#choose(filter.anchorings);
    const entry = { item, anchoring, foundIn: 0 };
    this.#entries.set(item, entry);
    if (anchoring === undefined) this.#always.add(entry);
    for (const anchor of anchoring ?? []) this.#tableOf(anchor).add(anchor, entry);
  }

  remove(item: Item): void {
    const entry = this.#entries.get(item);
    if (entry === undefined) return;
    this.#entries.delete(item);
    this.#always.delete(entry);
    // A new list: somebody may be going through the old one.
    this.#candidates = [];
    for (const anchor of entry.anchoring ?? []) this.#tableOf(anchor).remove(anchor, entry);
  }

  /** Nothing is kept of what was removed. */
  get isEmpty(): boolean {
    return this.size === 0 && this.#always.size === 0 && this.#tables.every((one) => one.isEmpty);
  }

  /** Whether the keys of an event decide about anybody; if not, every item is a candidate. */
  get looksAtKeys(): boolean {
    return this.#always.size < this.#entries.size;
  }

  /** Each of those that may want the event, once. The list is good until the next call. */
  candidates(keys: EventKeys): readonly Item[] {
    this.#lookUps += 1;
    this.#candidates.length = 0;
    for (const table of this.#tables) {
      if (!table.isEmpty) table.visit(keys[table.attribute], this.#found);
    }
    for (const { item } of this.#always) this.#candidates.push(item);
    return this.#candidates;
  }

  readonly #found = (entry: Entry<Item>): void => {
    if (entry.foundIn === this.#lookUps) return;
    entry.foundIn = this.#lookUps;
    this.#candidates.push(entry.item);
  };

  /**
   * Any of the anchorings would do. The one with the fewest others at the same place is taken, so
   * that ten thousand customers are found by their subject although all share a type.
   */
  #choose(anchorings: readonly Anchoring[]): Anchoring | undefined {
    const [first] = anchorings;
    if (anchorings.length <= 1) return first;
    let best = first;
    let bestCost = Number.POSITIVE_INFINITY;
    for (const anchoring of anchorings) {
      const crowd = anchoring.reduce((sum, one) => sum + this.#tableOf(one).crowd(one), 0);
      const cost = crowd + costOf(anchoring);
      if (cost >= bestCost) continue;
      best = anchoring;
      bestCost = cost;
    }
    return best;
  }

  #tableOf({ attribute }: Anchor): AttributeTable<Entry<Item>> {
    const table = this.#tables.find((one) => one.attribute === attribute);
    assert(table !== undefined, "every attribute that anchors has a table");
    return table;
  }
}

/** The members that one attribute decides about. */
class AttributeTable<Member> {
  readonly attribute: AnchorAttribute;
  /** Most values have one member, which then stands here without a set around it. */
  readonly #exact: Map<string, Member | Set<Member>> = new Map();
  readonly #prefixes: AffixTree<Member> = new AffixTree("forwards");
  readonly #suffixes: AffixTree<Member> = new AffixTree("backwards");

  constructor(attribute: AnchorAttribute) {
    this.attribute = attribute;
  }

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#prefixes.isEmpty && this.#suffixes.isEmpty;
  }

  add({ kind, values }: Anchor, member: Member): void {
    for (const value of values) {
      if (kind === "exact") this.#addExact(value, member);
      else this.#affixes(kind).add(value, member);
    }
  }

  remove({ kind, values }: Anchor, member: Member): void {
    for (const value of values) {
      if (kind === "exact") this.#removeExact(value, member);
      else this.#affixes(kind).remove(value, member);
    }
  }

  visit(text: string | undefined, found: (member: Member) => void): void {
    if (text === undefined) return;
    const exact = this.#exact.get(text);
    if (exact instanceof Set) for (const member of exact) found(member);
    else if (exact !== undefined) found(exact);
    if (!this.#prefixes.isEmpty) this.#prefixes.visit(text, found);
    if (!this.#suffixes.isEmpty) this.#suffixes.visit(text, found);
  }

  /** How many others would be found together with a member listed so, for the worst value. */
  crowd({ kind, values }: Anchor): number {
    let most = 0;
    for (const value of values) {
      const count = kind === "exact" ? this.#countExact(value) : this.#affixes(kind).count(value);
      most = Math.max(most, count);
    }
    return most;
  }

  #affixes(kind: "prefix" | "suffix"): AffixTree<Member> {
    return kind === "prefix" ? this.#prefixes : this.#suffixes;
  }

  #countExact(value: string): number {
    const known = this.#exact.get(value);
    if (known === undefined) return 0;
    return known instanceof Set ? known.size : 1;
  }

  #addExact(value: string, member: Member): void {
    const known = this.#exact.get(value);
    if (known === undefined) this.#exact.set(value, member);
    else if (known instanceof Set) known.add(member);
    else if (known !== member) this.#exact.set(value, new Set([known, member]));
  }

  #removeExact(value: string, member: Member): void {
    const known = this.#exact.get(value);
    if (known === member) this.#exact.delete(value);
    if (!(known instanceof Set)) return;
    known.delete(member);
    if (known.size === 0) this.#exact.delete(value);
  }
}
