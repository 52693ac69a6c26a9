/**
 * Patterns with wildcards, matched in time linear in the text whatever the text is. They never
 * become a RegExp: what a user or an event wrote must not decide how long a match takes.
 */

/** A literal text, `run` for any number of characters, `one` for exactly one code point. */
export type WildcardPart = string | typeof run | typeof one;
export const run: unique symbol = Symbol("any number of characters");
export const one: unique symbol = Symbol("one character");

export interface Wildcard {
  matches(text: string): boolean;
  /** How many steps a match takes for each character of the text, at most. */
  readonly stepsPerCharacter: number;
}

export function compileWildcard(parts: readonly WildcardPart[]): Wildcard {
  if (parts.includes(one)) return compileCodePoints(parts);
  if (!parts.includes(run)) {
    const wanted = parts.join("");
    return { matches: (text) => text === wanted, stepsPerCharacter: 1 };
  }
  return compileSegments(parts);
}

/** `a*b*c`: a stands at the start, c at the end, those between follow each other leftmost. */
function compileSegments(parts: readonly WildcardPart[]): Wildcard {
  const segments = [""];
  for (const part of parts) {
    if (typeof part === "string") segments.push(`${segments.pop() ?? ""}${part}`);
    else segments.push("");
  }
  const first = segments.shift() ?? "";
  const last = segments.pop() ?? "";
  const finders = segments.filter((segment) => segment !== "").map(compileFinder);
  const fixedLength = first.length + last.length;
  return {
    stepsPerCharacter: 2,
    matches(text) {
      if (text.length < fixedLength || !text.startsWith(first) || !text.endsWith(last)) {
        return false;
      }
      let position = first.length;
      const end = text.length - last.length;
      for (const find of finders) {
        position = find(text, position, end);
        if (position === -1) return false;
      }
      return true;
    },
  };
}

/** Finds a text in text[from, end) and answers where it stops, or -1. */
export type Finder = (text: string, from: number, end: number) => number;

/**
 * Knuth, Morris and Pratt: each character is looked at twice at most. The platform's indexOf takes
 * length times length on texts that are made for it.
 */
export function compileFinder(wanted: string): Finder {
  const { length } = wanted;
  if (length === 0) return (_text, from) => from;
  const fallback = compileFallback(wanted);
  return (text, from, end) => {
    let matched = 0;
    for (let position = from; position < end; position += 1) {
      const code = text.charCodeAt(position);
      while (matched > 0 && wanted.charCodeAt(matched) !== code) {
        matched = fallback[matched - 1] ?? 0;
      }
      if (wanted.charCodeAt(matched) === code) matched += 1;
      if (matched === length) return position + 1;
    }
    return -1;
  };
}

/** For each prefix the length of its longest proper border. */
function compileFallback(wanted: string): Int32Array {
  const fallback = new Int32Array(wanted.length);
  let matched = 0;
  for (let position = 1; position < wanted.length; position += 1) {
    const code = wanted.charCodeAt(position);
    while (matched > 0 && wanted.charCodeAt(matched) !== code) {
      matched = fallback[matched - 1] ?? 0;
    }
    if (wanted.charCodeAt(matched) === code) matched += 1;
    fallback[position] = matched;
  }
  return fallback;
}

const BITS = 32;

/**
 * All states of the pattern at once, one bit each: bit n says that the first n parts match what was
 * read. A step for one character is a shift over the words of bits.
 */
function compileCodePoints(parts: readonly WildcardPart[]): Wildcard {
  const states: (number | typeof run | typeof one)[] = [];
  for (const part of parts) {
    if (typeof part !== "string") states.push(part);
    else for (const character of part) states.push(character.codePointAt(0) ?? 0);
  }
  const automaton = compileAutomaton(states);
  return {
    stepsPerCharacter: automaton.words * 2,
    matches: (text) => runAutomaton(automaton, text),
  };
}

interface Automaton {
  readonly words: number;
  /** For each code point of the pattern the positions that take it, and those that take any. */
  readonly takes: ReadonlyMap<number, Int32Array>;
  readonly takesAny: Int32Array;
  /** The positions behind which a run stands: once reached they stay. */
  readonly stays: Int32Array;
  readonly final: number;
  readonly current: Int32Array;
}

/** A run takes no position of its own; it makes the position before it stay. */
function compileAutomaton(states: readonly (number | typeof run | typeof one)[]): Automaton {
  const final = states.filter((state) => state !== run).length;
  const words = Math.floor(final / BITS) + 1;
  const takesAny = new Int32Array(words);
  const stays = new Int32Array(words);
  const takes = new Map<number, Int32Array>();
  let position = 0;
  for (const state of states) {
    if (state === run) setBit(stays, position);
    else {
      position += 1;
      if (state === one) setBit(takesAny, position);
      else {
        const mask = takes.get(state) ?? new Int32Array(words);
        setBit(mask, position);
        takes.set(state, mask);
      }
    }
  }
  return { words, takes, takesAny, stays, final, current: new Int32Array(words) };
}

function setBit(bits: Int32Array, index: number): void {
  const word = Math.floor(index / BITS);
  bits[word] = (bits[word] ?? 0) | (1 << (index % BITS));
}

function runAutomaton(automaton: Automaton, text: string): boolean {
  const { words, takes, takesAny, stays, final, current } = automaton;
  current.fill(0);
  current[0] = 1;
  let position = 0;
  while (position < text.length) {
    const code = text.codePointAt(position) ?? 0;
    position += code > 0xffff ? 2 : 1;
    const mask = takes.get(code);
    let carry = 0;
    let alive = 0;
    for (let word = 0; word < words; word += 1) {
      const before = current[word] ?? 0;
      const shifted = (before << 1) | carry;
      carry = before >>> (BITS - 1);
      const taken = shifted & ((takesAny[word] ?? 0) | (mask?.[word] ?? 0));
      const after = taken | (before & (stays[word] ?? 0));
      current[word] = after;
      alive |= after;
    }
    if (alive === 0) return false;
  }
  return (((current[Math.floor(final / BITS)] ?? 0) >>> (final % BITS)) & 1) === 1;
}
