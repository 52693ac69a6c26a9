/** What `exact`, `prefix` and `suffix` share: a map of names to values, of which all must hold. */
import type { EventView } from "../event/event-view.ts";
import type { Path } from "../expression/path.ts";
import { parsePlainPath } from "../expression/path.ts";
import { isObject, memberPath, nameKind, quote, shorten } from "../kernel/unchecked.ts";
import { anchoredBy, intersectAnchorings } from "./anchors.ts";
import type { Clause, ClauseCompiler } from "./dialect.ts";
import type { AnchorKind, ClauseVerdict } from "./filter.ts";
import { compileScalarReader } from "./scalar.ts";

export interface Comparison {
  readonly holds: (actual: string, wanted: string) => boolean;
  /** "equals", "starts with": what holds, in a sentence. */
  readonly verb: string;
  /** "does not equal": what does not. */
  readonly negatedVerb: string;
  /** What the index may make of it. */
  readonly kind: AnchorKind;
}

/** Compiles `{name: value, …}`; every entry must hold. */
export function compileEveryEntry(
  spec: unknown,
  compiler: ClauseCompiler,
  comparison: Comparison,
): Clause | undefined {
  if (!isObject(spec)) {
    return compiler.refuse({
      code: "invalid_value",
      message: `expected an object of names and values, as in {"type": "com.example.made"}, not ${nameKind(spec)}`,
    });
  }
  const entries = Object.entries(spec);
  if (entries.length === 0) {
    return compiler.refuse({
      code: "invalid_value",
      message: "the object is empty; name at least one attribute or data path",
    });
  }
  const clauses: Clause[] = [];
  for (const [key, value] of entries) {
    const text = typeof value === "string" ? key + value : key;
    if (!compiler.isWithinLimits(text)) return undefined;
    const clause = compileEntry({ key, value }, compiler, comparison);
    if (clause !== undefined) clauses.push(clause);
  }
  return clauses.length === entries.length ? joinEntries(clauses) : undefined;
}

interface Entry {
  readonly key: string;
  readonly value: unknown;
}

function compileEntry(
  { key, value }: Entry,
  compiler: ClauseCompiler,
  comparison: Comparison,
): Clause | undefined {
  const path = memberPath(compiler.path, key);
  const reading = parsePlainPath(key);
  if (!reading.ok) {
    const { position, message } = reading.failure;
    const place = key === "" ? "" : `${quote(key)}, column ${position + 1}: `;
    return compiler.refuse({ path, code: "invalid_path", message: `${place}${message}` });
  }
  const wanted = canonicalText(value, reading.path);
  if (!wanted.ok) return compiler.refuse({ path, code: "invalid_value", message: wanted.message });
  return compareEntry({ path, read: reading.path, wanted: wanted.text }, comparison);
}

type CanonicalText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string };

/** The text by which a value of a filter is compared; numbers and booleans only with the data. */
function canonicalText(value: unknown, path: Path): CanonicalText {
  if (value === "") {
    return {
      ok: false,
      message: `the value is empty; CloudEvents compares with something, and events without ${shorten(path.text)} are found with not`,
    };
  }
  if (typeof value === "string") return { ok: true, text: value };
  if (typeof value !== "number" && typeof value !== "boolean") {
    return {
      ok: false,
      message: `the value is ${nameKind(value)}; write a string, or for data a number or a boolean`,
    };
  }
  const text = String(value);
  if (path.root !== "data") {
    return { ok: false, message: `attributes are compared as strings; write "${text}"` };
  }
  if (typeof value === "boolean" || isWrittenOneWay(value)) return { ok: true, text };
  return {
    ok: false,
    message: `the number ${text} can be written in several ways, and data is compared as it is written; write it as a string, digit for digit`,
  };
}

/** Whether reading the number as JSON has lost nothing and there is one usual way to write it. */
function isWrittenOneWay(value: number): boolean {
  return (
    Math.abs(value) <= Number.MAX_SAFE_INTEGER &&
    !Object.is(value, -0) &&
    !String(value).includes("e")
  );
}

interface ComparedEntry {
  readonly path: string;
  readonly read: Path;
  readonly wanted: string;
}

function compareEntry({ path, read, wanted }: ComparedEntry, comparison: Comparison): Clause {
  const reader = compileScalarReader(read);
  const { holds } = comparison;
  const passes = (view: EventView): boolean => {
    const actual = reader.read(view);
    return actual !== undefined && holds(actual, wanted);
  };
  const explainOne = (view: EventView): ClauseVerdict => {
    const actual = reader.read(view);
    if (actual === undefined) return { path, passed: false, reason: reader.explainAbsence(view) };
    const passed = holds(actual, wanted);
    const verb = passed ? comparison.verb : comparison.negatedVerb;
    return {
      path,
      passed,
      reason: `${shorten(read.text)} is ${quote(actual)}, which ${verb} ${quote(wanted)}`,
    };
  };
  return {
    anchorings: anchoredBy(read.root, comparison.kind, [wanted]),
    passes,
    explain: (view, verdicts) => void verdicts.push(explainOne(view)),
  };
}

function joinEntries(clauses: readonly Clause[]): Clause | undefined {
  const [only] = clauses;
  if (clauses.length === 1) return only;
  return {
    anchorings: intersectAnchorings(clauses),
    passes(view) {
      for (const clause of clauses) if (!clause.passes(view)) return false;
      return true;
    },
    explain(view, verdicts) {
      for (const clause of clauses) clause.explain(view, verdicts);
    },
  };
}
