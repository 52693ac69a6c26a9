import { assert, AssertionFailed } from "./assert.ts";
import { JsonIndex, WIDE_SIZE_MIN } from "./json-index.ts";
import {
  ARRAY,
  BOOLEAN,
  COUNT_SHIFT,
  END,
  HAS_ESCAPE,
  INFO,
  KEY_END,
  KEY_HAS_ESCAPE,
  KEY_START,
  KIND_MASK,
  NEXT,
  NODE_WIDTH,
  NULL,
  NUMBER,
  OBJECT,
  scanJson,
  START,
  STRING,
} from "./json-scan.ts";
import type { ScanFailure, ScanTable } from "./json-scan.ts";
import { limits } from "./limits.ts";

/**
 * A JSON reader that keeps the text: numbers beyond 2^53, `1.10` and `1e400` stay as written, raw
 * slices can be cut out byte for byte. One pass fills a flat table of nodes; nothing is allocated
 * per value and nothing is decoded until somebody asks.
 */

/** Index of a node in its document; `missing` (-1) where a lookup found nothing. */
export type JsonNode = number;
export const missing: JsonNode = -1;

export type JsonKind = "object" | "array" | "string" | "number" | "boolean" | "null";

export interface JsonDocument {
  readonly root: JsonNode;
  readonly text: string;
  kind(node: JsonNode): JsonKind;
  /** The value of the member `key`; of repeated keys the last. `missing` if absent or no object. */
  member(node: JsonNode, key: string): JsonNode;
  /** `missing` if out of range or no array; negative indexes are out of range. */
  element(node: JsonNode, index: number): JsonNode;
  /** Members of an object or elements of an array. */
  size(node: JsonNode): number;
  /** Calls `visit` for each member in the order of the text, repeated keys included. */
  eachMember(node: JsonNode, visit: (key: string, value: JsonNode) => void): void;
  eachElement(node: JsonNode, visit: (value: JsonNode, index: number) => void): void;
  /** The raw text of the value, quotes and inner white space included. */
  raw(node: JsonNode): string;
  /** Where the raw text starts and ends, in UTF-16 units of `text`. */
  start(node: JsonNode): number;
  end(node: JsonNode): number;
  /** The decoded content of a string node. */
  string(node: JsonNode): string;
  /** Whether a string node is written with escapes: without, its content is its raw text. */
  hasEscape(node: JsonNode): boolean;
}

export interface JsonFailure {
  /** UTF-16 position of the first wrong character. */
  readonly position: number;
  /** "line 3, column 14: unexpected ']'; expected a value" */
  readonly message: string;
}

export type JsonReading =
  | { readonly ok: true; readonly document: JsonDocument }
  | { readonly ok: false; readonly failure: JsonFailure };

export interface JsonReadOptions {
  /** Deepest nesting of arrays and objects; deeper is a failure. Default limits.jsonDepthMax. */
  readonly depthMax?: number;
  /**
   * How deep values are entered in the document (the root is at depth 0); default: all. Deeper ones
   * are checked, but can be had only as the raw text of what holds them. It spares time and memory
   * where only the members of an envelope matter.
   */
  readonly unfoldDepth?: number;
}

/**
 * Reads one JSON text strictly (RFC 8259, no byte order mark). Costs no more than JSON.parse of the
 * same text and leaves one table of integers behind.
 */
export function readJson(text: string, options: JsonReadOptions = {}): JsonReading {
  const result = scanJson(text, {
    depthMax: options.depthMax ?? limits.jsonDepthMax,
    unfoldDepth: options.unfoldDepth ?? Number.MAX_SAFE_INTEGER,
    nodesMax: limits.jsonNodesMax,
  });
  if ("expected" in result) return { ok: false, failure: describeFailure(text, result) };
  return { ok: true, document: new TableDocument(text, result) };
}

function describeFailure(text: string, { position, expected }: ScanFailure): JsonFailure {
  const before = text.slice(0, position);
  const lineStart = before.lastIndexOf("\n") + 1;
  const line = before.split("\n").length;
  const found = position < text.length ? nameCharacter(text, position) : "end of the text";
  return {
    position,
    message: `line ${line}, column ${position - lineStart + 1}: unexpected ${found}; expected ${expected}`,
  };
}

