/** What the matchers of a pattern have in common: each is a test of one scalar. */
import { isNumberText } from "../decimal.ts";
import type { ClauseCompiler } from "../dialect.ts";

/**
 * An attribute has no type that survives HTTP headers: it is compared by its canonical text, and as
 * a number or a boolean where that text is one.
 */
export type ScalarKind = "string" | "number" | "boolean" | "null" | "attribute";

/** `text` is the content of a string, else the JSON text. */
export type ScalarTest = (kind: ScalarKind, text: string) => boolean;

/** Where a matcher stands, so that refusals name it. */
export interface Place {
  readonly path: string;
  readonly compiler: ClauseCompiler;
  readonly isAttribute: boolean;
}

export function isNumber(kind: ScalarKind, text: string): boolean {
  return kind === "number" || (kind === "attribute" && isNumberText(text));
}

export function refuse(place: Place, message: string): undefined {
  return place.compiler.refuse({ path: place.path, code: "invalid_value", message });
}
