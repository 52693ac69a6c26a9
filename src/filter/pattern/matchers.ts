/** What the lists of a pattern hold: tests of one scalar. All of them take linear time. */
import type { WildcardPart } from "../../expression/wildcard.ts";
import { compileWildcard, run } from "../../expression/wildcard.ts";
import { isObject, memberPath, nameKind, quote } from "../../kernel/unchecked.ts";
import { compareDecimals } from "../decimal.ts";
import { isInBlock, parseBlock } from "./cidr.ts";
import { compileNumeric, refuseNumber } from "./numeric.ts";
import { isNumber, refuse } from "./scalar-test.ts";
import type { Place, ScalarKind, ScalarTest } from "./scalar-test.ts";

/** Compiles one element of a list, `{"exists": …}` apart; undefined after a refusal. */
export function compileMatcher(spec: unknown, place: Place): ScalarTest | undefined {
  if (!isObject(spec)) return compileExact(spec, place);
  const names = Object.keys(spec);
  const [name] = names;
  if (name === undefined || names.length > 1) {
    const message = `a matcher has one member, of ${KNOWN}; this one has ${names.length}`;
    return refuse(place, message);
  }
  const compile = matchersByName.get(name);
  const inner = { ...place, path: memberPath(place.path, name) };
  if (compile !== undefined) return compile(spec[name], inner);
  return refuse(inner, `unknown matcher ${quote(name)}; known: ${KNOWN}`);
}

type MatcherCompiler = (spec: unknown, place: Place) => ScalarTest | undefined;

const matchersByName: ReadonlyMap<string, MatcherCompiler> = new Map<string, MatcherCompiler>([
  ["prefix", (spec, place) => compileAffix(spec, place, (text, wanted) => text.startsWith(wanted))],
  ["suffix", (spec, place) => compileAffix(spec, place, (text, wanted) => text.endsWith(wanted))],
  ["equals-ignore-case", compileIgnoreCase],
  ["wildcard", compileWildcardMatcher],
  ["cidr", compileCidr],
  ["numeric", compileNumeric],
  ["anything-but", compileAnythingBut],
]);

const KNOWN = [...matchersByName.keys(), "exists"].map((name) => `"${name}"`).join(", ");

function compileExact(spec: unknown, place: Place): ScalarTest | undefined {
  if (typeof spec === "string") {
    return (kind, text) => (kind === "string" || kind === "attribute") && text === spec;
  }
  if (typeof spec === "boolean") {
    const wanted = String(spec);
    return (kind, text) => (kind === "boolean" || kind === "attribute") && text === wanted;
  }
  if (typeof spec === "number") {
    const wrong = refuseNumber(spec);
    if (wrong !== undefined) return refuse(place, wrong);
    const wanted = String(spec);
    return (kind, text) => isNumber(kind, text) && compareDecimals(text, wanted) === 0;
  }
  if (spec === null) {
    if (!place.isAttribute) return (kind) => kind === "null";
    return refuse(place, 'an attribute is never null; write {"exists": false}');
  }
  return refuse(place, `expected a value or a matcher, not ${nameKind(spec)}`);
}

function isText(kind: ScalarKind): boolean {
  return kind === "string" || kind === "attribute";
}

/** Both sides through capitals and back, so that letters with several forms meet. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase();
}

/** A text, or `{"equals-ignore-case": text}`. */
function compileAffix(
  spec: unknown,
  place: Place,
  holds: (text: string, wanted: string) => boolean,
): ScalarTest | undefined {
  if (typeof spec === "string") return (kind, text) => isText(kind) && holds(text, spec);
  if (isObject(spec) && Object.keys(spec).join() === "equals-ignore-case") {
    const inner = spec["equals-ignore-case"];
    if (typeof inner === "string") {
      const wanted = foldCase(inner);
      return (kind, text) => isText(kind) && holds(foldCase(text), wanted);
    }
  }
  return refuse(place, 'expected a text, or {"equals-ignore-case": a text}');
}

