/** Words of CESQL that are neither operators nor functions: attributes' names and integers. */

const NAME = /^[a-z0-9]+$/;
const KEYWORDS = new Set(["AND", "OR", "XOR", "NOT", "LIKE", "IN", "EXISTS", "TRUE", "FALSE"]);

/** The name of an attribute, whose case is ignored; undefined when no attribute is called so. */
export function toAttributeName(word: string): string | undefined {
  const name = word.toLowerCase();
  if (!NAME.test(name) || name === "data" || KEYWORDS.has(word.toUpperCase())) return undefined;
  return name;
}

/** Why a word is no attribute's name. */
export function refuseWord(word: string): string {
  const shown = word.length > 64 ? `${word.slice(0, 64)}…` : word;
  if (KEYWORDS.has(word.toUpperCase())) {
    return `unexpected '${shown}', a word of the language; expected a value or an attribute`;
  }
  if (word.toLowerCase() === "data") {
    return "CESQL sees attributes only; the data is compared by exact, prefix, suffix, pattern or cel";
  }
  return `'${shown}' can be no attribute's name; names consist of a-z and 0-9`;
}

const INTEGER = /^[+-]?[0-9]+$/;

/** A text of digits with at most one sign, within 32 bits; undefined for anything else. */
export function toInteger32(text: string): number | undefined {
  if (!INTEGER.test(text)) return undefined;
  const value = Number(text);
  // Adding 0 turns -0 into 0.
  return value >= -2147483648 && value <= 2147483647 ? value + 0 : undefined;
}
