import { createHash } from "node:crypto";

import { compileLookup, parsePlainPath } from "../../expression/path.ts";
import { assert } from "../../kernel/assert.ts";
import type { JsonDocument, JsonNode } from "../../kernel/json.ts";
import { missing } from "../../kernel/json.ts";
import type { Random } from "../../kernel/random.ts";
import type { WebhookRequest } from "../source.ts";
import type { Rule } from "./webhook-definition.ts";

/** What templates of a definition can look into. */
export interface TemplateInput {
  readonly request: WebhookRequest;
  /** Undefined while the body has not been read. */
  readonly document: JsonDocument | undefined;
  readonly random: Random;
}

/** The text for a request, or undefined when a value it needs is absent or empty. */
export type Template = (input: TemplateInput) => string | undefined;

/** A part of a template. The parts of a bracket are absent together. */
type Part = string | Template;

/** Compiles a template; a mistake in it is one of its author, so it throws. */
export function compileTemplate(text: string): Template {
  const { parts, end } = readParts(text, 0, "");
  assert(end === text.length, `'${text}' has an unmatched ']'`);
  return joinParts(parts);
}

export function compileRule(rule: Rule | undefined): readonly Template[] {
  if (rule === undefined) return [];
  return (typeof rule === "string" ? [rule] : rule).map(compileTemplate);
}

/** The first of the templates for which every value is present. */
export function firstPresent(
  templates: readonly Template[],
  input: TemplateInput,
): string | undefined {
  for (const template of templates) {
    const text = template(input);
    if (text !== undefined && text !== "") return text;
  }
  return undefined;
}

function readParts(
  text: string,
  start: number,
  closing: "" | "]",
): { readonly parts: readonly Part[]; readonly end: number } {
  const parts: Part[] = [];
  let position = start;
  while (position < text.length && text[position] !== "]") {
    if (text[position] === "{") {
      const end = text.indexOf("}", position);
      assert(end !== -1, `'${text}' has a '{' without '}'`);
      parts.push(compilePlaceholder(text.slice(position + 1, end)));
      position = end + 1;
    } else if (text[position] === "[") {
      const inner = readParts(text, position + 1, "]");
      const optional = joinParts(inner.parts);
      parts.push((input) => optional(input) ?? "");
      position = inner.end + 1;
    } else {
      const [literal = ""] = /[^{[\]]+/.exec(text.slice(position)) ?? [];
      parts.push(literal);
      position += literal.length;
    }
  }
  assert(closing === "" || text[position] === closing, `'${text}' has a '[' without ']'`);
  return { parts, end: position };
}

function joinParts(parts: readonly Part[]): Template {
  return (input) => {
    let text = "";
    for (const part of parts) {
      const piece = typeof part === "string" ? part : part(input);
      if (piece === undefined) return undefined;
      text += piece;
    }
    return text;
  };
}

const changes: Readonly<Record<string, (text: string) => string>> = {
  lower: (text) => text.toLowerCase(),
  snake: (text) => text.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|[ -]/g, "_").toLowerCase(),
  dots: (text) => text.replaceAll(/[:/]/g, "."),
  /** A URL without its last segment. */
  parent: (text) => text.slice(0, Math.max(0, text.lastIndexOf("/"))),
  sha256: (text) => createHash("sha256").update(text).digest("hex"),
};

function compilePlaceholder(text: string): Template {
  const [root = "", ...names] = text.split("|");
  const value = compileRoot(root);
  const steps = names.map((name) => {
    const change = Object.hasOwn(changes, name) ? changes[name] : undefined;
    assert(change !== undefined, `'{${text}}': unknown change '${name}'`);
    return change;
  });
  return (input) => {
    const found = value(input);
    if (found === undefined || found === "") return undefined;
    return steps.reduce((changed, step) => step(changed), found);
  };
}

function compileRoot(root: string): Template {
  if (root === "uuid") return ({ random }) => random.id();
  // latin1 gives every byte a character of its own, so that digests tell any two bodies apart.
  if (root === "body") return ({ request }) => Buffer.from(request.body).toString("latin1");
  const name = root.slice(2);
  if (root.startsWith("h:")) return ({ request }) => request.headers.get(name);
  if (root.startsWith("q:")) return ({ request }) => request.query.get(name);
  assert(root.startsWith("$."), `'{${root}}' begins with none of $., h:, q:, body, uuid`);
  const reading = parsePlainPath(`data${root.slice(1)}`);
  assert(reading.ok && !reading.path.findsMany, `'{${root}}' is no path to one value`);
  const lookup = compileLookup(reading.path.steps);
  return ({ document }) =>
    document === undefined ? undefined : scalarText(document, lookup(document));
}

/** Strings, numbers as written, booleans; null, objects and lists are absent. */
function scalarText(document: JsonDocument, node: JsonNode): string | undefined {
  if (node === missing) return undefined;
  switch (document.kind(node)) {
    case "string":
      return document.string(node);
    case "number":
    case "boolean":
      return document.raw(node);
    default:
      return undefined;
  }
}
