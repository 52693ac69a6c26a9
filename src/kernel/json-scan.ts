/**
 * The scanner behind readJson: one strict RFC 8259 pass without recursion, which fills a flat table.
 *
 * It reads bytes instead of characters. ASCII text is copied into a byte array as it is; in other
 * text every character above U+007F becomes 0x7F first. Such characters are legal inside strings
 * only, where any of them will do, and as illegal as 0x7F everywhere else, so that validity and
 * positions stay the same, and strings can be skipped four characters at a time.
 */

/** Layout of the table: this many integers a value, parents before children, in text order. */
export const NODE_WIDTH = 6;
/** Kind in the low 3 bits, then the two flags, then the number of children. */
export const INFO = 0;
export const START = 1;
export const END = 2;
/** Index of the node after this one and everything in it. */
export const NEXT = 3;
/** Where the key of a member lies between its quotes; zeros if the value is no member. */
export const KEY_START = 4;
export const KEY_END = 5;

export const KIND_MASK = 7;
export const OBJECT = 0;
export const ARRAY = 1;
export const STRING = 2;
export const NUMBER = 3;
export const BOOLEAN = 4;
export const NULL = 5;

export const HAS_ESCAPE = 8;
export const KEY_HAS_ESCAPE = 16;
export const COUNT_SHIFT = 5;
const ONE_CHILD = 1 << COUNT_SHIFT;

export interface ScanBounds {
  readonly depthMax: number;
  readonly unfoldDepth: number;
  readonly nodesMax: number;
}

export interface ScanFailure {
  readonly position: number;
  readonly expected: string;
}

/** Where the nodes lie: from `base` on in an array that other tables share. */
export interface ScanTable {
  readonly table: Int32Array;
  readonly base: number;
}

export type ScanResult = ScanTable | ScanFailure;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Room after the text: zeros, which end every loop without a look at the length. */
const PADDING = 8;
/** Scratch beyond this, needed once by a huge text, is not kept for ever. */
const SCRATCH_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Tables are laid one after the other into a slab, never twice into the same place: an array of its
 * own for each would cost as much as a kilobyte of text. A document keeps its whole slab alive.
 */
const SLAB_SIZE = 8192 * NODE_WIDTH;
/** Texts that need more of it get an array of their own. */
const SLAB_SHARE_MAX = SLAB_SIZE / 4;
const START_SIZE = 16 * NODE_WIDTH;

/** The text as bytes, and the same memory as 32-bit words for skipping strings. */
interface Scratch {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

let scratch = makeScratch(65_536);
let slab = new Int32Array(SLAB_SIZE);
let slabUsed = 0;

function makeScratch(size: number): Scratch {
  const memory = new ArrayBuffer(size);
  return { bytes: Buffer.from(memory), words: new Int32Array(memory) };
}

/** Scans `text`; positions are in its UTF-16 units. */
export function scanJson(text: string, bounds: ScanBounds): ScanResult {
  return new JsonScan(asciiBytes(text), text.length, bounds).run();
}

function replaceSlab(): void {
  slab = new Int32Array(SLAB_SIZE);
  slabUsed = 0;
}

function asciiBytes(text: string): Scratch {
  const { length } = text;
  const room = length + PADDING;
  const source = scratchFor(room);
  const { bytes } = source;
  // The room is longer than the text, hence only ASCII text fills exactly its length.
  if (bytes.write(text, 0, room, "utf8") !== length) {
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      bytes[index] = code < 0x80 ? code : 0x7f;
    }
  }
  for (let index = length; index < room; index += 1) bytes[index] = 0;
  return source;
}

function scratchFor(room: number): Scratch {
  if (room <= scratch.bytes.length) return scratch;
  const larger = makeScratch((room + 65_535) & ~65_535);
  if (room <= SCRATCH_BYTES_MAX) scratch = larger;
  return larger;
}

/** Fills the bytes of a word that lie before the first wanted one with a harmless value. */
const skippedBytes = new Int32Array([0, 0x7f, 0x7f7f, 0x7f7f7f]);
const HIGH_BITS = 0x80808080 | 0;

/**
 * Where the first quote, backslash or control character lies from `from` on. Each sum sets the high
 * bit of those of four bytes that are not what it looks for; bytes are below 0x80, so no sum carries
 * into the next byte. The zeros after the text end the search.
 */
function plainEnd(words: Int32Array, from: number): number {
  let index = from >> 2;
  let word = (words[index] ?? 0) | (skippedBytes[from & 3] ?? 0);
  for (;;) {
    const ordinary =
      (word + 0x60606060) & ((word ^ 0x22222222) + 0x7f7f7f7f) & ((word ^ 0x5c5c5c5c) + 0x7f7f7f7f);
    const found = ~ordinary & HIGH_BITS;
    if (found !== 0) return (index << 2) + ((31 - Math.clz32(found & -found)) >> 3);
    index += 1;
    word = words[index] ?? 0;
  }
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= ZERO && code <= NINE;
}

function isHexDigit(code: number | undefined): boolean {
  if (code === undefined) return false;
  const lower = code | 0x20;
  return isDigit(code) || (lower >= 0x61 && lower <= LOWER_F);
}

