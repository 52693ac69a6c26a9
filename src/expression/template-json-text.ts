/**
 * Templates that are JSON text but for placeholders, which may stand outside of quotes (the value
 * with its type) and inside strings (its text, escaped).
 */
import type { JsonDocument, JsonNode } from "../kernel/json.ts";
import { readJson } from "../kernel/json.ts";
import type { Placeholder, PlaceholderSyntax } from "./placeholder.ts";
import { readPlaceholder } from "./placeholder.ts";
import type { TextFailure } from "./position.ts";
import type { ContainerItem, SlotMode, TemplatePart, TemplateReading } from "./template-text.ts";
import { escapeAt, pushLiteral } from "./template-text.ts";

/** Parses a JSON text with placeholders; white space is kept. */
export function parseJsonTextTemplate(text: string, syntax: PlaceholderSyntax): TemplateReading {
  const scan = scanJsonText(text, syntax);
  if (!scan.ok) return scan;
  const reading = readJson(scan.padded);
  if (!reading.ok) {
    const { position, message } = reading.failure;
    const reason = message.slice(message.indexOf(": ") + 2);
    return {
      ok: false,
      failure: { position, message: `the template is not valid JSON: ${reason}` },
    };
  }
  return { ok: true, parts: new JsonTextParts(text, scan.marks, reading.document).all() };
}

/** Something in the template that is not copied: a placeholder, or an escaped `${`. */
interface Mark {
  readonly start: number;
  readonly end: number;
  readonly part: TemplatePart;
}

type JsonTextScan =
  | { readonly ok: true; readonly marks: readonly Mark[]; readonly padded: string }
  | { readonly ok: false; readonly failure: TextFailure };

/**
 * Finds the placeholders and makes the text that must be JSON: typed ones become `null`, those in
 * strings blanks, each as long as it was, so that positions in errors are right.
 */
function scanJsonText(text: string, syntax: PlaceholderSyntax): JsonTextScan {
  const marks: Mark[] = [];
  let padded = "";
  let copied = 0;
  let position = 0;
  const replace = (mark: Mark, substitute: string): void => {
    marks.push(mark);
    padded += text.slice(copied, mark.start) + substitute.padEnd(mark.end - mark.start);
    copied = mark.end;
    position = mark.end;
  };
  while (position < text.length) {
    if (text[position] === '"') {
      const keyEnd = syntax.hasKeys ? -1 : endOfKey(text, position);
      if (keyEnd !== -1) {
        position = keyEnd;
        continue;
      }
      const string = scanString(text, position, syntax);
      if (!string.ok) return string;
      for (const mark of string.marks) replace(mark, "");
      position = string.end;
    } else if (text.startsWith(syntax.open, position)) {
      const reading = readPlaceholder(text, position, { syntax, isInString: false });
      if (!reading.ok) return reading;
      replace(placeholderMark(reading.placeholder, "value"), "null");
    } else position += 1;
  }
  return { ok: true, marks, padded: padded + text.slice(copied) };
}

const STRING_AND_COLON = /"(?:[^"\\]|\\.)*"(?=\s*:)/sy;

/** Where the key that begins at `start` ends; -1 when the string there is none. */
function endOfKey(text: string, start: number): number {
  STRING_AND_COLON.lastIndex = start;
  return STRING_AND_COLON.test(text) ? STRING_AND_COLON.lastIndex : -1;
}

type StringScan =
  | { readonly ok: true; readonly marks: readonly Mark[]; readonly end: number }
  | { readonly ok: false; readonly failure: TextFailure };

