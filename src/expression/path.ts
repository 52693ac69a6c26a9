/**
 * The door to paths into an event. There are two forms of one language:
 *
 *   plain, in filters        type   data   data.items[0].sku   data["odd key"]
 *   dollar, in transformers  $.type $.data $.data.items[-1]    $.data['odd key'] [1:3] [*]
 *
 * The first name is `data` or an attribute's; only `data` has something inside. A path is parsed
 * here and looked up in path-lookup.ts.
 */
import { limits } from "../kernel/limits.ts";
import { readBracket } from "./path-bracket.ts";
import type { PathForm, PathStep, StepReading } from "./path-step.ts";
import type { TextFailure } from "./position.ts";

export { compileLookup, compileManyLookup } from "./path-lookup.ts";
export type { MatchBudget, NodeLookup, NodesLookup } from "./path-lookup.ts";

export interface Path {
  readonly text: string;
  /** `data`, or the name of an attribute. */
  readonly root: string;
  /** What leads into the data; always empty for an attribute. */
  readonly steps: readonly PathStep[];
  /** Whether a slice or `[*]` is among the steps: then it finds a list of values. */
  readonly findsMany: boolean;
}

export type PathReading =
  | { readonly ok: true; readonly path: Path }
  | { readonly ok: false; readonly failure: TextFailure };

const NO_SEARCH = "'..' (search at any depth) is not supported; write the whole path";
const ROOT_END = /[.[]/;
const ATTRIBUTE_NAME = /^[a-z0-9]+$/;
const MEMBER_NAME = /[A-Za-z_][A-Za-z0-9_-]*/y;

/** Reads the path of a filter: `data.items[0].sku`, `subject`. */
export function parsePlainPath(text: string): PathReading {
  return parsePath(text, 0, "plain");
}

/** Reads the path of a transformer: `$.data.items[1:3]`, `$.subject`. */
export function parseDollarPath(text: string): PathReading {
  if (!text.startsWith("$.")) {
    return refuse(0, "a path begins with '$.', as in $.type or $.data.repository.name");
  }
  return parsePath(text, 2, "dollar");
}

function parsePath(text: string, start: number, form: PathForm): PathReading {
  if (text[start] === "." && form === "dollar") return refuse(start - 1, NO_SEARCH);
  const length = text.slice(start).search(ROOT_END);
  const rootEnd = length === -1 ? text.length : start + length;
  const root = text.slice(start, rootEnd);
  if (!ATTRIBUTE_NAME.test(root)) return refuse(start, adviseRoot(root, form));
  if (root === "data") return parseSteps(text, rootEnd, form);
  if (rootEnd === text.length) {
    return { ok: true, path: { text, root, steps: [], findsMany: false } };
  }
  const data = form === "plain" ? `data.${root}` : `$.data.${root}`;
  return refuse(rootEnd, `the attribute '${root}' has no members; did you mean ${data}?`);
}

function adviseRoot(root: string, form: PathForm): string {
  const example = form === "plain" ? "data.repository.name" : "$.data.repository.name";
  const rule = "an attribute's name consists of a-z and 0-9, a path into the data begins with";
  if (root === "") return `a name is missing; ${rule} '${example.split(".r")[0]}'`;
  return `'${root}' can be no attribute's name; ${rule} '${example.split(".r")[0]}', as in ${example}`;
}

function parseSteps(text: string, start: number, form: PathForm): PathReading {
  const steps: PathStep[] = [];
  let position = start;
  while (position < text.length) {
    if (steps.length === limits.pathStepsMax) {
      return refuse(position, `a path has at most ${limits.pathStepsMax} steps`);
    }
    const reading = readStep(text, position, form);
    if (!reading.ok) return reading;
    steps.push(reading.step);
    position = reading.end;
  }
  const findsMany = steps.some((step) => step.kind === "slice" || step.kind === "every");
  return { ok: true, path: { text, root: "data", steps, findsMany } };
}

function readStep(text: string, position: number, form: PathForm): StepReading {
  if (text[position] === "[") return readBracket(text, position, form);
  if (text[position] !== ".") return refuse(position, "expected '.', '[' or the end of the path");
  if (text[position + 1] === ".") {
    return refuse(position, NO_SEARCH);
  }
  MEMBER_NAME.lastIndex = position + 1;
  const name = MEMBER_NAME.exec(text)?.[0];
  if (name !== undefined) {
    return { ok: true, step: { kind: "member", key: name }, end: position + 1 + name.length };
  }
  return refuse(
    position + 1,
    'expected a name of A-Z, a-z, 0-9, _ and -, not beginning with a digit or -; quote other keys, as in data["odd key"]',
  );
}

function refuse(position: number, message: string): { ok: false; failure: TextFailure } {
  return { ok: false, failure: { position, message } };
}
