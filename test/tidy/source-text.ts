/**
 * Splits TypeScript into code and comments without a parser: the compiler of this project has no
 * JavaScript API. What is blanked becomes spaces, so that every index and line number stays.
 */
export interface SourceText {
  /** The text with comments blanked. */
  readonly withoutComments: string;
  /** The text with comments and the insides of strings, templates and regular expressions blanked. */
  readonly code: string;
  readonly comments: readonly Comment[];
}

export interface Comment {
  readonly line: number;
  readonly text: string;
}

type Kind = "code" | "comment" | "literal";

interface Span {
  readonly kind: Kind;
  readonly start: number;
  readonly end: number;
}

export function splitSource(text: string): SourceText {
  const spans = scan(text);
  const comments: Comment[] = [];
  let withoutComments = "";
  let code = "";
  for (const span of spans) {
    const part = text.slice(span.start, span.end);
    if (span.kind === "comment") {
      comments.push({ line: lineOf(text, span.start), text: part });
    }
    withoutComments += span.kind === "comment" ? blank(part) : part;
    code += span.kind === "code" ? part : blank(part);
  }
  return { withoutComments, code, comments };
}

export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function blank(part: string): string {
  return part.replace(/[^\n]/g, " ");
}

function scan(text: string): Span[] {
  const spans: Span[] = [];
  // The brace depths at which a template's `${` was opened: its `}` leads back into the template.
  const templateDepths: number[] = [];
  let depth = 0;
  let codeStart = 0;
  let index = 0;
  const take = (kind: Kind, start: number, end: number) => {
    if (start > codeStart) spans.push({ kind: "code", start: codeStart, end: start });
    spans.push({ kind, start, end });
    codeStart = end;
    index = end;
  };
  while (index < text.length) {
    const character = text.charAt(index);
    if (text.startsWith("//", index)) {
      take("comment", index, indexAfter(text, "\n", index) - 1);
    } else if (text.startsWith("/*", index)) {
      take("comment", index, indexAfter(text, "*/", index + 2));
    } else if (character === '"' || character === "'") {
      take("literal", index + 1, quotedEnd(text, index));
      index += 1;
    } else if (character === "/" && startsRegex(text, index)) {
      take("literal", index + 1, regexEnd(text, index));
    } else if (character === "`" || (character === "}" && templateDepths.at(-1) === depth)) {
      if (character === "}") templateDepths.pop();
      const end = templateEnd(text, index);
      take("literal", index + 1, end);
      if (text.startsWith("${", end)) {
        templateDepths.push(depth);
        index = end + 2;
      } else {
        index = end + 1;
      }
    } else {
      if (character === "{") depth += 1;
      else if (character === "}") depth -= 1;
      index += 1;
    }
  }
  if (codeStart < text.length) spans.push({ kind: "code", start: codeStart, end: text.length });
  return spans;
}

function indexAfter(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from);
  return found === -1 ? text.length + (mark === "\n" ? 1 : 0) : found + mark.length;
}

/** The index of the closing quote. */
function quotedEnd(text: string, open: number): number {
  const quote = text.charAt(open);
  let index = open + 1;
  while (index < text.length && text[index] !== quote && text[index] !== "\n") {
    index += text[index] === "\\" ? 2 : 1;
  }
  return Math.min(index, text.length);
}

/** The index of the closing backtick or of the next `${`. */
function templateEnd(text: string, open: number): number {
  let index = open + 1;
  while (index < text.length && text[index] !== "`" && !text.startsWith("${", index)) {
    index += text[index] === "\\" ? 2 : 1;
  }
  return Math.min(index, text.length);
}

/** The index after the closing slash. */
function regexEnd(text: string, open: number): number {
  let index = open + 1;
  let isInClass = false;
  while (index < text.length && text[index] !== "\n") {
    const character = text[index];
    if (character === "/" && !isInClass) return index + 1;
    if (character === "[") isInClass = true;
    else if (character === "]") isInClass = false;
    index += character === "\\" ? 2 : 1;
  }
  return Math.min(index, text.length);
}

/** A slash divides after a value and opens a regular expression everywhere else. */
function startsRegex(text: string, slash: number): boolean {
  const before = text.slice(Math.max(0, slash - 40), slash).trimEnd();
  if (/(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|await|yield|void|throw)$/.test(before)) {
    return true;
  }
  return !/[\w$)\]}"'`]$/.test(before);
}
