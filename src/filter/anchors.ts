/** What a filter asks of type, source or subject before anything else: what the index goes by. */
import type { Anchor, AnchorAttribute, Anchoring, AnchorKind, EventKeys } from "./filter.ts";

interface Anchored {
  readonly anchorings: readonly Anchoring[];
}

/** The comparison says nothing that the index could go by. */
export const unanchored: readonly Anchoring[] = [];

/** More ways to find a filter than this are not worth their memory. */
const anchoringsKept = 4;

export function isAnchorAttribute(name: string): name is AnchorAttribute {
  return name === "type" || name === "source" || name === "subject";
}

/** One of the values must be there; of any attribute but the three it says nothing. */
export function anchoredBy(
  attribute: string,
  kind: AnchorKind,
  values: Iterable<string>,
): readonly Anchoring[] {
  return isAnchorAttribute(attribute) ? [[{ attribute, kind, values: [...values] }]] : unanchored;
}

/** All must pass, so each of the anchorings holds; the cheapest stand first. */
export function intersectAnchorings(clauses: readonly Anchored[]): readonly Anchoring[] {
  if (clauses.length === 1) return clauses[0]?.anchorings ?? unanchored;
  const exact = new Map<AnchorAttribute, Anchor>();
  const others: Anchoring[] = [];
  for (const { anchorings } of clauses) {
    for (const anchoring of anchorings) {
      const [only] = anchoring;
      if (anchoring.length !== 1 || only?.kind !== "exact") others.push(anchoring);
      else exact.set(only.attribute, commonValues(exact.get(only.attribute), only));
    }
  }
  const all = [...[...exact.values()].map((anchor) => [anchor]), ...others];
  return all.toSorted((left, right) => costOf(left) - costOf(right)).slice(0, anchoringsKept);
}

/** Any may pass: the cheapest anchoring of each together, and nothing if one of them has none. */
export function uniteAnchorings(clauses: readonly Anchored[]): readonly Anchoring[] {
  const united = new Map<string, { readonly anchor: Anchor; readonly values: Set<string> }>();
  for (const { anchorings } of clauses) {
    const [cheapest] = anchorings;
    if (cheapest === undefined) return unanchored;
    for (const anchor of cheapest) {
      const key = `${anchor.kind} ${anchor.attribute}`;
      const known = united.get(key) ?? { anchor, values: new Set<string>() };
      united.set(key, known);
      for (const value of anchor.values) known.values.add(value);
    }
  }
  return [[...united.values()].map(({ anchor, values }) => ({ ...anchor, values: [...values] }))];
}

/** Whether a filter with these anchorings may pass; a false is certain. */
export function mayPass(anchorings: readonly Anchoring[], keys: EventKeys): boolean {
  for (const anchoring of anchorings) {
    if (!anchoring.some((anchor) => holds(anchor, keys))) return false;
  }
  return true;
}

function holds({ attribute, kind, values }: Anchor, keys: EventKeys): boolean {
  const text = keys[attribute];
  if (text === undefined) return false;
  switch (kind) {
    case "exact":
      return values.includes(text);
    case "prefix":
      return values.some((value) => text.startsWith(value));
    case "suffix":
      return values.some((value) => text.endsWith(value));
  }
}

function commonValues(known: Anchor | undefined, anchor: Anchor): Anchor {
  if (known === undefined) return anchor;
  return { ...anchor, values: known.values.filter((value) => anchor.values.includes(value)) };
}

/**
 * How many events an anchoring lets through, as far as one can tell without having seen any: an
 * exact value few, a short prefix nearly all.
 */
export function costOf(anchoring: Anchoring): number {
  let cost = 0;
  for (const { kind, values } of anchoring) {
    if (values.length === 0) continue;
    const shortest = values.reduce((least, value) => Math.min(least, value.length), Infinity);
    cost += kind === "exact" ? 1 : 1 + AFFIX_COST / (1 + shortest);
  }
  return cost;
}

const AFFIX_COST = 64;