/** Finds the placeholders of the string that begins at `start`, and where it ends. */
function scanString(text: string, start: number, syntax: PlaceholderSyntax): StringScan {
  const marks: Mark[] = [];
  let position = start + 1;
  while (position < text.length && text[position] !== '"') {
    const escape = escapeAt(text, position, syntax);
    if (escape !== undefined) {
      const { end } = escape;
      marks.push({ start: position, end, part: { kind: "literal", text: escape.text } });
      position = end;
    } else if (text[position] === "\\") position += 2;
    else if (text.startsWith(syntax.open, position)) {
      const reading = readPlaceholder(text, position, { syntax, isInString: true });
      if (!reading.ok) return reading;
      marks.push(placeholderMark(reading.placeholder, "string"));
      position = reading.placeholder.end;
    } else position += 1;
  }
  return { ok: true, marks, end: position + 1 };
}

function placeholderMark(placeholder: Placeholder, mode: SlotMode): Mark {
  const { start, end } = placeholder;
  return { start, end, part: { kind: "slot", mode, placeholder } };
}

/** Cuts the text into parts along the structure of the JSON that it will make. */
class JsonTextParts {
  readonly #text: string;
  readonly #marks: readonly Mark[];
  readonly #document: JsonDocument;
  /** The placeholders that are whole values, by where they begin. */
  readonly #wholes: ReadonlyMap<number, Placeholder>;
  #nextMark = 0;

  constructor(text: string, marks: readonly Mark[], document: JsonDocument) {
    this.#text = text;
    this.#marks = marks;
    this.#document = document;
    const wholes = new Map<number, Placeholder>();
    for (const { start, part } of marks) {
      if (part.kind === "slot" && part.mode === "value") wholes.set(start, part.placeholder);
    }
    this.#wholes = wholes;
  }

  all(): TemplatePart[] {
    const { root } = this.#document;
    return [
      ...this.#range(0, this.#document.start(root)),
      ...this.#value(root),
      ...this.#range(this.#end(root), this.#text.length),
    ];
  }

  /** Parts are asked for from left to right, so that each mark is met once. */
  #value(node: JsonNode): TemplatePart[] {
    const kind = this.#document.kind(node);
    if (kind !== "object" && kind !== "array") {
      return this.#range(this.#document.start(node), this.#end(node));
    }
    const children = this.#children(node);
    const start = this.#document.start(node) + 1;
    const end = this.#end(node) - 1;
    if (children.length === 0) return this.#range(start - 1, end + 1);
    return [this.#container(children, start, end)];
  }

  #children(node: JsonNode): readonly JsonNode[] {
    const children: JsonNode[] = [];
    this.#document.eachMember(node, (_key, value) => children.push(value));
    this.#document.eachElement(node, (value) => children.push(value));
    return children;
  }

  #container(children: readonly JsonNode[], start: number, end: number): TemplatePart {
    const items: ContainerItem[] = [];
    let from = start;
    for (const [index, child] of children.entries()) {
      const valueEnd = this.#end(child);
      const isLast = index === children.length - 1;
      // Only blanks lie between a value and its comma.
      const to = isLast ? end : this.#text.indexOf(",", valueEnd);
      const valueStart = this.#document.start(child);
      const before = this.#range(from, valueStart);
      const parts = [...before, ...this.#value(child), ...this.#range(valueEnd, to)];
      items.push({ parts, whole: this.#wholes.get(valueStart) });
      from = to + 1;
    }
    const [open = "", close = ""] = [this.#text[start - 1], this.#text[end]];
    return { kind: "container", open, close, items };
  }

  /** The end of a value; a typed placeholder is longer than the null that stands for it. */
  #end(node: JsonNode): number {
    return this.#wholes.get(this.#document.start(node))?.end ?? this.#document.end(node);
  }

  /** The parts of [from, to), which cuts through no mark. */
  #range(from: number, to: number): TemplatePart[] {
    const parts: TemplatePart[] = [];
    let position = from;
    for (;;) {
      const mark = this.#marks[this.#nextMark];
      if (mark === undefined || mark.start >= to) break;
      pushLiteral(parts, this.#text.slice(position, mark.start));
      parts.push(mark.part);
      position = mark.end;
      this.#nextMark += 1;
    }
    pushLiteral(parts, this.#text.slice(position, to));
    return parts;
  }
}