/** Whether a backslash may be followed by this character, `u` excepted. */
function isShortEscape(code: number | undefined): boolean {
  return code !== undefined && code !== 0 && '"\\/bfnrt'.includes(String.fromCharCode(code));
}

/** One run over one text. Its methods return false after they have noted a failure. */
class JsonScan {
  readonly #bytes: Buffer;
  readonly #words: Int32Array;
  readonly #length: number;
  readonly #bounds: ScanBounds;
  /** The open containers: their place behind the base, doubled, plus 1 for arrays. */
  readonly #open: Int32Array;
  readonly #tableSizeMax: number;
  #table: Int32Array;
  /** Where the first node is in the table, and where the next one goes. */
  #base: number;
  #at: number;
  #depth = 0;
  #position = 0;
  #keyStart = 0;
  #keyEnd = 0;
  #keyFlag = 0;
  #sawEscape = false;
  #expected = "";

  constructor(source: Scratch, length: number, bounds: ScanBounds) {
    this.#bytes = source.bytes;
    this.#words = source.words;
    this.#length = length;
    this.#bounds = bounds;
    this.#open = openContainers(bounds.depthMax + 2);
    // One node more, for what lies too deep to be kept.
    this.#tableSizeMax = (bounds.nodesMax + 1) * NODE_WIDTH;
    if (slabUsed + START_SIZE > SLAB_SIZE) replaceSlab();
    this.#table = slab;
    this.#base = slabUsed;
    this.#at = slabUsed;
  }

