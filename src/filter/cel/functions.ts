/** The functions that CEL expressions may call. None takes more than linear time. */
import { RE2JS } from "re2js";
import { compileFinder } from "../../expression/wildcard.ts";
import { limits } from "../../kernel/limits.ts";
import { quote } from "../../kernel/unchecked.ts";
import type { CelResult, CelRun } from "./run.ts";
import {
  INT_MAX,
  INT_MIN,
  isMap,
  isNumber,
  JsonRef,
  listOf,
  nameType,
  plainNumber,
  Uint,
  UINT_MAX,
} from "./value.ts";
import type { CelValue } from "./value.ts";

export interface CelFunction {
  /** `size(x)` and `x.size()`: the first parameter is the receiver. */
  readonly parameters: number;
  readonly apply: (run: CelRun, args: readonly CelValue[], position: number) => CelResult;
}

/** Called as `name(x)`. */
export const plainFunctions: ReadonlyMap<string, CelFunction> = new Map<string, CelFunction>([
  ["size", { parameters: 1, apply: (run, [value = null], at) => sizeOf(run, value, at) }],
  ["int", { parameters: 1, apply: (run, [value = null], at) => toInt(run, value, at) }],
  ["uint", { parameters: 1, apply: (run, [value = null], at) => toUint(run, value, at) }],
  ["double", { parameters: 1, apply: (run, [value = null], at) => toDouble(run, value, at) }],
  ["string", { parameters: 1, apply: (run, [value = null], at) => toText(run, value, at) }],
  ["bool", { parameters: 1, apply: (run, [value = null], at) => toBool(run, value, at) }],
  ["dyn", { parameters: 1, apply: (_run, [value = null]) => value }],
]);

type TextOperation = (text: string, other: string) => CelValue;

function ofTexts(name: string, parameters: number, apply: TextOperation): [string, CelFunction] {
  return [
    name,
    {
      parameters,
      apply(run, [text = null, other = ""], position) {
        if (typeof text !== "string" || typeof other !== "string") {
          return run.fail(position, `${name} takes strings, not ${nameType(text)}`);
        }
        return run.spend((text.length + other.length) * 2, position)
          ? apply(text, other)
          : run.fail(position, "this takes too long (expressionWorkMax)");
      },
    },
  ];
}

/** Called as `x.name(…)`. */
export const methods: ReadonlyMap<string, CelFunction> = new Map<string, CelFunction>([
  ["size", { parameters: 1, apply: (run, [value = null], at) => sizeOf(run, value, at) }],
  ofTexts("startsWith", 2, (text, other) => text.startsWith(other)),
  ofTexts("endsWith", 2, (text, other) => text.endsWith(other)),
  // Not includes(): on texts made for it that takes length times length.
  ofTexts("contains", 2, (text, other) => compileFinder(other)(text, 0, text.length) !== -1),
  ofTexts("lowerAscii", 1, (text) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())),
  ofTexts("upperAscii", 1, (text) => text.replace(/[a-z]+/g, (part) => part.toUpperCase())),
]);

/** A pattern for `matches`, or what is wrong with it. It finds anywhere, as RE2 in CEL does. */
export function compileMatches(pattern: string): CelFunction | string {
  if (pattern.length > limits.regexLengthMax) {
    return `the pattern has ${pattern.length} characters; at most ${limits.regexLengthMax} (regexLengthMax)`;
  }
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    return `the pattern is no RE2: ${error instanceof Error ? error.message : String(error)}`;
  }
  const stepsPerCharacter = compiled.programSize();
  if (stepsPerCharacter > limits.regexProgramMax) {
    return `the pattern takes ${stepsPerCharacter} steps; at most ${limits.regexProgramMax} (regexProgramMax)`;
  }
  return {
    parameters: 1,
    apply(run, [text = null], position) {
      if (typeof text !== "string") {
        return run.fail(position, `matches takes a string, not ${nameType(text)}`);
      }
      return run.spend(text.length * stepsPerCharacter, position)
        ? compiled.matcher(text).find()
        : run.fail(position, "this takes too long (expressionWorkMax)");
    },
  };
}

/** Of texts the code points, of lists the elements, of maps the keys. */
function sizeOf(run: CelRun, value: CelValue, position: number): CelResult {
  if (typeof value === "string") {
    let size = value.length;
    for (let index = 1; index < value.length; index += 1) {
      const isLow = (value.charCodeAt(index) & 0xfc00) === 0xdc00;
      if (isLow && (value.charCodeAt(index - 1) & 0xfc00) === 0xd800) size -= 1;
    }
    return BigInt(size);
  }
  const list = listOf(value);
  if (list !== undefined) return BigInt(list.size);
  if (value instanceof JsonRef && isMap(value)) return BigInt(value.document.size(value.node));
  return run.fail(position, `${nameType(value)} has no size`);
}

const INTEGER = /^[+-]?[0-9]{1,20}$/;

function toInt(run: CelRun, value: CelValue, position: number): CelResult {
  const integer = integerOf(value);
  if (integer !== undefined && integer >= INT_MIN && integer <= INT_MAX) return integer;
  return run.fail(position, `${show(value)} is no int`);
}

function toUint(run: CelRun, value: CelValue, position: number): CelResult {
  const integer = integerOf(value);
  if (integer !== undefined && integer >= 0n && integer <= UINT_MAX) return new Uint(integer);
  return run.fail(position, `${show(value)} is no uint`);
}

/** Doubles are cut towards 0. */
function integerOf(value: CelValue): bigint | undefined {
  if (value instanceof Uint) return value.value;
  if (typeof value === "bigint") return value;
  if (typeof value === "number") {
    return Number.isFinite(value) && Math.abs(value) < 2 ** 65
      ? BigInt(Math.trunc(value))
      : undefined;
  }
  return typeof value === "string" && INTEGER.test(value)
    ? BigInt(value.replace("+", ""))
    : undefined;
}

const DOUBLE = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

function toDouble(run: CelRun, value: CelValue, position: number): CelResult {
  if (isNumber(value)) return Number(plainNumber(value));
  if (typeof value === "string" && run.spend(value.length, position) && DOUBLE.test(value)) {
    return Number(value);
  }
  return run.fail(position, `${show(value)} is no double`);
}

function toText(run: CelRun, value: CelValue, position: number): CelResult {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (isNumber(value)) return String(plainNumber(value));
  return run.fail(position, `${nameType(value)} cannot become a string`);
}

const TRUE = new Set(["true", "True", "TRUE", "t", "1"]);
const FALSE = new Set(["false", "False", "FALSE", "f", "0"]);

function toBool(run: CelRun, value: CelValue, position: number): CelResult {
  if (typeof value === "boolean") return value;
  if (typeof value === "string" && TRUE.has(value)) return true;
  if (typeof value === "string" && FALSE.has(value)) return false;
  return run.fail(position, `${show(value)} is no bool`);
}

/** A value in a sentence. */
export function show(value: CelValue): string {
  if (typeof value === "string") return quote(value);
  if (isNumber(value)) return String(plainNumber(value));
  if (value === null || typeof value === "boolean") return String(value);
  return nameType(value);
}
