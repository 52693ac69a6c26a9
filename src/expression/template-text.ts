/** A template as parsed, whatever its form and syntax; and the parser of its plain text form. */
import type { Placeholder } from "./placeholder.ts";
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

/** Parses plain text with placeholders; `$${` is a literal `${`. */
export function parseTextTemplate(text: string): TemplateReading {
  const parts: TemplatePart[] = [];
  let position = 0;
  for (;;) {
    const found = findPlaceholder(text, position, text.length);
    pushLiteral(parts, text.slice(position, found.position));
    if (found.kind === "none") return { ok: true, parts };
    if (found.kind === "escape") {
      pushLiteral(parts, "${");
      position = found.position + ESCAPE_LENGTH;
    } else {
      const reading = readPlaceholder(text, found.position, { isInString: false });
      if (!reading.ok) return reading;
      parts.push({ kind: "slot", mode: "text", placeholder: reading.placeholder });
      position = reading.placeholder.end;
    }
  }
}

/** The length of `$${`. */
export const ESCAPE_LENGTH = 3;

export interface FoundPlaceholder {
  readonly kind: "placeholder" | "escape" | "none";
  readonly position: number;
}

/** The next `${` or `$${` in [from, to). */
export function findPlaceholder(text: string, from: number, to: number): FoundPlaceholder {
  const brace = text.indexOf("${", from);
  if (brace === -1 || brace >= to) return { kind: "none", position: to };
  if (brace > from && text[brace - 1] === "$") return { kind: "escape", position: brace - 1 };
  return { kind: "placeholder", position: brace };
}

export function pushLiteral(parts: TemplatePart[], text: string): void {
  if (text !== "") parts.push({ kind: "literal", text });
}
