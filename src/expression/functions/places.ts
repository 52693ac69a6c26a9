import { parseDollarPath } from "../path.ts";
import type { PathStep } from "../path-step.ts";
import { limits } from "../../kernel/limits.ts";
import { CommandFailure, CommandRefusal } from "./command-failure.ts";
import type { Place, Reader, ScalarValue, Slot, Work } from "./command.ts";
import type { Value } from "./value.ts";
import { NumberText, copyOf, describe, sizeOf } from "./value.ts";

/** Where a path of a command begins. */
type Root =
  | { readonly kind: "attribute"; readonly name: string }
  | { readonly kind: "data" }
  | { readonly kind: "element" };

interface ParsedPlace {
  readonly text: string;
  readonly root: Root;
  readonly steps: readonly PathStep[];
  readonly findsMany: boolean;
}

export function isPathText(text: string): boolean {
  return text.startsWith("$.") || text === "@" || text.startsWith("@.") || text.startsWith("@[");
}

/** A place to write: one place, hence no slices and no `[*]`. */
export function compilePlace(text: string, argument: number): Place {
  const parsed = parsePlace(text.trim(), argument);
  if (parsed.findsMany) {
    throw new CommandRefusal(`${text}: a place to write has no slices and no [*]`, argument);
  }
  const negative = parsed.steps.find((step) => step.kind === "element" && step.index < 0);
  if (negative !== undefined) {
    throw new CommandRefusal(`${text}: a place to write counts from 0, not from the end`, argument);
  }
  return parsed.root.kind === "attribute"
    ? attributePlace(parsed.text, parsed.root.name)
    : treePlace(parsed);
}

/** What a path finds: a value, a list where it has slices; fails where there is nothing. */
export function compileRead(text: string, argument: number): Reader {
  const parsed = parsePlace(text.trim(), argument);
  const read = reader(parsed);
  return (work) => {
    const value = read(work);
    if (value === undefined || value === null) {
      throw new CommandFailure(`the event has no value at ${parsed.text}`);
    }
    return value;
  };
}

function reader(parsed: ParsedPlace): (work: Work) => Value | undefined {
  const { root, steps } = parsed;
  if (root.kind === "attribute") {
    return (work) => {
      const value = work.attribute(root.name);
      return value === undefined ? undefined : scalarValue(value);
    };
  }
  if (!parsed.findsMany) return (work) => walk(slotOf(work, root).get(), steps);
  return (work) => {
    const start = slotOf(work, root).get();
    const found = start === undefined ? [] : findMany([start], steps, work);
    return found.length === 0 ? undefined : found;
  };
}

function parsePlace(text: string, argument: number): ParsedPlace {
  const isElement = text.startsWith("@");
  // The element of a list is looked into as the data is; only the root differs.
  const dollar = isElement ? `$.data${text.slice(1)}` : lowerAttribute(text);
  const reading = parseDollarPath(dollar);
  if (!reading.ok) {
    const { position, message } = reading.failure;
    throw new CommandRefusal(`${text}: column ${position + 1}: ${message}`, argument);
  }
  const { root: name, steps, findsMany } = reading.path;
  if (isElement) return { text, root: { kind: "element" }, steps, findsMany };
  const root: Root = name === "data" ? { kind: "data" } : { kind: "attribute", name };
  return { text, root, steps, findsMany };
}

/** Names of attributes are lower-case; `$.Subject` can only mean `$.subject`. */
function lowerAttribute(text: string): string {
  return /^\$\.[A-Za-z0-9]+$/.test(text) ? text.toLowerCase() : text;
}

function slotOf(work: Work, root: Root): Slot {
  if (root.kind === "data") return work.data;
  if (work.element === undefined) {
    throw new CommandFailure("@ stands for the element of a list, and there is none here");
  }
  return work.element;
}

function scalarValue(value: ScalarValue): Value {
  return typeof value === "number" ? new NumberText(String(value)) : value;
}

function attributePlace(text: string, name: string): Place {
  return {
    text,
    read(work) {
      const value = work.attribute(name);
      return value === undefined ? undefined : scalarValue(value);
    },
    write: (work, value) => work.setAttribute(name, scalarOf(value, text)),
    remove: (work) => work.deleteAttribute(name),
  };
}

function scalarOf(value: Value, text: string): ScalarValue {
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof NumberText) {
    const number = Number(value.text);
    if (Number.isInteger(number) && Math.abs(number) <= INT32_MAX) return number;
  }
  throw new CommandFailure(
    `${text} is an attribute: it takes a text, true, false or a 32-bit integer, not ${describe(value)}`,
  );
}

const INT32_MAX = 2 ** 31 - 1;

