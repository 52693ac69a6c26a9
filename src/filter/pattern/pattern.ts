/** The outermost part of a pattern: attributes, `data` and `$or`. All members must hold. */
import type { EventView } from "../../event/event-view.ts";
import { attributeOf } from "../../event/event.ts";
import { missing } from "../../kernel/json.ts";
import { memberPath, quote, shorten } from "../../kernel/unchecked.ts";
import { intersectAnchorings, unanchored, uniteAnchorings } from "../anchors.ts";
import type { Anchoring } from "../filter.ts";
import type { Work } from "../work.ts";
import { compileLeaf, holdsAt, showNode } from "./leaf.ts";
import type { Leaf } from "./leaf.ts";
import { refuse } from "./scalar-test.ts";
import type { Place } from "./scalar-test.ts";
import {
  adviseMember,
  compileAlternatives,
  compileDataPart,
  EMPTY_OBJECT,
  isWithinDepth,
  OR,
} from "./tree.ts";
import type { Explanation } from "./tree.ts";

export interface EventPart {
  /** As in Clause: each of them must hold for the part to hold. */
  readonly anchorings: readonly Anchoring[];
  holds(view: EventView, work: Work): boolean;
  explain(view: EventView, explanation: Explanation): void;
}

export function compilePattern(
  spec: Readonly<Record<string, unknown>>,
  place: Place,
  depth: number,
): EventPart | undefined {
  if (!isWithinDepth(place, depth)) return undefined;
  const entries = Object.entries(spec);
  if (entries.length === 0) return refuse(place, EMPTY_OBJECT);
  const parts: EventPart[] = [];
  for (const [key, value] of entries) {
    if (!place.compiler.isWithinLimits(key)) return undefined;
    const part = compileMember(key, value, { place, depth });
    if (part !== undefined) parts.push(part);
  }
  return parts.length === entries.length ? joinParts(parts) : undefined;
}

function joinParts(parts: readonly EventPart[]): EventPart {
  return {
    anchorings: intersectAnchorings(parts),
    holds(view, work) {
      for (const part of parts) if (!part.holds(view, work)) return false;
      return true;
    },
    explain(view, explanation) {
      for (const part of parts) part.explain(view, explanation);
    },
  };
}

function compileMember(
  key: string,
  spec: unknown,
  { place, depth }: { readonly place: Place; readonly depth: number },
): EventPart | undefined {
  const inner = { ...place, path: memberPath(place.path, key) };
  if (key === OR) return compileOr(spec, inner, depth);
  if (key === "data") {
    return compileData(spec, { ...inner, isAttribute: false }, depth);
  }
  if (!/^[a-z0-9]+$/.test(key)) {
    return inner.compiler.refuse({
      path: inner.path,
      code: "invalid_path",
      message: adviseKey(key),
    });
  }
  if (!Array.isArray(spec)) {
    const isTree = typeof spec === "object" && spec !== null;
    const message = `the attribute '${shorten(key)}' has no members; the data is written {"data": {"${shorten(key)}": …}}`;
    return refuse(inner, isTree ? message : adviseMember(spec));
  }
  const leaf = compileLeaf(spec, inner);
  if (leaf === undefined) return undefined;
  if (required.has(key) && leaf.takesMissing) {
    return refuse(inner, `every event has the attribute '${key}', so exists: false never holds`);
  }
  return attributePart(key, leaf, inner.path);
}

const required: ReadonlySet<string> = new Set(["id", "source", "type", "specversion"]);

function adviseKey(key: string): string {
  if (key.startsWith("data.") || key.startsWith("data[")) {
    return 'a pattern is written as a tree, as in {"data": {"repository": {"name": ["x"]}}}';
  }
  if (key === "detail" || key === "detail-type") {
    return `CloudEvents call it ${key === "detail" ? "'data'" : "'type'"}`;
  }
  if (key === "$and" || key === "$not") return "known operators: $or; all members must hold anyway";
  return `${quote(key)} can be no attribute's name, which consists of a-z and 0-9; what is in the data stands under "data"`;
}

function compileOr(spec: unknown, place: Place, depth: number): EventPart | undefined {
  const parts = compileAlternatives(spec, place, (each, inner) =>
    compilePattern(each, inner, depth + 1),
  );
  if (parts === undefined) return undefined;
  const { path } = place;
  return {
    anchorings: uniteAnchorings(parts),
    holds(view, work) {
      for (const part of parts) if (part.holds(view, work)) return true;
      return false;
    },
    explain(view, explanation) {
      const held = parts.filter((part) => part.holds(view, explanation.work)).length;
      const reason = `${held} of ${parts.length} alternatives hold`;
      explanation.verdicts.push({ path, passed: held > 0, reason });
      for (const part of parts) part.explain(view, explanation);
    },
  };
}

function attributePart(name: string, leaf: Leaf, path: string): EventPart {
  const holds = (view: EventView, work: Work): boolean => {
    const value = attributeOf(view.event, name);
    if (value === undefined) return leaf.takesMissing;
    return leaf.takesAny || leaf.holdsScalar("attribute", String(value), work);
  };
  return {
    anchorings: leaf.anchoringsAt(name),
    holds,
    explain(view, { verdicts, work }) {
      const value = attributeOf(view.event, name);
      const passed = holds(view, work);
      const verb = passed ? "is one of" : "is none of";
      const shown =
        value === undefined
          ? `the event has no attribute '${name}'`
          : `${name} is ${quote(String(value))}`;
      verdicts.push({ path, passed, reason: `${shown}, which ${verb} ${leaf.shown}` });
    },
  };
}

function compileData(spec: unknown, place: Place, depth: number): EventPart | undefined {
  if (Array.isArray(spec)) {
    const leaf = compileLeaf(spec, place);
    return leaf === undefined ? undefined : wholeDataPart(leaf, place.path);
  }
  const part = compileDataPart(spec, place, depth + 1);
  if (part === undefined) return undefined;
  return {
    anchorings: unanchored,
    holds(view, work) {
      const document = view.dataDocument();
      return part.holds(document, document?.root ?? missing, work);
    },
    explain(view, explanation) {
      const document = view.dataDocument();
      part.explain(document, document?.root ?? missing, explanation);
    },
  };
}

/** A list beside `data` looks at the whole data; what is no JSON it sees as one text. */
function wholeDataPart(leaf: Leaf, path: string): EventPart {
  const holds = (view: EventView, work: Work): boolean => {
    const document = view.dataDocument();
    if (document !== undefined) return holdsAt(leaf, document, document.root, work);
    if (view.event.data === undefined) return leaf.takesMissing;
    const text = view.dataText();
    return leaf.takesAny || (text !== undefined && leaf.holdsScalar("string", text, work));
  };
  return {
    anchorings: unanchored,
    holds,
    explain(view, { verdicts, work }) {
      const passed = holds(view, work);
      const verb = passed ? "is one of" : "is none of";
      verdicts.push({ path, passed, reason: `${showData(view)}, which ${verb} ${leaf.shown}` });
    },
  };
}

function showData(view: EventView): string {
  const document = view.dataDocument();
  if (document !== undefined) return `the data is ${showNode(document, document.root)}`;
  if (view.event.data === undefined) return "the event has no data";
  const text = view.dataText();
  return text === undefined ? "the data is no text in UTF-8" : `the data is ${quote(text)}`;
}
