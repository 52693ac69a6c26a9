/** Functions of texts. Lengths and positions count code points, never bytes or UTF-16 units. */
import type { CesqlFunction, FunctionCall } from "./function.ts";

const text = { name: "text", type: "String" } as const;
const length = { name: "length", type: "Integer" } as const;

export const textFunctions: readonly CesqlFunction[] = [
  {
    name: "LENGTH",
    parameters: [text],
    returns: "Integer",
    summary: "The number of characters.",
    examples: [
      { call: "LENGTH('Zoë')", result: 3 },
      { call: "LENGTH('🦊!')", result: 2 },
      { call: "LENGTH(TRUE)", result: 4 },
    ],
    apply: ([first], call) => (spend(call, String(first)) ? countCharacters(String(first)) : 0),
  },
  {
    name: "CONCAT",
    parameters: [text],
    isVariadic: true,
    returns: "String",
    summary: "All texts, one behind the other.",
    examples: [
      { call: "CONCAT('a', 1, TRUE)", result: "a1true" },
      { call: "CONCAT()", result: "" },
    ],
    apply: (args, call) => join(args.map(String), "", call),
  },
  {
    name: "CONCAT_WS",
    parameters: [{ name: "separator", type: "String" }, text],
    isVariadic: true,
    returns: "String",
    summary: "All texts behind the first, with the first between them.",
    examples: [
      { call: "CONCAT_WS('-', 'a', 'b')", result: "a-b" },
      { call: "CONCAT_WS('-')", result: "" },
    ],
    apply: ([separator, ...rest], call) => join(rest.map(String), String(separator), call),
  },
  {
    name: "LOWER",
    parameters: [text],
    returns: "String",
    summary: "In small letters, by Unicode's rules without a language.",
    examples: [{ call: "LOWER('ÅbC')", result: "åbc" }],
    apply: ([first], call) => (spend(call, String(first)) ? String(first).toLowerCase() : ""),
  },
  {
    name: "UPPER",
    parameters: [text],
    returns: "String",
    summary: "In capitals, by Unicode's rules without a language.",
    examples: [{ call: "UPPER('åbC')", result: "ÅBC" }],
    apply: ([first], call) => (spend(call, String(first)) ? String(first).toUpperCase() : ""),
  },
  {
    name: "TRIM",
    parameters: [text],
    returns: "String",
    summary: "Without white space (Unicode's White_Space) at both ends.",
    examples: [{ call: "TRIM('  a b\t')", result: "a b" }],
    apply: ([first], call) => (spend(call, String(first)) ? trim(String(first)) : ""),
  },
  {
    name: "LEFT",
    parameters: [text, length],
    returns: "String",
    summary: "The first characters, the whole text if it is shorter.",
    examples: [
      { call: "LEFT('🦊abc', 2)", result: "🦊a" },
      { call: "LEFT('abc', 9)", result: "abc" },
      { call: "LEFT('abc', -1)", result: "abc", error: "functionEvaluation" },
    ],
    apply([first, count], call) {
      const whole = String(first);
      if (!spend(call, whole) || isNegative(Number(count), call)) return whole;
      return whole.slice(0, unitsOf(whole, 0, Number(count)));
    },
  },
  {
    name: "RIGHT",
    parameters: [text, length],
    returns: "String",
    summary: "The last characters, the whole text if it is shorter.",
    examples: [
      { call: "RIGHT('abc🦊', 2)", result: "c🦊" },
      { call: "RIGHT('abc', 9)", result: "abc" },
      { call: "RIGHT('abc', -1)", result: "abc", error: "functionEvaluation" },
    ],
    apply([first, count], call) {
      const whole = String(first);
      if (!spend(call, whole) || isNegative(Number(count), call)) return whole;
      const skipped = Math.max(countCharacters(whole) - Number(count), 0);
      return whole.slice(unitsOf(whole, 0, skipped));
    },
  },
  {
    name: "SUBSTRING",
    parameters: [text, { name: "position", type: "Integer" }, length],
    optional: 1,
    returns: "String",
    summary:
      "From a position counted from 1, negative from the end, to the end or that many characters.",
    examples: [
      { call: "SUBSTRING('abcdef', 2, 3)", result: "bcd" },
      { call: "SUBSTRING('abcdef', -2)", result: "ef" },
      { call: "SUBSTRING('abcdef', 0)", result: "" },
      { call: "SUBSTRING('abc', 4)", result: "", error: "functionEvaluation" },
      { call: "SUBSTRING('abc', 1, -1)", result: "", error: "functionEvaluation" },
    ],
    apply([first, position, count], call) {
      const taken = count === undefined ? Infinity : Number(count);
      return substring(String(first), { position: Number(position), count: taken }, call);
    },
  },
];

function spend(call: FunctionCall, whole: string): boolean {
  return call.spend(whole.length * 2);
}

function isNegative(count: number, call: FunctionCall): boolean {
  if (count < 0) call.fail("functionEvaluation", count, "the length % is negative");
  return count < 0;
}

function join(texts: readonly string[], separator: string, call: FunctionCall): string {
  let total = separator.length * Math.max(texts.length - 1, 0);
  for (const each of texts) total += each.length;
  return call.spend(total) ? texts.join(separator) : "";
}

function substring(
  whole: string,
  { position, count }: { readonly position: number; readonly count: number },
  call: FunctionCall,
): string {
  if (!spend(call, whole)) return "";
  const size = countCharacters(whole);
  if (Math.abs(position) > size) {
    call.fail("functionEvaluation", position, `the position % is outside of a text of ${size}`);
    return "";
  }
  if (isNegative(count, call) || position === 0) return "";
  const start = unitsOf(whole, 0, position > 0 ? position - 1 : size + position);
  return whole.slice(start, unitsOf(whole, start, count));
}

/** Code points, counted without making an array of them. */
function countCharacters(whole: string): number {
  let count = whole.length;
  for (let index = 1; index < whole.length; index += 1) {
    if (isLowSurrogate(whole, index) && isHighSurrogate(whole, index - 1)) count -= 1;
  }
  return count;
}

/** Where the UTF-16 unit stands that is `count` code points behind `start`; at most the end. */
function unitsOf(whole: string, start: number, count: number): number {
  let position = start;
  for (let left = count; left > 0 && position < whole.length; left -= 1) {
    const isPair = isHighSurrogate(whole, position) && isLowSurrogate(whole, position + 1);
    position += isPair ? 2 : 1;
  }
  return position;
}

function isHighSurrogate(whole: string, index: number): boolean {
  return (whole.charCodeAt(index) & 0xfc00) === 0xd800;
}

function isLowSurrogate(whole: string, index: number): boolean {
  return (whole.charCodeAt(index) & 0xfc00) === 0xdc00;
}

/** The platform's trim leaves U+0085 and takes U+FEFF, which is no white space. */
const WHITE_SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

function trim(whole: string): string {
  let start = 0;
  let end = whole.length;
  while (start < end && WHITE_SPACE.test(whole.charAt(start))) start += 1;
  while (end > start && WHITE_SPACE.test(whole.charAt(end - 1))) end -= 1;
  return whole.slice(start, end);
}
