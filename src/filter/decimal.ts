/**
 * Numbers compared by value and without loss: `300` equals `3e2` and `300.0`, and the digits beyond
 * 2^53 count. A double is asked only where it is exact.
 */

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

export function isNumberText(text: string): boolean {
  const code = text.charCodeAt(0);
  return (code === MINUS || (code >= 0x30 && code <= 0x39)) && NUMBER.test(text);
}

const MINUS = 0x2d;
/** Up to 15 significant digits a decimal and its double stand for each other, in the same order. */
const EXACT_LENGTH = 15;

/** Below, equal or above 0, as `left` is below, equal to or above `right`; both as in JSON. */
export function compareDecimals(left: string, right: string): number {
  if (left === right) return 0;
  if (isExact(left) && isExact(right)) return Number(left) - Number(right);
  const a = parseDecimal(left);
  const b = parseDecimal(right);
  if (a.sign !== b.sign) return a.sign - b.sign;
  return a.sign * compareMagnitudes(a, b);
}

function isExact(text: string): boolean {
  return text.length <= EXACT_LENGTH && !text.includes("e") && !text.includes("E");
}

/** 0.digits × 10^exponent, without zeros at the ends of the digits; zero has sign 0. */
interface Decimal {
  readonly sign: number;
  readonly digits: string;
  readonly exponent: number;
}

function parseDecimal(text: string): Decimal {
  const isNegative = text.startsWith("-");
  const exponentAt = text.search(/[eE]/);
  const mantissa = text.slice(isNegative ? 1 : 0, exponentAt === -1 ? undefined : exponentAt);
  const power = exponentAt === -1 ? 0 : Number(text.slice(exponentAt + 1));
  const [whole = "", fraction = ""] = mantissa.split(".");
  const all = whole + fraction;
  let first = 0;
  while (first < all.length && all.charCodeAt(first) === 0x30) first += 1;
  let end = all.length;
  while (end > first && all.charCodeAt(end - 1) === 0x30) end -= 1;
  if (first === end) return { sign: 0, digits: "", exponent: 0 };
  const digits = all.slice(first, end);
  return { sign: isNegative ? -1 : 1, digits, exponent: whole.length - first + power };
}

function compareMagnitudes(a: Decimal, b: Decimal): number {
  if (a.exponent !== b.exponent) return a.exponent < b.exponent ? -1 : 1;
  if (a.digits === b.digits) return 0;
  return a.digits < b.digits ? -1 : 1;
}
