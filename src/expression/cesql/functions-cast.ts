import type { CesqlFunction } from "./function.ts";
import { toInteger32 } from "./names.ts";
import type { CesqlType } from "./syntax.ts";

const value = (type: CesqlType | undefined): CesqlFunction["parameters"] => [
  { name: "value", type },
];

/** Casts, tests of casts, and ABS. The casts are those of the parameter. */
export const castFunctions: readonly CesqlFunction[] = [
  {
    name: "INT",
    parameters: value("Integer"),
    returns: "Integer",
    summary: "The value as an Integer.",
    examples: [
      { call: "INT('-17')", result: -17 },
      { call: "INT(TRUE)", result: 1 },
      { call: "INT('1.5')", result: 0, error: "cast" },
    ],
    apply: ([first = 0]) => first,
  },
  {
    name: "BOOL",
    parameters: value("Boolean"),
    returns: "Boolean",
    summary: "The value as a Boolean.",
    examples: [
      { call: "BOOL('TrUe')", result: true },
      { call: "BOOL(0)", result: false },
      { call: "BOOL('1')", result: false, error: "cast" },
    ],
    apply: ([first = false]) => first,
  },
  {
    name: "STRING",
    parameters: value("String"),
    returns: "String",
    summary: "The value as a String.",
    examples: [
      { call: "STRING(TRUE)", result: "true" },
      { call: "STRING(010)", result: "10" },
    ],
    apply: ([first = ""]) => first,
  },
  {
    name: "IS_INT",
    parameters: value(undefined),
    returns: "Boolean",
    summary: "Whether INT would take the value.",
    examples: [
      { call: "IS_INT('+5')", result: true },
      { call: "IS_INT('5.0')", result: false },
    ],
    apply: ([first = ""]) => typeof first !== "string" || toInteger32(first) !== undefined,
  },
  {
    name: "IS_BOOL",
    parameters: value(undefined),
    returns: "Boolean",
    summary: "Whether BOOL would take the value.",
    examples: [
      { call: "IS_BOOL('FALSE')", result: true },
      { call: "IS_BOOL('yes')", result: false },
    ],
    apply: ([first = ""]) =>
      typeof first !== "string" ||
      (first.length <= 5 && ["true", "false"].includes(first.toLowerCase())),
  },
  {
    name: "ABS",
    parameters: value("Integer"),
    returns: "Integer",
    summary: "The distance from 0.",
    examples: [
      { call: "ABS('-5')", result: 5 },
      { call: "ABS(-2147483648)", result: 2147483647, error: "math" },
    ],
    apply([first], call) {
      const integer = Number(first);
      if (integer !== -2147483648) return Math.abs(integer);
      call.fail("math", integer, "ABS of % is more than 2147483647");
      return 2147483647;
    },
  },
];
