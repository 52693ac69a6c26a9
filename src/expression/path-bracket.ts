/** The steps of a path that are written in brackets: `[0]`, `["odd key"]`, `[1:3]`, `[*]`. */
import type { PathForm, PathStep, StepReading } from "./path-step.ts";

const CLOSED_STEP = /\[([^\]"']*)\]/y;
const INDEX = /^-?(?:0|[1-9][0-9]{0,14})$/;

/** Reads the step that begins with the `[` at `start`. */
export function readBracket(text: string, start: number, form: PathForm): StepReading {
  const first = text[start + 1];
  if (first === '"' || first === "'") return readQuotedKey(text, start, form);
  CLOSED_STEP.lastIndex = start;
  const inner = CLOSED_STEP.exec(text)?.[1];
  if (inner === undefined) return adviseBracket(text, start, form);
  const end = start + inner.length + 2;
  const step = form === "plain" ? plainStep(inner) : dollarStep(inner);
  if (typeof step !== "string") return { ok: true, step, end };
  return refuse(start + 1, step);
}

function adviseBracket(text: string, start: number, form: PathForm): StepReading {
  if (text[start + 1] === "?") return refuse(start + 1, NO_FILTERS);
  const isOpen = !text.includes("]", start);
  return refuse(start, isOpen ? "the '[' is not closed by ']'" : expected(form));
}

const NO_FILTERS = "filter expressions '[?…]' are not supported";

function expected(form: PathForm): string {
  const plain = 'expected an index or a key in double quotes, as in [0] or ["odd key"]';
  return form === "plain" ? plain : `${plain}, or [1:3] or [*]`;
}

/** The step, or what is wrong with it. */
function plainStep(inner: string): PathStep | string {
  if (inner === "*" || inner.includes(":")) {
    return "slices and [*] work in transformers only; a filter compares one value, as in [0]";
  }
  if (!INDEX.test(inner)) return inner.startsWith("?") ? NO_FILTERS : expected("plain");
  const index = Number(inner);
  if (index < 0 || inner === "-0") return "an index counts from the start: 0, 1, 2 …";
  return { kind: "element", index };
}

function dollarStep(inner: string): PathStep | string {
  if (inner === "*") return { kind: "every" };
  if (inner.includes(":")) return sliceStep(inner);
  if (INDEX.test(inner)) return { kind: "element", index: Number(inner) };
  if (inner.startsWith("?") || inner.startsWith("(")) return NO_FILTERS;
  if (inner.includes(",")) return "one step names one thing; lists as in [0,1] are not supported";
  return expected("dollar");
}

function sliceStep(inner: string): PathStep | string {
  const parts = inner.split(":");
  const areNumbers = parts.every((part) => part === "" || INDEX.test(part));
  if (parts.length > 3 || !areNumbers) return "a slice is [from:to] or [from:to:step] of integers";
  const [from, to, step] = parts.map((part) => (part === "" ? undefined : Number(part)));
  if (step === 0) return "the step of a slice cannot be 0";
  return { kind: "slice", from, to, step: step ?? 1 };
}

/**
 * A key in quotes, with the escapes of JSON; in single quotes also `\'`. The key is brought into
 * the form of a JSON string and then decoded by the platform.
 */
function readQuotedKey(text: string, start: number, form: PathForm): StepReading {
  const quote = text[start + 1];
  if (quote === "'" && form === "plain") {
    return refuse(start + 1, 'write the key in double quotes, as in data["odd key"]');
  }
  let json = '"';
  let position = start + 2;
  for (; position < text.length && text[position] !== quote; position += 1) {
    const character = text[position] ?? "";
    if (character === "\\") {
      position += 1;
      const escaped = text[position] ?? "";
      json += escaped === "'" && quote === "'" ? "'" : `\\${escaped}`;
    } else {
      json += character === '"' ? '\\"' : character;
    }
  }
  if (position >= text.length) return refuse(start + 1, "the quoted key has no closing quote");
  if (text[position + 1] !== "]") return refuse(position + 1, "expected ']' after the quoted key");
  const key = decodeKey(`${json}"`);
  if (key === undefined) return refuse(start + 1, "the quoted key is no valid JSON string");
  return { ok: true, step: { kind: "member", key }, end: position + 2 };
}

function decodeKey(json: string): string | undefined {
  try {
    return JSON.parse(json) as string;
  } catch {
    // Only a wrong escape or a control character gets here, and the caller says so.
    return undefined;
  }
}

function refuse(position: number, message: string): StepReading {
  return { ok: false, failure: { position, message } };
}
