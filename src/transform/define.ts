import { parseDollarPath } from "../expression/path.ts";
import { isVariableName } from "../expression/template.ts";
import { limits } from "../kernel/limits.ts";
import { isObject, isWithinDepth, memberPath, nameKind } from "../kernel/unchecked.ts";
import type { EventPrinter } from "./printers.ts";
import { constantPrinter, definitionPrinter } from "./printers.ts";
import type { Problems } from "./problems.ts";

/** The defined variables by name. A Map, because `constructor` is a legal name. */
export type Definitions = ReadonlyMap<string, EventPrinter>;

/** Compiles `define`: a string that begins with `$.` is a path, anything else a constant. */
export function compileDefine(define: unknown, problems: Problems): Definitions {
  const definitions = new Map<string, EventPrinter>();
  const path = "transformer.define";
  if (define === undefined) return definitions;
  if (!isObject(define)) {
    const message = `expected an object of names and values, not ${nameKind(define)}`;
    problems.add({ path, code: "invalid_value", message });
    return definitions;
  }
  const entries = Object.entries(define);
  if (entries.length > limits.definitionsMax) {
    const message = `${entries.length} definitions are too many; at most ${limits.definitionsMax}`;
    problems.add({ path, code: "too_large", message });
    return definitions;
  }
  for (const [name, value] of entries) {
    definitions.set(name, compileDefinition(name, value, problems));
  }
  return definitions;
}

/** Refused definitions are entered all the same, so that their uses are not reported as well. */
function compileDefinition(name: string, value: unknown, problems: Problems): EventPrinter {
  const path = memberPath("transformer.define", name);
  if (!isVariableName(name)) {
    const message = "a name consists of letters, digits, _ and -; other names cannot be inserted";
    problems.add({ path, code: "invalid_value", message });
  }
  if (typeof value === "string" && value.startsWith("$.")) {
    const reading = parseDollarPath(value);
    if (reading.ok) return definitionPrinter(reading.path);
    const { position, message } = reading.failure;
    problems.add({ path, code: "invalid_path", message: `column ${position + 1}: ${message}` });
    return constantPrinter(null);
  }
  const complaint = complainOfConstant(value);
  if (complaint === undefined) return constantPrinter(value);
  problems.add({ path, ...complaint });
  return constantPrinter(null);
}

export interface Complaint {
  readonly code: string;
  readonly message: string;
}

export function complainOfConstant(value: unknown): Complaint | undefined {
  if (!isWithinDepth(value, limits.jsonDepthMax)) {
    const message = `the constant is nested more than ${limits.jsonDepthMax} deep`;
    return { code: "too_large", message };
  }
  if (Buffer.byteLength(JSON.stringify(value)) > limits.templateBytesMax) {
    const message = `the constant is larger than ${limits.templateBytesMax} bytes`;
    return { code: "too_large", message };
  }
  return findLostDigits(value);
}

/** Numbers were read as doubles. Those that may have lost digits must not be sent on silently. */
function findLostDigits(value: unknown): Complaint | undefined {
  if (typeof value === "number" && !(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) {
    const message = `the number ${value} is beyond 2^53 and has lost digits; write it as a string, or into a template text`;
    return { code: "invalid_value", message };
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const member of Object.values(value)) {
    const found = findLostDigits(member);
    if (found !== undefined) return found;
  }
  return undefined;
}
