/** Escapes in plain text of the angle syntax, as Go writes them. */
import type { TextFailure } from "./position.ts";

export type EscapeReading =
  | { readonly ok: true; readonly text: string; readonly end: number }
  | { readonly ok: false; readonly failure: TextFailure };

const simple: ReadonlyMap<string, string> = new Map([
  ["a", "\u0007"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
  ["\\", "\\"],
  ["'", "'"],
  ['"', '"'],
  ["<", "<"],
  [">", ">"],
]);

const NUMBERED = /\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([0-3][0-7]{2}))/y;

/** Reads the escape that begins with the backslash at `position`. */
export function readBackslash(text: string, position: number): EscapeReading {
  const character = simple.get(text[position + 1] ?? "");
  if (character !== undefined) return { ok: true, text: character, end: position + 2 };
  NUMBERED.lastIndex = position;
  const found = NUMBERED.exec(text);
  const [whole = "", ...groups] = found ?? [];
  const digits = groups.find((group) => group !== undefined);
  const code = Number.parseInt(digits ?? "", groups[3] === undefined ? 16 : 8);
  if (found !== null && code <= 0x10_ff_ff) {
    return { ok: true, text: String.fromCodePoint(code), end: position + whole.length };
  }
  const message =
    "unknown escape; known: \\n \\r \\t \\\\ \\< \\> \\\" \\' and \\u0000; a backslash is written \\\\";
  return { ok: false, failure: { position, message } };
}
