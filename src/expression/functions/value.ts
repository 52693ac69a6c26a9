/** JSON values that commands may change: a tree whose numbers keep the digits they were written with. */
import type { JsonDocument, JsonNode } from "../../kernel/json.ts";
import { limits } from "../../kernel/limits.ts";
import { CommandFailure } from "./command-failure.ts";

/** A number as JSON text, such as `1.10`, `1e400` or one beyond 2^53. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A Map, because `__proto__` is a legal key. */
export type ObjectValue = Map<string, Value>;
export type Value = null | boolean | string | NumberText | Value[] | ObjectValue;

export function numberValue(number: number): NumberText {
  if (!Number.isFinite(number)) {
    throw new CommandFailure("the result is no finite number");
  }
  return new NumberText(String(number));
}

export function valueOf(document: JsonDocument, node: JsonNode): Value {
  switch (document.kind(node)) {
    case "string":
      return document.string(node);
    case "number":
      return new NumberText(document.raw(node));
    case "boolean":
      return document.raw(node) === "true";
    case "null":
      return null;
    case "array": {
      const list: Value[] = [];
      document.eachElement(node, (element) => list.push(valueOf(document, element)));
      return list;
    }
    case "object": {
      const object: ObjectValue = new Map();
      document.eachMember(node, (key, member) => object.set(key, valueOf(document, member)));
      return object;
    }
  }
}

/** A constant of a subscription, as JSON.parse has left it. */
export function constantValue(given: unknown): Value {
  if (typeof given === "number") return numberValue(given);
  if (Array.isArray(given)) return given.map(constantValue);
  if (typeof given === "object" && given !== null) {
    return new Map(Object.entries(given).map(([key, member]) => [key, constantValue(member)]));
  }
  return given as null | boolean | string;
}

export function copyOf(value: Value): Value {
  if (Array.isArray(value)) return value.map(copyOf);
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, copyOf(one)]));
  return value;
}

/** How much of a run's allowance the value takes: about its characters as JSON. */
export function sizeOf(value: Value): number {
  if (typeof value === "string") return value.length + 2;
  if (value instanceof NumberText) return value.text.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, one) => sum + sizeOf(one) + 1, 2);
  if (value instanceof Map) {
    let size = 2;
    for (const [key, one] of value) size += key.length + 4 + sizeOf(one);
    return size;
  }
  return 4;
}

export function jsonOf(value: Value, depthLeft: number = limits.jsonDepthMax): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof NumberText) return value.text;
  if (value === null || typeof value === "boolean") return String(value);
  if (depthLeft === 0) {
    throw new CommandFailure(`the data is nested more than ${limits.jsonDepthMax} deep`);
  }
  if (Array.isArray(value)) return `[${value.map((one) => jsonOf(one, depthLeft - 1)).join(",")}]`;
  const members = [...value].map(
    ([key, one]) => `${JSON.stringify(key)}:${jsonOf(one, depthLeft - 1)}`,
  );
  return `{${members.join(",")}}`;
}

/** A value where a command works on text: objects and lists are their JSON, null is no text. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  return value instanceof NumberText ? value.text : jsonOf(value);
}

/** A value where a command counts: numbers, and texts that are one. */
export function numberOf(value: Value): number {
  const text = value instanceof NumberText ? value.text : value;
  if (typeof text === "string" && NUMBER.test(text)) {
    const number = Number(text);
    if (Number.isFinite(number)) return number;
  }
  throw new CommandFailure(`${describe(value)} is no number`);
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$/;

/** A whole number where a command counts positions; also written as text. */
export function wholeNumberOf(value: Value): number {
  const number = numberOf(value);
  if (Number.isSafeInteger(number)) return number;
  throw new CommandFailure(`${describe(value)} is no whole number`);
}

const SHOWN_LENGTH_MAX = 60;

/** A value in a message: short, whatever it is. */
export function describe(value: Value): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return `an object of ${value.size} members`;
  const json = jsonOf(value);
  return json.length > SHOWN_LENGTH_MAX ? `${json.slice(0, SHOWN_LENGTH_MAX)}…` : json;
}