function compileIgnoreCase(spec: unknown, place: Place): ScalarTest | undefined {
  if (typeof spec !== "string") return refuse(place, `expected a text, not ${nameKind(spec)}`);
  const wanted = foldCase(spec);
  return (kind, text) => isText(kind) && foldCase(text) === wanted;
}

/** `*` stands for any number of characters; `\*` and `\\` for themselves. */
function compileWildcardMatcher(spec: unknown, place: Place): ScalarTest | undefined {
  if (typeof spec !== "string") return refuse(place, `expected a text, not ${nameKind(spec)}`);
  const parts: WildcardPart[] = [];
  for (let index = 0; index < spec.length; index += 1) {
    const character = spec.charAt(index);
    if (character === "*") {
      if (parts.at(-1) === run)
        return refuse(place, `column ${index + 1}: '**' says no more than '*'`);
      parts.push(run);
    } else if (character === "\\") {
      index += 1;
      const escaped = spec.charAt(index);
      if (escaped !== "*" && escaped !== "\\") {
        return refuse(place, `column ${index}: a backslash stands before * or \\ only`);
      }
      parts.push(escaped);
    } else parts.push(character);
  }
  const wildcard = compileWildcard(parts);
  return (kind, text) => isText(kind) && wildcard.matches(text);
}

function compileCidr(spec: unknown, place: Place): ScalarTest | undefined {
  if (typeof spec !== "string") return refuse(place, `expected a text, not ${nameKind(spec)}`);
  const block = parseBlock(spec);
  if (typeof block === "string") return refuse(place, `${quote(spec)}: ${block}`);
  return (kind, text) => isText(kind) && isInBlock(text, block);
}

const negatable: ReadonlySet<string> = new Set([
  "prefix",
  "suffix",
  "equals-ignore-case",
  "wildcard",
]);

/** A value, a list of values, or one matcher of texts whose text may be a list as well. */
function compileAnythingBut(spec: unknown, place: Place): ScalarTest | undefined {
  const tests = isObject(spec)
    ? compileNegatedMatcher(spec, place)
    : compileList(spec, place, compileNegatedValue);
  if (tests === undefined) return undefined;
  return (kind, text) => !tests.some((test) => test(kind, text));
}

function compileNegatedMatcher(
  spec: Readonly<Record<string, unknown>>,
  place: Place,
): readonly ScalarTest[] | undefined {
  const names = Object.keys(spec);
  const [name = ""] = names;
  const compile = negatable.has(name) ? matchersByName.get(name) : undefined;
  if (names.length !== 1 || compile === undefined) {
    const known = [...negatable].map((each) => `"${each}"`).join(", ");
    return refuse(place, `expected values, or an object with one of ${known}`);
  }
  return compileList(spec[name], { ...place, path: memberPath(place.path, name) }, compile);
}

function compileNegatedValue(spec: unknown, place: Place): ScalarTest | undefined {
  if (!isObject(spec)) return compileExact(spec, place);
  return refuse(place, "expected a value; a matcher stands instead of the list, not in it");
}

/** One thing, or a list of at least one. */
function compileList(
  spec: unknown,
  place: Place,
  compile: MatcherCompiler,
): readonly ScalarTest[] | undefined {
  const specs: readonly unknown[] = Array.isArray(spec) ? spec : [spec];
  if (specs.length === 0) return refuse(place, "the list is empty; give it at least one value");
  const tests: ScalarTest[] = [];
  for (const [index, each] of specs.entries()) {
    const path = Array.isArray(spec) ? `${place.path}[${index}]` : place.path;
    if (!place.compiler.isWithinLimits("")) return undefined;
    const test = compile(each, { ...place, path });
    if (test !== undefined) tests.push(test);
  }
  return tests.length === specs.length ? tests : undefined;
}
