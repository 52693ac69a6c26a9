/**
 * Looks a parsed path up in a JSON document. Keys are compared by the document, never used on
 * JavaScript objects: `__proto__` is a key like any other.
 */
import type { JsonDocument, JsonNode } from "../kernel/json.ts";
import { missing } from "../kernel/json.ts";
import type { PathStep } from "./path-step.ts";

/** Finds one value, or `missing`. */
export type NodeLookup = (document: JsonDocument) => JsonNode;

/**
 * How many values lookups with slices and `[*]` may still come by, on the way and at the end. One
 * budget serves all lookups that are made for one event, so that together they take bounded time.
 */
export interface MatchBudget {
  matchesLeft: number;
}

/** Finds all values in the order of the text, or "too_many" when the budget is used up. */
export type NodesLookup = (
  document: JsonDocument,
  budget: MatchBudget,
) => readonly JsonNode[] | "too_many";

type OneStep = (document: JsonDocument, node: JsonNode) => JsonNode;

/** Compiles steps of which none is a slice or `[*]`. */
export function compileLookup(steps: readonly PathStep[]): NodeLookup {
  const compiled = steps.map(compileStep);
  const [first, second, third] = compiled;
  if (first === undefined) return (document) => document.root;
  if (second === undefined) return (document) => first(document, document.root);
  if (third === undefined) {
    return (document) => second(document, first(document, document.root));
  }
  return (document) => {
    let node = document.root;
    for (const step of compiled) node = step(document, node);
    return node;
  };
}

function compileStep(step: PathStep): OneStep {
  if (step.kind === "member") {
    const { key } = step;
    return (document, node) => (node === missing ? missing : document.member(node, key));
  }
  const index = step.kind === "element" ? step.index : 0;
  if (index >= 0) {
    return (document, node) => (node === missing ? missing : document.element(node, index));
  }
  return (document, node) => {
    if (node === missing || document.kind(node) !== "array") return missing;
    return document.element(node, document.size(node) + index);
  };
}

/** Adds what one step finds from one node, and stops when the budget is used up. */
type ManyStep = (document: JsonDocument, node: JsonNode, matches: Matches) => void;

interface Matches {
  readonly found: JsonNode[];
  readonly budget: MatchBudget;
}

/** Compiles any steps. Those before the first slice or `[*]` find at most one value. */
export function compileManyLookup(steps: readonly PathStep[]): NodesLookup {
  const compiled = steps.map(compileManyStep);
  return (document, budget) => {
    let found: JsonNode[] = [document.root];
    for (const step of compiled) {
      const matches: Matches = { found: [], budget };
      for (const node of found) {
        step(document, node, matches);
        if (budget.matchesLeft < 0) return "too_many";
      }
      found = matches.found;
    }
    return found;
  };
}

function compileManyStep(step: PathStep): ManyStep {
  if (step.kind === "slice") {
    return (document, node, matches) => pushSlice(document, node, { step, matches });
  }
  if (step.kind === "every") return pushEvery;
  const lookup = compileStep(step);
  return (document, node, { found, budget }) => {
    budget.matchesLeft -= 1;
    const value = lookup(document, node);
    if (value !== missing) found.push(value);
  };
}

function pushEvery(document: JsonDocument, node: JsonNode, { found, budget }: Matches): void {
  const kind = document.kind(node);
  if (kind !== "array" && kind !== "object") return;
  budget.matchesLeft -= document.size(node);
  if (budget.matchesLeft < 0) return;
  document.eachElement(node, (value) => found.push(value));
  document.eachMember(node, (_key, value) => found.push(value));
}

type SliceStep = Extract<PathStep, { kind: "slice" }>;

/**
 * `from` is 0 and `to` the length when absent, whatever the sign of the step: `[::-1]` is empty and
 * `[5:1:-2]` takes 5 and 3, as those who come from Vanus know it. Negative bounds count from the end.
 */
function pushSlice(
  document: JsonDocument,
  node: JsonNode,
  { step, matches }: { readonly step: SliceStep; readonly matches: Matches },
): void {
  if (document.kind(node) !== "array") return;
  const length = document.size(node);
  const from = fromEnd(step.from ?? 0, length);
  const to = fromEnd(step.to ?? length, length);
  const isForward = step.step > 0;
  const first = isForward ? Math.max(from, 0) : Math.min(from, length - 1);
  const last = isForward ? Math.min(to, length) : to;
  for (let index = first; isForward ? index < last : index > last; index += step.step) {
    matches.budget.matchesLeft -= 1;
    if (matches.budget.matchesLeft < 0) return;
    matches.found.push(document.element(node, index));
  }
}

function fromEnd(index: number, length: number): number {
  return index < 0 ? Math.max(length + index, -1) : index;
}
