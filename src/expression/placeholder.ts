/** `${name}` and `${$.data.path}`: what stands between the braces, and where it ends. */
import type { Path } from "./path.ts";
import { parseDollarPath } from "./path.ts";
import type { TextFailure } from "./position.ts";

/** What a placeholder refers to. Other syntaxes may refer to the same in other ways. */
export type Reference =
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "path"; readonly path: Path };

export interface Placeholder {
  readonly kind: "placeholder";
  readonly reference: Reference;
  /** As written, `${sender}`: for messages. */
  readonly text: string;
  /** Where it stands in the template: `end` is the position after it. */
  readonly start: number;
  readonly end: number;
}

export type PlaceholderReading =
  | { readonly ok: true; readonly placeholder: Placeholder }
  | { readonly ok: false; readonly failure: TextFailure };

/** Unicode letters, decimal digits, `_` and `-`. */
const VARIABLE_NAME = /^[\p{L}\p{Nd}_-]+$/u;

export function isVariableName(name: string): boolean {
  return VARIABLE_NAME.test(name);
}

/** How a template writes placeholders, and the texts that would begin or end one but do not. */
export interface PlaceholderSyntax {
  readonly open: string;
  readonly close: string;
  /** What is written, and the text that it stands for. */
  readonly escapes: readonly { readonly written: string; readonly text: string }[];
  /** In plain text a backslash begins an escape as in Go, and one that is unknown is refused. */
  readonly hasBackslashes: boolean;
  /** Whether the keys of JSON objects are templates too. */
  readonly hasKeys: boolean;
  /** In a JSON string the path inside is written with the string's own escapes. */
  readonly isEscapedInString: boolean;
  readonly example: string;
}

export const dollarSyntax: PlaceholderSyntax = {
  open: "${",
  close: "}",
  escapes: [{ written: "$${", text: "${" }],
  hasBackslashes: false,
  hasKeys: true,
  isEscapedInString: true,
  example: "${sender} or ${$.data.sender.login}",
};

/** As those who come from Vanus write it. */
export const angleSyntax: PlaceholderSyntax = {
  open: "<",
  close: ">",
  escapes: [
    { written: "\\<", text: "<" },
    { written: "\\>", text: ">" },
  ],
  hasBackslashes: true,
  hasKeys: false,
  isEscapedInString: false,
  example: "<sender> or <$.data.sender.login>",
};

export interface PlaceholderOptions {
  readonly syntax: PlaceholderSyntax;
  /** Inside a JSON string: escapes are decoded, and a quote ends the string. */
  readonly isInString: boolean;
}

/** Reads the placeholder that begins at `start`. */
export function readPlaceholder(
  text: string,
  start: number,
  { syntax, isInString }: PlaceholderOptions,
): PlaceholderReading {
  const { open, close } = syntax;
  const isEscaped = isInString && syntax.isEscapedInString;
  const from = start + open.length;
  const inner = isEscaped ? readEscapedInner(text, from, close) : readInner(text, from, close);
  if (inner === undefined) {
    return refuse(start, `the '${open}' is not closed by '${close}'; ${adviseLiteral(syntax)}`);
  }
  const { content, positions, end } = inner;
  const place = { kind: "placeholder", text: text.slice(start, end), start, end } as const;
  if (content.startsWith("$")) {
    const reading = parseDollarPath(content);
    if (reading.ok) {
      return {
        ok: true,
        placeholder: { ...place, reference: { kind: "path", path: reading.path } },
      };
    }
    const { position, message } = reading.failure;
    return refuse(positions[position] ?? end - 1, message);
  }
  if (isVariableName(content)) {
    return { ok: true, placeholder: { ...place, reference: { kind: "variable", name: content } } };
  }
  return refuse(start, adviseName(content, syntax));
}

function adviseLiteral({ open, escapes }: PlaceholderSyntax): string {
  return `a literal '${open}' is written '${escapes[0]?.written ?? ""}'`;
}

function adviseName(content: string, syntax: PlaceholderSyntax): string {
  const ways = `write a defined name or a path, as in ${syntax.example}`;
  if (content.trim() === "") return `the placeholder is empty; ${ways}`;
  const shown = content.length > 40 ? `${content.slice(0, 40)}…` : content;
  return `'${shown}' is no name: names consist of letters, digits, _ and -; ${ways}; ${adviseLiteral(syntax)}`;
}

interface Inner {
  readonly content: string;
  /** For each unit of `content` its position in the template. */
  readonly positions: readonly number[];
  readonly end: number;
}

/** Finds the closing bracket outside of quoted keys; the content ends before it. */
class CloseFinder {
  readonly #close: string;
  #quote: string | undefined;
  #isEscaped = false;

  constructor(close: string) {
    this.#close = close;
  }

  /** Whether `character` is the closing one. */
  isClosing(character: string): boolean {
    if (this.#quote === undefined) {
      if (character === '"' || character === "'") this.#quote = character;
      return character === this.#close;
    }
    if (this.#isEscaped) this.#isEscaped = false;
    else if (character === "\\") this.#isEscaped = true;
    else if (character === this.#quote) this.#quote = undefined;
    return false;
  }
}

function readInner(text: string, from: number, close: string): Inner | undefined {
  const finder = new CloseFinder(close);
  const positions: number[] = [];
  for (let position = from; position < text.length; position += 1) {
    if (finder.isClosing(text[position] ?? "")) {
      return { content: text.slice(from, position), positions, end: position + 1 };
    }
    positions.push(position);
  }
  return undefined;
}

const JSON_ESCAPE = /\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})/y;

/** As readInner, on the decoded text: in a JSON string a quote of a key is written `\"`. */
function readEscapedInner(text: string, from: number, close: string): Inner | undefined {
  const finder = new CloseFinder(close);
  const positions: number[] = [];
  let content = "";
  let position = from;
  while (position < text.length && text[position] !== '"') {
    JSON_ESCAPE.lastIndex = position;
    const escape = JSON_ESCAPE.exec(text)?.[0];
    const decoded = escape === undefined ? text[position] : (JSON.parse(`"${escape}"`) as string);
    const end = position + (escape?.length ?? 1);
    if (finder.isClosing(decoded ?? "")) return { content, positions, end };
    content += decoded;
    positions.push(position);
    position = end;
  }
  return undefined;
}

function refuse(position: number, message: string): PlaceholderReading {
  return { ok: false, failure: { position, message } };
}