  run(): ScanResult {
    if (!this.#scan()) return { position: this.#position, expected: this.#expected };
    if (this.#table === slab) slabUsed = this.#at;
    return { table: this.#table, base: this.#base };
  }

  #scan(): boolean {
    if (!this.#value()) return false;
    while (this.#depth > 0) {
      const code = this.#skipBlanks();
      const top = this.#open[this.#depth] ?? 0;
      const isArray = (top & 1) === 1;
      if (code === COMMA) {
        this.#position += 1;
        if (!this.#child(isArray)) return false;
      } else if (code === (isArray ? CLOSE_BRACKET : CLOSE_BRACE)) {
        this.#position += 1;
        this.#close(this.#base + (top >> 1));
      } else {
        return this.#fail(this.#position, isArray ? "',' or ']'" : "',' or '}'");
      }
    }
    this.#skipBlanks();
    return this.#position === this.#length || this.#fail(this.#position, "nothing after the value");
  }

  /** Reads the next member or element of the innermost container. */
  #child(isArray: boolean): boolean {
    const at = this.#base + ((this.#open[this.#depth] ?? 0) >> 1);
    this.#table[at + INFO] = (this.#table[at + INFO] ?? 0) + ONE_CHILD;
    if (!this.#key(isArray)) return false;
    return this.#value();
  }

  #close(at: number): void {
    this.#table[at + END] = this.#position;
    this.#table[at + NEXT] = (this.#at - this.#base) / NODE_WIDTH;
    this.#depth -= 1;
  }

  /** Reads a value up to its end, or as far as the first scalar or empty container within it. */
  #value(): boolean {
    for (;;) {
      const code = this.#skipBlanks();
      if (this.#at + 2 * NODE_WIDTH > this.#table.length && !this.#grow()) return false;
      const table = this.#table;
      const at = this.#at;
      table[at + START] = this.#position;
      table[at + KEY_START] = this.#keyStart;
      table[at + KEY_END] = this.#keyEnd;
      // What lies too deep writes into the free node at the end, and the next node overwrites it.
      if (this.#depth <= this.#bounds.unfoldDepth) this.#at = at + NODE_WIDTH;
      if (code !== OPEN_BRACE && code !== OPEN_BRACKET) return this.#scalar(code, at);
      const isArray = code === OPEN_BRACKET;
      if (!this.#descend(isArray, at)) return false;
      const info = (isArray ? ARRAY : OBJECT) | this.#keyFlag;
      table[at + INFO] = info;
      if (this.#skipBlanks() === (isArray ? CLOSE_BRACKET : CLOSE_BRACE)) return true;
      table[at + INFO] = info + ONE_CHILD;
      if (!this.#key(isArray)) return false;
    }
  }

  #descend(isArray: boolean, at: number): boolean {
    if (this.#depth === this.#bounds.depthMax) {
      return this.#fail(
        this.#position,
        `at most ${this.#bounds.depthMax} levels of arrays and objects`,
      );
    }
    this.#depth += 1;
    this.#open[this.#depth] = ((at - this.#base) << 1) | (isArray ? 1 : 0);
    this.#position += 1;
    return true;
  }

  #scalar(code: number | undefined, at: number): boolean {
    let kind: number;
    if (code === QUOTE) {
      if (!this.#string()) return false;
      kind = this.#sawEscape ? STRING | HAS_ESCAPE : STRING;
    } else if (code === MINUS || isDigit(code)) {
      if (!this.#number()) return false;
      kind = NUMBER;
    } else if (code === LOWER_T || code === LOWER_F) {
      if (!this.#word(code === LOWER_T ? "true" : "false")) return false;
      kind = BOOLEAN;
    } else if (code === LOWER_N) {
      if (!this.#word("null")) return false;
      kind = NULL;
    } else {
      return this.#fail(this.#position, "a value");
    }
    const table = this.#table;
    table[at + INFO] = kind | this.#keyFlag;
    table[at + END] = this.#position;
    table[at + NEXT] = (at - this.#base) / NODE_WIDTH + 1;
    return true;
  }

  /** Reads `"key":` within an object; within an array there is none. */
  #key(isArray: boolean): boolean {
    if (isArray) {
      this.#keyStart = 0;
      this.#keyEnd = 0;
      this.#keyFlag = 0;
      return true;
    }
    if (this.#skipBlanks() !== QUOTE) {
      return this.#fail(this.#position, "a member's name in quotes");
    }
    const start = this.#position + 1;
    if (!this.#string()) return false;
    this.#keyStart = start;
    this.#keyEnd = this.#position - 1;
    this.#keyFlag = this.#sawEscape ? KEY_HAS_ESCAPE : 0;
    if (this.#skipBlanks() !== COLON) return this.#fail(this.#position, "':'");
    this.#position += 1;
    return true;
  }

  #string(): boolean {
    this.#sawEscape = false;
    let position = this.#position + 1;
    for (;;) {
      position = plainEnd(this.#words, position);
      const code = this.#bytes[position];
      if (code === QUOTE) {
        this.#position = position + 1;
        return true;
      }
      if (code !== BACKSLASH) {
        return this.#fail(
          position,
          position < this.#length ? "it as an escape, as in \\n" : "the quote that ends the string",
        );
      }
      this.#sawEscape = true;
      if (!this.#escape(position + 1)) return false;
      position = this.#position;
    }
  }

  #escape(position: number): boolean {
    const bytes = this.#bytes;
    if (bytes[position] !== LOWER_U) {
      this.#position = position + 1;
      return isShortEscape(bytes[position]) || this.#fail(position, 'one of "\\/bfnrtu after \\');
    }
    for (let digit = 1; digit <= 4; digit += 1) {
      if (!isHexDigit(bytes[position + digit])) {
        return this.#fail(position + digit, "four hexadecimal digits after \\u");
      }
    }
    this.#position = position + 5;
    return true;
  }

  #number(): boolean {
    const bytes = this.#bytes;
    let position = this.#position;
    if (bytes[position] === MINUS) position += 1;
    const first = position;
    if (bytes[position] === ZERO) position += 1;
    else while (isDigit(bytes[position])) position += 1;
    if (position === first) return this.#fail(position, "a digit");
    this.#position = position;
    const next = bytes[position] ?? 0;
    // Integers end here: they are what most numbers are.
    if (next !== POINT && (next | 0x20) !== LOWER_E) return true;
    return this.#fraction();
  }

  #fraction(): boolean {
    const bytes = this.#bytes;
    if (bytes[this.#position] === POINT && !this.#digits(this.#position + 1)) return false;
    const position = this.#position;
    if (((bytes[position] ?? 0) | 0x20) !== LOWER_E) return true;
    const sign = bytes[position + 1];
    return this.#digits(sign === PLUS || sign === MINUS ? position + 2 : position + 1);
  }

  #digits(from: number): boolean {
    const bytes = this.#bytes;
    let position = from;
    while (isDigit(bytes[position])) position += 1;
    if (position === from) return this.#fail(position, "a digit");
    this.#position = position;
    return true;
  }

  #word(word: string): boolean {
    const start = this.#position;
    for (let index = 1; index < word.length; index += 1) {
      if (this.#bytes[start + index] !== word.charCodeAt(index)) {
        return this.#fail(start + index, word);
      }
    }
    this.#position = start + word.length;
    return true;
  }

  #skipBlanks(): number | undefined {
    const bytes = this.#bytes;
    let position = this.#position;
    let code = bytes[position];
    while (code === SPACE || code === LINE_FEED || code === CARRIAGE_RETURN || code === TAB) {
      position += 1;
      code = bytes[position];
    }
    this.#position = position;
    return code;
  }

  /** Moves the table to where it has room to go on. */
  #grow(): boolean {
    const used = this.#at - this.#base;
    if (used + NODE_WIDTH >= this.#tableSizeMax) {
      return this.#fail(this.#position, `at most ${this.#bounds.nodesMax} values in one text`);
    }
    const before = this.#table.subarray(this.#base, this.#at);
    if (used <= SLAB_SHARE_MAX) {
      replaceSlab();
      this.#table = slab;
    } else {
      this.#table = new Int32Array(Math.min(used * 4, this.#tableSizeMax));
    }
    this.#table.set(before);
    this.#base = 0;
    this.#at = used;
    return true;
  }

  #fail(position: number, expected: string): false {
    this.#position = position;
    this.#expected = expected;
    return false;
  }
}

let scratchOpen = new Int32Array(256);

function openContainers(count: number): Int32Array {
  if (count > scratchOpen.length) scratchOpen = new Int32Array(count);
  return scratchOpen;
}
