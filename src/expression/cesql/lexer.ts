/** Cuts the text of a CESQL expression into words, numbers, strings and signs. */
import type { TextFailure } from "../position.ts";

export type TokenKind = "word" | "integer" | "string" | "sign" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** Words as written, strings without quotes and escapes, signs as they stand. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type TokenReading =
  | { readonly ok: true; readonly token: Token }
  | { readonly ok: false; readonly failure: TextFailure };

const BLANKS = /[ \t\r\n]*/y;
const WORD = /[A-Za-z0-9_]+/y;
const DIGITS = /^[0-9]+$/;
const SIGN = /<=|>=|<>|!=|[()=<>,+\-*/%]/y;

/** The token that begins at or behind `position`, after blanks. */
export function readToken(text: string, position: number): TokenReading {
  const start = position + matchLength(BLANKS, text, position);
  if (start >= text.length) return accept("end", "", { start, end: start });
  const first = text[start];
  if (first === "'" || first === '"') return readString(text, start);
  const word = text.slice(start, start + matchLength(WORD, text, start));
  if (word !== "") {
    const kind = DIGITS.test(word) ? "integer" : "word";
    return accept(kind, word, { start, end: start + word.length });
  }
  const sign = text.slice(start, start + matchLength(SIGN, text, start));
  if (sign !== "") return accept("sign", sign, { start, end: start + sign.length });
  return refuse(start, adviseCharacter(text, start));
}

function matchLength(pattern: RegExp, text: string, position: number): number {
  pattern.lastIndex = position;
  return pattern.exec(text)?.[0].length ?? 0;
}

function adviseCharacter(text: string, position: number): string {
  const character = String.fromCodePoint(text.codePointAt(position) ?? 0);
  if (character === "!") return "unexpected '!'; write NOT, or != between two values";
  if (character === "&" || character === "|") return `unexpected '${character}'; write AND, OR`;
  if (character === ".") {
    return "unexpected '.'; CESQL sees attributes only, the data is compared by exact, pattern or cel";
  }
  if (character === "`") return "unexpected '`'; names stand without quotes, texts in '…' or \"…\"";
  return `unexpected character ${JSON.stringify(character)}`;
}

/** Only the quote around a string is escaped by a backslash; any other backslash stays. */
function readString(text: string, start: number): TokenReading {
  const quote = text[start] ?? "";
  let content = "";
  let position = start + 1;
  while (position < text.length) {
    const character = text[position] ?? "";
    const next = text[position + 1];
    if (character === "\\" && next !== undefined) {
      content += next === quote ? quote : character + next;
      position += 2;
    } else if (character !== quote) {
      content += character;
      position += 1;
    } else if (next === quote) {
      // The published grammar takes two quotes as part of the text and leaves both in it.
      content += quote + quote;
      position += 2;
    } else {
      return accept("string", content, { start, end: position + 1 });
    }
  }
  return refuse(start, `the text that begins here has no closing ${quote}`);
}

function accept(
  kind: TokenKind,
  text: string,
  range: { readonly start: number; readonly end: number },
): TokenReading {
  return { ok: true, token: { kind, text, ...range } };
}

function refuse(position: number, message: string): TokenReading {
  return { ok: false, failure: { position, message } };
}
