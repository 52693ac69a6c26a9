import type { Wildcard, WildcardPart } from "../wildcard.ts";
import { compileWildcard, one, run } from "../wildcard.ts";

/** `%` any run, `_` one character, `\%` and `\_` those characters, everything else itself. */
export function compileLike(pattern: string): Wildcard {
  return compileWildcard(partsOf(pattern));
}

export interface LiteralEnds {
  /** What every text that matches begins and ends with; "" when a wildcard stands there. */
  readonly start: string;
  readonly end: string;
  /** There is no wildcard: only this text itself matches. */
  readonly isWhole: boolean;
}

/** What is certain of a text that matches the pattern of a LIKE. */
export function literalEndsOf(pattern: string): LiteralEnds {
  const parts = partsOf(pattern);
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  return {
    start: typeof first === "string" ? first : "",
    end: typeof last === "string" ? last : "",
    isWhole: parts.every((part) => typeof part === "string"),
  };
}

function partsOf(pattern: string): readonly WildcardPart[] {
  const parts: WildcardPart[] = [];
  let literal = "";
  for (let index = 0; index < pattern.length; index += 1) {
    const character = pattern.charAt(index);
    const next = pattern.charAt(index + 1);
    if (character === "\\" && (next === "%" || next === "_")) {
      literal += next;
      index += 1;
    } else if (character === "%" || character === "_") {
      if (literal !== "") parts.push(literal);
      literal = "";
      parts.push(character === "%" ? run : one);
    } else {
      literal += character;
    }
  }
  if (literal !== "") parts.push(literal);
  return parts;
}