function nameCharacter(text: string, position: number): string {
  const code = text.codePointAt(position) ?? 0;
  if (code === 0xfeff) return "byte order mark U+FEFF";
  if (code > 0x20 && code < 0x7f) return `'${String.fromCodePoint(code)}'`;
  return `character U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

const kinds: readonly JsonKind[] = ["object", "array", "string", "number", "boolean", "null"];
assert(
  kinds[OBJECT] === "object" &&
    kinds[ARRAY] === "array" &&
    kinds[STRING] === "string" &&
    kinds[NUMBER] === "number" &&
    kinds[BOOLEAN] === "boolean" &&
    kinds[NULL] === "null",
  "the names of the kinds are in the order of their numbers",
);

/** A document over the scanner's table: lookups step over subtrees by their NEXT. */
class TableDocument implements JsonDocument {
  readonly root = 0;
  readonly text: string;
  readonly #table: Int32Array;
  readonly #base: number;
  /** Made at the first lookup in a wide container. */
  #index: JsonIndex | undefined;
  /** The last string that had to be decoded: many filters on one event ask for the same one. */
  #decodedNode: JsonNode = missing;
  #decoded = "";

  constructor(text: string, { table, base }: ScanTable) {
    this.text = text;
    this.#table = table;
    this.#base = base;
  }

  kind(node: JsonNode): JsonKind {
    const kind = kinds[this.#at(node, INFO) & KIND_MASK];
    assert(kind !== undefined, "the node is of this document");
    return kind;
  }

  member(node: JsonNode, key: string): JsonNode {
    const info = this.#at(node, INFO);
    if ((info & KIND_MASK) !== OBJECT) return missing;
    if (info >>> COUNT_SHIFT >= WIDE_SIZE_MIN) {
      const index = this.#indexOnceWorthIt();
      if (index !== undefined) return index.member(this, node, key) ?? missing;
    }
    // The node is of this document, so all within it are: the table is read without a check.
    const table = this.#table;
    const end = this.#at(node, NEXT);
    let found = missing;
    let child = node + 1;
    while (child < end) {
      const at = this.#base + child * NODE_WIDTH;
      if (this.#hasKey(child, at, key)) found = child;
      child = table[at + NEXT] ?? end;
    }
    return found;
  }

  element(node: JsonNode, index: number): JsonNode {
    const info = this.#at(node, INFO);
    if ((info & KIND_MASK) !== ARRAY || !(index >= 0 && index < info >>> COUNT_SHIFT)) {
      return missing;
    }
    if (index >= WIDE_SIZE_MIN) {
      const wide = this.#indexOnceWorthIt();
      if (wide !== undefined) return wide.element(this, node, index) ?? missing;
    }
    const end = this.#at(node, NEXT);
    let remaining = index;
    for (let child = node + 1; child < end; child = this.#at(child, NEXT)) {
      if (remaining === 0) return child;
      remaining -= 1;
    }
    return missing;
  }

  size(node: JsonNode): number {
    return this.#at(node, INFO) >>> COUNT_SHIFT;
  }

  eachMember(node: JsonNode, visit: (key: string, value: JsonNode) => void): void {
    if ((this.#at(node, INFO) & KIND_MASK) !== OBJECT) return;
    const end = this.#at(node, NEXT);
    for (let child = node + 1; child < end; child = this.#at(child, NEXT)) {
      visit(this.#key(child), child);
    }
  }

  eachElement(node: JsonNode, visit: (value: JsonNode, index: number) => void): void {
    if ((this.#at(node, INFO) & KIND_MASK) !== ARRAY) return;
    const end = this.#at(node, NEXT);
    let index = 0;
    for (let child = node + 1; child < end; child = this.#at(child, NEXT)) {
      visit(child, index);
      index += 1;
    }
  }

  raw(node: JsonNode): string {
    return this.text.slice(this.#at(node, START), this.#at(node, END));
  }

  start(node: JsonNode): number {
    return this.#at(node, START);
  }

  end(node: JsonNode): number {
    return this.#at(node, END);
  }

  string(node: JsonNode): string {
    const info = this.#at(node, INFO);
    assert((info & KIND_MASK) === STRING, "only strings are decoded");
    if ((info & HAS_ESCAPE) !== 0) return this.#decode(node);
    return this.text.slice(this.#at(node, START) + 1, this.#at(node, END) - 1);
  }

  #decode(node: JsonNode): string {
    if (node !== this.#decodedNode) {
      this.#decoded = decodeString(this.raw(node));
      this.#decodedNode = node;
    }
    return this.#decoded;
  }

  #indexOnceWorthIt(): JsonIndex | undefined {
    this.#index ??= new JsonIndex();
    return this.#index.isWorthIt() ? this.#index : undefined;
  }

  hasEscape(node: JsonNode): boolean {
    return (this.#at(node, INFO) & HAS_ESCAPE) !== 0;
  }

  #key(node: JsonNode): string {
    const start = this.#at(node, KEY_START);
    const end = this.#at(node, KEY_END);
    if ((this.#at(node, INFO) & KEY_HAS_ESCAPE) === 0) return this.text.slice(start, end);
    return decodeString(this.text.slice(start - 1, end + 1));
  }

  #hasKey(node: JsonNode, at: number, key: string): boolean {
    const table = this.#table;
    if (((table[at + INFO] ?? 0) & KEY_HAS_ESCAPE) !== 0) return this.#key(node) === key;
    const start = table[at + KEY_START] ?? 0;
    return (table[at + KEY_END] ?? 0) - start === key.length && standsAt(this.text, start, key);
  }

  #at(node: JsonNode, field: number): number {
    const value = node < 0 ? undefined : this.#table[this.#base + node * NODE_WIDTH + field];
    if (value === undefined) return rejectNode(node);
    return value;
  }
}

/** As text.startsWith(key, start), which is a call for each key that has the right length. */
function standsAt(text: string, start: number, key: string): boolean {
  for (let index = 0; index < key.length; index += 1) {
    if (text.charCodeAt(start + index) !== key.charCodeAt(index)) return false;
  }
  return true;
}

function rejectNode(node: JsonNode): never {
  throw new AssertionFailed(`node ${node} is not of this document; compare with missing first`);
}

/** Escapes are rare enough to leave them to the platform; the scanner has checked them. */
function decodeString(raw: string): string {
  return JSON.parse(raw) as string;
}
