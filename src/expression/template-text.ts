/** A template as parsed, whatever its form and syntax; and the parser of its plain text form. */
import { readBackslash } from "./backslash.ts";
import type { Placeholder, PlaceholderSyntax } from "./placeholder.ts";
import { readPlaceholder } from "./placeholder.ts";
import type { TextFailure } from "./position.ts";

/** How a value is printed where a placeholder stands. */
export type SlotMode =
  /** In plain text: strings as they are, objects and arrays as compact JSON. */
  | "text"
  /** Inside a JSON string: as text, escaped. */
  | "string"
  /** As a JSON value, with its type. */
  | "value";

export type TemplatePart =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "slot"; readonly mode: SlotMode; readonly placeholder: Placeholder }
  /** A JSON object or array of which items can be left out when their value is missing. */
  | {
      readonly kind: "container";
      readonly open: string;
      readonly close: string;
      readonly items: readonly ContainerItem[];
    };

/** A member (with its key) or an element, without the comma that follows. */
export interface ContainerItem {
  readonly parts: readonly TemplatePart[];
  /** The placeholder that is the item's whole value, if one is. */
  readonly whole: Placeholder | undefined;
}

export type TemplateReading =
  | { readonly ok: true; readonly parts: readonly TemplatePart[] }
  | { readonly ok: false; readonly failure: TextFailure };

/** Parses plain text with placeholders. */
export function parseTextTemplate(text: string, syntax: PlaceholderSyntax): TemplateReading {
  const parts: TemplatePart[] = [];
  let position = 0;
  for (;;) {
    const found = findPlaceholder(text, position, syntax);
    pushLiteral(parts, text.slice(position, found.position));
    if (found.kind === "none") return { ok: true, parts };
    if (found.kind === "backslash") {
      const escape = readBackslash(text, found.position);
      if (!escape.ok) return escape;
      pushLiteral(parts, escape.text);
      position = escape.end;
    } else if (found.kind === "escape") {
      pushLiteral(parts, found.text);
      position = found.end;
    } else {
      const reading = readPlaceholder(text, found.position, { syntax, isInString: false });
      if (!reading.ok) return reading;
      parts.push({ kind: "slot", mode: "text", placeholder: reading.placeholder });
      position = reading.placeholder.end;
    }
  }
}

export type FoundPlaceholder =
  | { readonly kind: "placeholder" | "backslash" | "none"; readonly position: number }
  | EscapedText;

/** A text that stands for what would otherwise begin or end a placeholder. */
export interface EscapedText {
  readonly kind: "escape";
  readonly position: number;
  readonly end: number;
  readonly text: string;
}

/** The next placeholder or escape from `from` on. */
export function findPlaceholder(
  text: string,
  from: number,
  syntax: PlaceholderSyntax,
): FoundPlaceholder {
  const opening = text.indexOf(syntax.open, from);
  let nearest: FoundPlaceholder =
    opening === -1
      ? { kind: "none", position: text.length }
      : { kind: "placeholder", position: opening };
  if (syntax.hasBackslashes) {
    const position = text.indexOf("\\", from);
    return position === -1 || position > nearest.position
      ? nearest
      : { kind: "backslash", position };
  }
  for (const { written } of syntax.escapes) {
    const position = text.indexOf(written, from);
    if (position === -1 || position >= nearest.position) continue;
    nearest = escapeAt(text, position, syntax) ?? nearest;
  }
  return nearest;
}

/** The escape that begins at `position`, if one does. */
export function escapeAt(
  text: string,
  position: number,
  { escapes }: PlaceholderSyntax,
): EscapedText | undefined {
  const found = escapes.find(({ written }) => text.startsWith(written, position));
  if (found === undefined) return undefined;
  return { kind: "escape", position, end: position + found.written.length, text: found.text };
}

export function pushLiteral(parts: TemplatePart[], text: string): void {
  if (text !== "") parts.push({ kind: "literal", text });
}
