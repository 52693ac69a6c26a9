import type {
  CompiledTemplate,
  OnMissing,
  Placeholder,
  PlaceholderSyntax,
  Reference,
  TemplatePart,
  TextFailure,
} from "../expression/template.ts";
import {
  angleSyntax,
  compileTemplate,
  describePosition,
  dollarSyntax,
  parseJsonTextTemplate,
  parseJsonValueTemplate,
  parseTextTemplate,
} from "../expression/template.ts";
import { assert } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import { isWithinDepth, memberPath, nameKind } from "../kernel/unchecked.ts";
import type { TransformContext } from "./context.ts";
import type { Definitions } from "./define.ts";
import type { EventPrinter } from "./printers.ts";
import { pathPrinter } from "./printers.ts";
import type { Problems } from "./problems.ts";
import type { TemplateSyntax } from "./variables.ts";

export type TemplateType = "json" | "text";
/** `none` leaves the data as the commands have made it. */
export type GivenType = TemplateType | "none";

export interface TemplateSettings {
  readonly template: unknown;
  readonly templateType: TemplateType | undefined;
  readonly onMissing: OnMissing;
  readonly definitions: Definitions;
  readonly syntax: TemplateSyntax;
}

export interface EventTemplate extends CompiledTemplate<TransformContext> {
  readonly type: TemplateType;
}

const PATH = "transformer.template";

/** Compiles the template; undefined after it has added what is wrong to `problems`. */
export function compileEventTemplate(
  settings: TemplateSettings,
  problems: Problems,
): EventTemplate | undefined {
  const parsed = parse(settings, problems);
  if (parsed === undefined) return undefined;
  const placeholders = listPlaceholders(parsed.parts, []);
  if (placeholders.length > limits.templatePlaceholdersMax) {
    const message = `${placeholders.length} placeholders are too many; at most ${limits.templatePlaceholdersMax}`;
    problems.add({ path: PATH, code: "too_large", message });
    return undefined;
  }
  if (!areDefined(placeholders, settings, problems)) return undefined;
  const { definitions, onMissing, syntax } = settings;
  if (!areConstantsWithinOutput(placeholders, definitions)) {
    const message = `the constants that it inserts make more than ${limits.transformOutputBytesMax} bytes`;
    problems.add({ path: PATH, code: "too_large", message });
    return undefined;
  }
  const bind = (reference: Reference): EventPrinter => bindReference(reference, definitions);
  // Those who come from Vanus know members to go whose bare path finds nothing.
  const isOmitted = ({ kind }: Reference): boolean =>
    onMissing === "omit" || (onMissing === "null" && syntax === "angle" && kind === "path");
  const options = { onMissing, isOmitted, bind };
  return { type: parsed.type, ...compileTemplate(parsed.parts, options) };
}

interface ParsedTemplate {
  readonly type: TemplateType;
  readonly parts: readonly TemplatePart[];
}

function parse(settings: TemplateSettings, problems: Problems): ParsedTemplate | undefined {
  const { template } = settings;
  if (typeof template === "string") return parseText(template, settings, problems);
  if (typeof template !== "object" || template === null) {
    const message = `expected a string, an object or a list, not ${nameKind(template)}`;
    problems.add({ path: PATH, code: "invalid_value", message });
    return undefined;
  }
  if (settings.templateType === "text") {
    const message = 'a template of type "text" is a string; leave templateType out to make JSON';
    problems.add({ path: PATH, code: "invalid_value", message });
    return undefined;
  }
  return parseValue(template, syntaxes[settings.syntax], problems);
}

const syntaxes: Readonly<Record<TemplateSyntax, PlaceholderSyntax>> = {
  dollar: dollarSyntax,
  angle: angleSyntax,
};

