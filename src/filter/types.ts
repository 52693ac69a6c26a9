/** The exact event types outside of which a combination of clauses cannot pass. */
import type { Clause } from "./dialect.ts";

type Types = ReadonlySet<string> | undefined;

/** All must pass: the intersection of those that say something. */
export function intersectTypes(clauses: readonly Pick<Clause, "types">[]): Types {
  let common: Types;
  for (const { types } of clauses) {
    if (types === undefined) continue;
    common = common === undefined ? types : new Set([...common].filter((type) => types.has(type)));
  }
  return common;
}

/** Any may pass: the union, and nothing if one of them says nothing. */
export function uniteTypes(clauses: readonly Pick<Clause, "types">[]): Types {
  const union = new Set<string>();
  for (const { types } of clauses) {
    if (types === undefined) return undefined;
    for (const type of types) union.add(type);
  }
  return union;
}
