/** The lists of a pattern: what one value of the event is compared with. Any element may hold. */
import { isObject, isWithinDepth, quote, shorten } from "../../kernel/unchecked.ts";
import type { JsonDocument, JsonNode } from "../../kernel/json.ts";
import { missing } from "../../kernel/json.ts";
import type { Work } from "../work.ts";
import { anchoredBy, unanchored, uniteAnchorings } from "../anchors.ts";
import type { Anchoring } from "../filter.ts";
import { compileMatcher } from "./matchers.ts";
import { refuse } from "./scalar-test.ts";
import type { Place, ScalarKind, ScalarTest } from "./scalar-test.ts";

export interface Leaf {
  /** As it was written, for explanations. */
  readonly shown: string;
  readonly takesMissing: boolean;
  /** Whether anything that is there will do. */
  readonly takesAny: boolean;
  /** What must hold of the attribute that is compared: nothing when the list holds other tests. */
  anchoringsAt(attribute: string): readonly Anchoring[];
  holdsScalar(kind: ScalarKind, text: string, work: Work): boolean;
}

export function compileLeaf(specs: readonly unknown[], place: Place): Leaf | undefined {
  if (specs.length === 0) {
    return refuse(place, "the list is empty; give it at least one value or matcher");
  }
  const texts = new Set<string>();
  const tests: ScalarTest[] = [];
  const exists = new Set<boolean>();
  let isWhole = true;
  for (const [index, spec] of specs.entries()) {
    const inner = { ...place, path: `${place.path}[${index}]` };
    if (!isWithinDepth(spec, MATCHER_DEPTH_MAX)) {
      return refuse(inner, `no matcher is nested more than ${MATCHER_DEPTH_MAX} deep`);
    }
    if (!place.compiler.isWithinLimits(textOf(spec))) return undefined;
    if (typeof spec === "string") texts.add(spec);
    else if (isObject(spec) && Object.keys(spec).join() === "exists") {
      isWhole = addExists(spec["exists"], inner, exists) && isWhole;
    } else {
      const test = compileMatcher(spec, inner);
      if (test === undefined) isWhole = false;
      else tests.push(test);
    }
  }
  if (!isWhole) return undefined;
  return {
    shown: shorten(JSON.stringify(specs)),
    takesMissing: exists.has(false),
    takesAny: exists.has(true),
    anchoringsAt: (attribute) => anchoringsOf(attribute, specs),
    holdsScalar: compileScalarTest(texts, tests, countTests(specs)),
  };
}

/** Texts, and the matchers of their beginning and end; any other element may hold anywhere. */
function anchoringsOf(attribute: string, specs: readonly unknown[]): readonly Anchoring[] {
  return uniteAnchorings(specs.map((spec) => ({ anchorings: anchoringsOfOne(attribute, spec) })));
}

function anchoringsOfOne(attribute: string, spec: unknown): readonly Anchoring[] {
  if (typeof spec === "string") return anchoredBy(attribute, "exact", [spec]);
  if (!isObject(spec)) return unanchored;
  for (const kind of ["prefix", "suffix"] as const) {
    const text = spec[kind];
    if (typeof text === "string") return anchoredBy(attribute, kind, [text]);
  }
  return unanchored;
}

/** `{"anything-but": {"prefix": ["a"]}}` is the deepest. */
const MATCHER_DEPTH_MAX = 4;

/** The texts that count against filterTextBytesMax: all that a matcher holds. */
function textOf(spec: unknown): string {
  return typeof spec === "string" ? spec : (JSON.stringify(spec) ?? "");
}

function addExists(spec: unknown, place: Place, exists: Set<boolean>): boolean {
  if (typeof spec === "boolean") {
    exists.add(spec);
    return true;
  }
  refuse({ ...place, path: `${place.path}.exists` }, "expected true or false");
  return false;
}

/** How often a text is looked at: once for all plain texts, once for each value in a matcher. */
function countTests(specs: readonly unknown[]): number {
  let count = 1;
  for (const spec of specs) if (typeof spec !== "string") count += countValues(spec);
  return count;
}

function countValues(spec: unknown): number {
  if (typeof spec !== "object" || spec === null) return 1;
  let count = 0;
  for (const value of Object.values(spec)) count += countValues(value);
  return count;
}

/** What a test costs whatever it looks at: reading an address or a number is no look at a character. */
const TEST_STEPS = 16;

function compileScalarTest(
  texts: ReadonlySet<string>,
  tests: readonly ScalarTest[],
  looks: number,
): Leaf["holdsScalar"] {
  return (kind, text, work) => {
    if (!work.spend((text.length + TEST_STEPS) * looks)) return false;
    if ((kind === "string" || kind === "attribute") && texts.has(text)) return true;
    for (const test of tests) if (test(kind, text)) return true;
    return false;
  };
}

/** Whether a value of the data holds; of an array any element that is no object. */
export function holdsAt(
  leaf: Leaf,
  document: JsonDocument | undefined,
  node: JsonNode,
  work: Work,
): boolean {
  if (document === undefined || node === missing) return leaf.takesMissing;
  if (leaf.takesAny) return true;
  if (!work.spend(1)) return false;
  const kind = document.kind(node);
  switch (kind) {
    case "object":
      return false;
    case "array":
      return holdsInArray(leaf, document, node, work);
    case "string":
      return leaf.holdsScalar(kind, document.string(node), work);
    case "number":
    case "boolean":
    case "null":
      return leaf.holdsScalar(kind, document.raw(node), work);
  }
}

/** Arrays in arrays are looked into as well; their depth is bounded by that of the document. */
function holdsInArray(leaf: Leaf, document: JsonDocument, node: JsonNode, work: Work): boolean {
  const size = document.size(node);
  for (let index = 0; index < size; index += 1) {
    if (holdsAt(leaf, document, document.element(node, index), work)) return true;
    if (work.isSpent) return false;
  }
  return false;
}

const SHOWN_ELEMENTS_MAX = 3;

/** The value as the explanation shows it: `"a"`, `17`, `["a","b", … 90 more]`, `an object`. */
export function showNode(document: JsonDocument, node: JsonNode): string {
  switch (document.kind(node)) {
    case "object":
      return "an object";
    case "string":
      return quote(document.string(node));
    case "array": {
      const size = document.size(node);
      const shown = Array.from({ length: Math.min(size, SHOWN_ELEMENTS_MAX) }, (_, index) =>
        showNode(document, document.element(node, index)),
      );
      const more = size > SHOWN_ELEMENTS_MAX ? `, … ${size - SHOWN_ELEMENTS_MAX} more` : "";
      return `[${shown.join(", ")}${more}]`;
    }
    case "number":
    case "boolean":
    case "null":
      return shorten(document.raw(node));
  }
}
