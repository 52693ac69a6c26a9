/**
 * Templates that are a JSON value: a string that is exactly one placeholder becomes the value with
 * its type, any other string is text.
 */
import type { Placeholder, PlaceholderSyntax } from "./placeholder.ts";
import { readPlaceholder } from "./placeholder.ts";
import type { TextFailure } from "./position.ts";
import type { ContainerItem, TemplatePart } from "./template-text.ts";
import { findPlaceholder, parseTextTemplate, pushLiteral } from "./template-text.ts";

/** A string of a JSON value template that is wrong: where it is, its text, and what is wrong. */
export interface JsonValueFailure {
  /** The keys and indexes that lead to the string. */
  readonly steps: readonly (string | number)[];
  readonly text: string;
  readonly failure: TextFailure;
}

export type JsonValueReading =
  | { readonly ok: true; readonly parts: readonly TemplatePart[] }
  | { readonly ok: false; readonly failures: readonly JsonValueFailure[] };

/**
 * Parses a template given as a JSON value, which is no deeper than limits.jsonDepthMax. All strings
 * that are wrong are listed. Keys are templates too, as they are in a template text.
 */
export function parseJsonValueTemplate(
  value: unknown,
  syntax: PlaceholderSyntax,
): JsonValueReading {
  const failures: JsonValueFailure[] = [];
  const parts = valueParts(value, { steps: [], failures, syntax });
  return failures.length === 0 ? { ok: true, parts } : { ok: false, failures };
}

interface ValuePlace {
  readonly steps: readonly (string | number)[];
  readonly failures: JsonValueFailure[];
  readonly syntax: PlaceholderSyntax;
}

function valueParts(value: unknown, place: ValuePlace): TemplatePart[] {
  if (typeof value === "string") {
    const whole = wholePlaceholder(value, place.syntax);
    if (whole !== undefined) return [{ kind: "slot", mode: "value", placeholder: whole }];
    return stringParts(value, place);
  }
  if (typeof value !== "object" || value === null) return [numberOrWord(value, place)];
  const { steps } = place;
  const items: ContainerItem[] = [];
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) {
      items.push(valueItem([], element, { ...place, steps: [...steps, index] }));
    }
    return [{ kind: "container", open: "[", close: "]", items }];
  }
  for (const [key, member] of Object.entries(value)) {
    const memberPlace = { ...place, steps: [...steps, key] };
    const keyParts: TemplatePart[] = place.syntax.hasKeys
      ? stringParts(key, memberPlace)
      : [{ kind: "literal", text: JSON.stringify(key) }];
    pushLiteral(keyParts, ":");
    items.push(valueItem(keyParts, member, memberPlace));
  }
  return [{ kind: "container", open: "{", close: "}", items }];
}

function valueItem(
  before: readonly TemplatePart[],
  value: unknown,
  place: ValuePlace,
): ContainerItem {
  const parts = [...before, ...valueParts(value, place)];
  const whole = typeof value === "string" ? wholePlaceholder(value, place.syntax) : undefined;
  return { parts, whole };
}

function stringParts(text: string, { steps, failures, syntax }: ValuePlace): TemplatePart[] {
  const reading = parseTextTemplate(text, syntax);
  if (!reading.ok) {
    failures.push({ steps, text, failure: reading.failure });
    return [];
  }
  const parts: TemplatePart[] = [{ kind: "literal", text: '"' }];
  for (const part of reading.parts) {
    if (part.kind === "slot") parts.push({ ...part, mode: "string" });
    else if (part.kind === "literal") pushLiteral(parts, JSON.stringify(part.text).slice(1, -1));
  }
  parts.push({ kind: "literal", text: '"' });
  return parts;
}

/** Numbers have been read as doubles: those that may have lost digits are refused. */
function numberOrWord(value: unknown, { steps, failures }: ValuePlace): TemplatePart {
  if (typeof value === "number" && !(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) {
    const message = `the number ${value} has lost digits; write the template as a JSON text, which keeps them`;
    failures.push({ steps, text: String(value), failure: { position: 0, message } });
  }
  return { kind: "literal", text: JSON.stringify(value) };
}

/** A placeholder alone, with nothing around it. */
function wholePlaceholder(text: string, syntax: PlaceholderSyntax): Placeholder | undefined {
  const found = findPlaceholder(text, 0, syntax);
  if (found.kind !== "placeholder" || found.position !== 0) return undefined;
  const reading = readPlaceholder(text, 0, { syntax, isInString: false });
  return reading.ok && reading.placeholder.end === text.length ? reading.placeholder : undefined;
}
