import { nameKind, quote } from "../../kernel/unchecked.ts";
import { compareDecimals } from "../decimal.ts";
import { isNumber, refuse } from "./scalar-test.ts";
import type { Place, ScalarTest } from "./scalar-test.ts";

/** What is wrong with a number of a pattern; undefined when it is as it was written. */
export function refuseNumber(value: number): string | undefined {
  if (!Number.isFinite(value)) return "the number is too large; compare such numbers as texts";
  if (Number.isInteger(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    return `the number ${value} is beyond 2^53 and has lost digits; compare the digits with exact`;
  }
  return undefined;
}

interface Bound {
  readonly limit: string;
  readonly isInclusive: boolean;
}

interface Range {
  readonly lower: Bound | undefined;
  readonly upper: Bound | undefined;
}

const OPERATORS = '"=", "<", "<=", ">", ">="';

/** `["=", 5]`, `[">", 0]`, `[">=", 0, "<", 10]`. */
export function compileNumeric(spec: unknown, place: Place): ScalarTest | undefined {
  if (!Array.isArray(spec) || (spec.length !== 2 && spec.length !== 4)) {
    const found = Array.isArray(spec) ? `a list of ${spec.length}` : nameKind(spec);
    const message = `expected an operator and a number, or two of each, as in [">=", 0, "<", 10], not ${found}`;
    return refuse(place, message);
  }
  let range: Range = { lower: undefined, upper: undefined };
  for (let index = 0; index < spec.length; index += 2) {
    const operator: unknown = spec[index];
    const value: unknown = spec[index + 1];
    const numberPath = `${place.path}[${index + 1}]`;
    if (typeof value !== "number") {
      return refuse({ ...place, path: numberPath }, `expected a number, not ${nameKind(value)}`);
    }
    const wrong = refuseNumber(value);
    if (wrong !== undefined) return refuse({ ...place, path: numberPath }, wrong);
    const next = narrow(range, operator, String(value));
    if (typeof next === "string")
      return refuse({ ...place, path: `${place.path}[${index}]` }, next);
    range = next;
  }
  if (isEmpty(range)) return refuse(place, "no number is within these bounds");
  const { lower, upper } = range;
  return (kind, text) => isNumber(kind, text) && isAbove(text, lower) && isBelow(text, upper);
}

/** The range with one more bound, or what is wrong with it. */
function narrow(range: Range, operator: unknown, limit: string): Range | string {
  const inclusive = { limit, isInclusive: true };
  const exclusive = { limit, isInclusive: false };
  const isFree = range.lower === undefined && range.upper === undefined;
  switch (operator) {
    case "=":
      return isFree ? { lower: inclusive, upper: inclusive } : "'=' stands alone";
    case ">":
    case ">=":
      if (range.lower !== undefined) return "there is a lower bound already";
      return { ...range, lower: operator === ">" ? exclusive : inclusive };
    case "<":
    case "<=":
      if (range.upper !== undefined) return "there is an upper bound already";
      return { ...range, upper: operator === "<" ? exclusive : inclusive };
    default: {
      const found = typeof operator === "string" ? quote(operator) : nameKind(operator);
      return `expected one of ${OPERATORS}, not ${found}`;
    }
  }
}

function isEmpty({ lower, upper }: Range): boolean {
  if (lower === undefined || upper === undefined) return false;
  const order = compareDecimals(lower.limit, upper.limit);
  return order > 0 || (order === 0 && !(lower.isInclusive && upper.isInclusive));
}

function isAbove(text: string, bound: Bound | undefined): boolean {
  if (bound === undefined) return true;
  const order = compareDecimals(text, bound.limit);
  return order > 0 || (order === 0 && bound.isInclusive);
}

function isBelow(text: string, bound: Bound | undefined): boolean {
  if (bound === undefined) return true;
  const order = compareDecimals(text, bound.limit);
  return order < 0 || (order === 0 && bound.isInclusive);
}
