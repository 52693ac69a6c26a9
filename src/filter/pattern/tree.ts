/** The part of a pattern that looks into the data: objects, lists at their ends, and `$or`. */
import type { JsonDocument, JsonNode } from "../../kernel/json.ts";
import { missing } from "../../kernel/json.ts";
import { limits } from "../../kernel/limits.ts";
import { isObject, memberPath, nameKind } from "../../kernel/unchecked.ts";
import type { ClauseVerdict } from "../filter.ts";
import type { Work } from "../work.ts";
import { compileLeaf, holdsAt, showNode } from "./leaf.ts";
import type { Leaf } from "./leaf.ts";
import { refuse } from "./scalar-test.ts";
import type { Place } from "./scalar-test.ts";

export const OR = "$or";

/** Without a document, as without a node, everything is missing. */
export interface DataPart {
  holds(document: JsonDocument | undefined, node: JsonNode, work: Work): boolean;
  explain(document: JsonDocument | undefined, node: JsonNode, explanation: Explanation): void;
}

export interface Explanation {
  readonly verdicts: ClauseVerdict[];
  readonly work: Work;
}

/** Compiles what a member of a pattern holds: a list, or an object of further members. */
export function compileDataPart(spec: unknown, place: Place, depth: number): DataPart | undefined {
  if (Array.isArray(spec)) {
    const leaf = compileLeaf(spec, place);
    return leaf === undefined ? undefined : leafPart(leaf, place.path);
  }
  if (isObject(spec)) return compileDataObject(spec, place, depth);
  return refuse(place, adviseMember(spec));
}

export function adviseMember(spec: unknown): string {
  if (typeof spec === "object") return `expected a list of values, not ${nameKind(spec)}`;
  return `expected a list of values, as in [${JSON.stringify(spec)}], not ${nameKind(spec)}`;
}

function compileDataObject(
  spec: Readonly<Record<string, unknown>>,
  place: Place,
  depth: number,
): DataPart | undefined {
  if (!isWithinDepth(place, depth)) return undefined;
  const entries = Object.entries(spec);
  if (entries.length === 0) return refuse(place, EMPTY_OBJECT);
  const parts: DataPart[] = [];
  for (const [key, value] of entries) {
    if (!place.compiler.isWithinLimits(key)) return undefined;
    const inner = { ...place, path: memberPath(place.path, key) };
    const part =
      key === OR ? compileDataOr(value, inner, depth) : memberPart(key, value, inner, depth);
    if (part !== undefined) parts.push(part);
  }
  return parts.length === entries.length ? objectPart(parts, place.path) : undefined;
}

export const EMPTY_OBJECT =
  'the object is empty; name what it asks for, as in {"status": ["paid"]}';

export function isWithinDepth(place: Place, depth: number): boolean {
  if (depth <= limits.expressionDepthMax) return true;
  const message = `the pattern is nested more than ${limits.expressionDepthMax} deep (expressionDepthMax)`;
  place.compiler.refuse({ path: place.path, code: "too_large", message });
  return false;
}

/** The alternatives of `$or`, each compiled by `compile`; undefined after a refusal. */
export function compileAlternatives<T>(
  spec: unknown,
  place: Place,
  compile: (spec: Readonly<Record<string, unknown>>, place: Place) => T | undefined,
): readonly T[] | undefined {
  if (!Array.isArray(spec) || spec.length === 0) {
    const message = "expected a list of at least one pattern, of which one must hold";
    return refuse(place, message);
  }
  const alternatives: T[] = [];
  for (const [index, each] of spec.entries()) {
    const inner = { ...place, path: `${place.path}[${index}]` };
    if (!place.compiler.isWithinLimits("")) return undefined;
    if (!isObject(each)) refuse(inner, `expected a pattern, not ${nameKind(each)}`);
    else {
      const alternative = compile(each, inner);
      if (alternative !== undefined) alternatives.push(alternative);
    }
  }
  return alternatives.length === spec.length ? alternatives : undefined;
}

function compileDataOr(spec: unknown, place: Place, depth: number): DataPart | undefined {
  const parts = compileAlternatives(spec, place, (each, inner) =>
    compileDataObject(each, inner, depth + 1),
  );
  if (parts === undefined) return undefined;
  const { path } = place;
  return {
    holds(document, node, work) {
      for (const part of parts) if (part.holds(document, node, work)) return true;
      return false;
    },
    explain(document, node, explanation) {
      const held = parts.filter((part) => part.holds(document, node, explanation.work)).length;
      const reason = `${held} of ${parts.length} alternatives hold`;
      explanation.verdicts.push({ path, passed: held > 0, reason });
      for (const part of parts) part.explain(document, node, explanation);
    },
  };
}

function memberPart(key: string, spec: unknown, place: Place, depth: number): DataPart | undefined {
  const part = compileDataPart(spec, place, depth + 1);
  if (part === undefined) return undefined;
  return {
    holds: (document, node, work) =>
      work.spend(MEMBER_STEPS) && part.holds(document, memberOf(document, node, key), work),
    explain: (document, node, explanation) =>
      part.explain(document, memberOf(document, node, key), explanation),
  };
}

/** What looking for a key in an object may cost: as many keys are passed until an index serves. */
const MEMBER_STEPS = 16;

function memberOf(document: JsonDocument | undefined, node: JsonNode, key: string): JsonNode {
  return document === undefined || node === missing ? missing : document.member(node, key);
}

function leafPart(leaf: Leaf, path: string): DataPart {
  return {
    holds: (document, node, work) => holdsAt(leaf, document, node, work),
    explain(document, node, { verdicts, work }) {
      const passed = holdsAt(leaf, document, node, work);
      const verb = passed ? "is one of" : "is none of";
      const shown =
        document === undefined || node === missing
          ? "nothing is there"
          : `the value is ${showNode(document, node)}`;
      verdicts.push({ path, passed, reason: `${shown}, which ${verb} ${leaf.shown}` });
    },
  };
}

/**
 * All parts must hold for the same object: of an array, for the same element. An empty array has
 * none, so everything in it is missing.
 */
function objectPart(parts: readonly DataPart[], path: string): DataPart {
  const holds: DataPart["holds"] = (document, node, work) => {
    if (document !== undefined && node !== missing && document.kind(node) === "array") {
      const size = document.size(node);
      for (let index = 0; index < size; index += 1) {
        if (!work.spend(1)) return false;
        if (holds(document, document.element(node, index), work)) return true;
      }
      if (size > 0) return false;
    }
    for (const part of parts) if (!part.holds(document, node, work)) return false;
    return !work.isSpent;
  };
  return {
    holds,
    explain(document, node, explanation) {
      const { verdicts, work } = explanation;
      if (document !== undefined && node !== missing && document.kind(node) === "array") {
        const passed = holds(document, node, work);
        const which = passed ? "an element" : "no element";
        const reason = `${which} of ${document.size(node)} holds all ${parts.length} parts`;
        verdicts.push({ path, passed, reason });
        return;
      }
      for (const part of parts) part.explain(document, node, explanation);
    },
  };
}
