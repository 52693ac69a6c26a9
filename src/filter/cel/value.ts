/** The values of CEL as this broker knows them, and what CEL says of any two of them. */
import type { JsonDocument, JsonNode } from "../../kernel/json.ts";

/** An integer without sign, as `10u` makes it; its own type in CEL. */
export class Uint {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }
}

/** An object or array of the data: looked into where it stands, never copied. */
export class JsonRef {
  readonly document: JsonDocument;
  readonly node: JsonNode;

  constructor(document: JsonDocument, node: JsonNode) {
    this.document = document;
    this.node = node;
  }
}

/** The event as a map: its attributes, and `data`. */
export const eventValue: unique symbol = Symbol("event");

export type CelNumber = bigint | number | Uint;
export type CelValue =
  | null
  | boolean
  | string
  | CelNumber
  | readonly CelValue[]
  | JsonRef
  | typeof eventValue;

export const INT_MIN: bigint = -(2n ** 63n);
export const INT_MAX: bigint = 2n ** 63n - 1n;
export const UINT_MAX: bigint = 2n ** 64n - 1n;

const INTEGER = /^-?[0-9]{1,19}$/;

/** A number of the data: an int where it is written as one and fits 64 bits, else a double. */
export function numberOf(text: string): bigint | number {
  if (!INTEGER.test(text)) return Number(text);
  const value = BigInt(text);
  return value >= INT_MIN && value <= INT_MAX ? value : Number(text);
}

/** The JSON value at a node; strings are decoded, objects and arrays stay where they are. */
export function valueOfNode(document: JsonDocument, node: JsonNode): CelValue {
  switch (document.kind(node)) {
    case "string":
      return document.string(node);
    case "number":
      return numberOf(document.raw(node));
    case "boolean":
      return document.raw(node) === "true";
    case "null":
      return null;
    case "object":
    case "array":
      return new JsonRef(document, node);
  }
}

export function isNumber(value: CelValue): value is CelNumber {
  return typeof value === "bigint" || typeof value === "number" || value instanceof Uint;
}

/** Numbers of different types compare by value, and bigint with double exactly. */
export function plainNumber(value: CelNumber): bigint | number {
  return value instanceof Uint ? value.value : value;
}

/** A list as something with a size and elements, wherever it lives. */
export interface ListView {
  readonly size: number;
  at(index: number): CelValue;
}

export function listOf(value: CelValue): ListView | undefined {
  if (Array.isArray(value)) {
    const items = value as readonly CelValue[];
    return { size: items.length, at: (index) => items[index] ?? null };
  }
  if (!(value instanceof JsonRef)) return undefined;
  const { document, node } = value;
  if (document.kind(node) !== "array") return undefined;
  return {
    size: document.size(node),
    at: (index) => valueOfNode(document, document.element(node, index)),
  };
}

export function isMap(value: CelValue): boolean {
  if (value === eventValue) return true;
  return value instanceof JsonRef && value.document.kind(value.node) === "object";
}

export function nameType(value: CelValue): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return "a bool";
  if (typeof value === "string") return "a string";
  if (typeof value === "bigint") return "an int";
  if (typeof value === "number") return "a double";
  if (value instanceof Uint) return "a uint";
  return isMap(value) ? "a map" : "a list";
}

/** By code points, as CEL orders texts; UTF-16 would put U+10000 before U+E000. */
export function compareTexts(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a !== b) return liftSurrogate(a) - liftSurrogate(b);
  }
  return left.length - right.length;
}

function liftSurrogate(code: number): number {
  return code >= 0xd800 && code <= 0xdfff ? code + 0x10000 : code;
}