function treePlace({ text, root, steps }: ParsedPlace): Place {
  return {
    text,
    read: (work) => walk(slotOf(work, root).get(), steps),
    write(work, value) {
      work.spend(sizeOf(value));
      writeAt(slotOf(work, root), steps, { value: copyOf(value), text, work });
    },
    remove: (work) => removeAt(slotOf(work, root), steps),
  };
}

function walk(start: Value | undefined, steps: readonly PathStep[]): Value | undefined {
  let value = start;
  for (const step of steps) {
    if (value === undefined) return undefined;
    value = childOf(value, step);
  }
  return value;
}

function childOf(value: Value, step: PathStep): Value | undefined {
  if (step.kind === "member") return value instanceof Map ? value.get(step.key) : undefined;
  if (step.kind === "element") return Array.isArray(value) ? value.at(step.index) : undefined;
  return undefined;
}

function findMany(start: readonly Value[], steps: readonly PathStep[], work: Work): Value[] {
  let found: readonly Value[] = start;
  for (const step of steps) {
    const next: Value[] = [];
    for (const value of found) pushChildren(value, step, next);
    work.spend(next.length);
    found = next;
  }
  return [...found];
}

function pushChildren(value: Value, step: PathStep, into: Value[]): void {
  if (step.kind === "every") {
    if (Array.isArray(value)) into.push(...value);
    else if (value instanceof Map) into.push(...value.values());
  } else if (step.kind === "slice") {
    if (Array.isArray(value)) into.push(...sliceOf(value, step));
  } else {
    const child = childOf(value, step);
    if (child !== undefined) into.push(child);
  }
}

/** As slices of paths do (path-lookup.ts): absent bounds are 0 and the length, whatever the step. */
function sliceOf(list: readonly Value[], step: Extract<PathStep, { kind: "slice" }>): Value[] {
  const { length } = list;
  const from = fromEnd(step.from ?? 0, length);
  const to = fromEnd(step.to ?? length, length);
  const isForward = step.step > 0;
  const first = isForward ? Math.max(from, 0) : Math.min(from, length - 1);
  const last = isForward ? Math.min(to, length) : to;
  const slice: Value[] = [];
  for (let index = first; isForward ? index < last : index > last; index += step.step) {
    const value = list[index];
    if (value !== undefined) slice.push(value);
  }
  return slice;
}

function fromEnd(index: number, length: number): number {
  return index < 0 ? Math.max(length + index, -1) : index;
}

interface Writing {
  readonly value: Value;
  readonly text: string;
  readonly work: Work;
}

/** Makes the parents that are missing; a list is filled up with null. */
function writeAt(root: Slot, steps: readonly PathStep[], writing: Writing): void {
  let slot = root;
  for (const step of steps) {
    const value = slot.get() ?? emptyFor(step);
    slot.set(value);
    slot = childSlot(value, step, writing);
  }
  slot.set(writing.value);
}

function emptyFor(step: PathStep): Value {
  return step.kind === "member" ? new Map<string, Value>() : [];
}

function childSlot(value: Value, step: PathStep, { text, work }: Writing): Slot {
  if (step.kind === "member" && value instanceof Map) {
    const { key } = step;
    return memberSlot(value, key);
  }
  if (step.kind === "element" && Array.isArray(value)) {
    const { index } = step;
    if (index >= limits.pipelineListLengthMax) {
      const most = `at most ${limits.pipelineListLengthMax} (pipelineListLengthMax)`;
      throw new CommandFailure(`${text}: a list takes ${most} elements`);
    }
    work.spend(Math.max(0, index - value.length));
    while (value.length < index) value.push(null);
    return elementSlot(value, index);
  }
  const wanted = step.kind === "member" ? "an object" : "a list";
  throw new CommandFailure(`${text}: expected ${wanted} on the way, not ${describe(value)}`);
}

function memberSlot(object: Map<string, Value>, key: string): Slot {
  return {
    get: () => object.get(key),
    set: (value) => object.set(key, value),
    delete: () => object.delete(key),
  };
}

export function elementSlot(list: Value[], index: number): Slot {
  return {
    get: () => list[index],
    set(value) {
      list[index] = value;
    },
    delete: () => list.splice(index, 1),
  };
}

function removeAt(root: Slot, steps: readonly PathStep[]): void {
  const last = steps.at(-1);
  if (last === undefined) {
    root.delete();
    return;
  }
  const parent = walk(root.get(), steps.slice(0, -1));
  if (parent instanceof Map && last.kind === "member") parent.delete(last.key);
  else if (Array.isArray(parent) && last.kind === "element") parent.splice(last.index, 1);
}