/** The type of a template text that does not say: JSON begins with `{`, `[` or `"`. */
const JSON_BEGIN = /^[ \t\n\r]*[{["]/;

function parseText(
  text: string,
  { templateType: given, syntax: name }: TemplateSettings,
  problems: Problems,
): ParsedTemplate | undefined {
  if (Buffer.byteLength(text) > limits.templateBytesMax) return refuseSize(problems);
  const type = given ?? (JSON_BEGIN.test(text) ? "json" : "text");
  const syntax = syntaxes[name];
  const parseIt = type === "json" ? parseJsonTextTemplate : parseTextTemplate;
  const reading = parseIt(text, syntax);
  if (reading.ok) return { type, parts: reading.parts };
  const isGuess = type === "json" && given === undefined;
  const hint = isGuess ? `; it begins like JSON, plain text needs templateType "text"` : "";
  const message = `${locate(text, reading.failure)}${hint}`;
  problems.add({ path: PATH, code: "invalid_template", message });
  return undefined;
}

function locate(text: string, { position, message }: TextFailure): string {
  return `${describePosition(text, position)}: ${message}`;
}

function parseValue(
  template: object,
  syntax: PlaceholderSyntax,
  problems: Problems,
): ParsedTemplate | undefined {
  if (!isWithinDepth(template, limits.jsonDepthMax)) {
    const message = `the template is nested more than ${limits.jsonDepthMax} deep`;
    problems.add({ path: PATH, code: "too_large", message });
    return undefined;
  }
  if (Buffer.byteLength(JSON.stringify(template)) > limits.templateBytesMax) {
    return refuseSize(problems);
  }
  const reading = parseJsonValueTemplate(template, syntax);
  if (reading.ok) return { type: "json", parts: reading.parts };
  for (const { steps, text, failure } of reading.failures) {
    let path = PATH;
    for (const step of steps) {
      path = typeof step === "number" ? `${path}[${step}]` : memberPath(path, step);
    }
    problems.add({ path, code: "invalid_template", message: locate(text, failure) });
  }
  return undefined;
}

function refuseSize(problems: Problems): undefined {
  const message = `the template is larger than ${limits.templateBytesMax} bytes`;
  problems.add({ path: PATH, code: "too_large", message });
}

function listPlaceholders(parts: readonly TemplatePart[], found: Placeholder[]): Placeholder[] {
  for (const part of parts) {
    if (part.kind === "slot") found.push(part.placeholder);
    if (part.kind !== "container") continue;
    for (const item of part.items) listPlaceholders(item.parts, found);
  }
  return found;
}

function areDefined(
  placeholders: readonly Placeholder[],
  { definitions, template }: TemplateSettings,
  problems: Problems,
): boolean {
  const reported = new Set<string>();
  for (const { reference, start } of placeholders) {
    if (reference.kind !== "variable") continue;
    const { name } = reference;
    if (definitions.has(name) || reported.has(name)) continue;
    reported.add(name);
    const place = typeof template === "string" ? `${describePosition(template, start)}: ` : "";
    const message = `${place}the variable '${name.slice(0, 64)}' is not defined; ${listNames(definitions)}`;
    problems.add({ path: PATH, code: "undefined_variable", message });
  }
  return reported.size === 0;
}

/** Constants are printed into the compiled template: a thousand large ones must not fill memory. */
function areConstantsWithinOutput(
  placeholders: readonly Placeholder[],
  definitions: Definitions,
): boolean {
  let length = 0;
  for (const { reference } of placeholders) {
    const printer = reference.kind === "variable" ? definitions.get(reference.name) : undefined;
    if (printer?.kind === "constant") length += printer.print("text").length;
    if (length > limits.transformOutputBytesMax) return false;
  }
  return true;
}

const NAMES_SHOWN_MAX = 20;

function listNames(definitions: Definitions): string {
  const names = [...definitions.keys()];
  if (names.length === 0) return "define is empty";
  const more = names.length > NAMES_SHOWN_MAX ? ", …" : "";
  return `defined: ${names.slice(0, NAMES_SHOWN_MAX).join(", ")}${more}`;
}

function bindReference(reference: Reference, definitions: Definitions): EventPrinter {
  if (reference.kind === "path") return pathPrinter(reference.path);
  const printer = definitions.get(reference.name);
  assert(printer !== undefined, "undefined variables have been refused");
  return printer;
}
