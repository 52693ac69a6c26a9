/**
 * The door to templates. A template is parsed into literal text and placeholders (template-text.ts,
 * template-json-text.ts, template-json-value.ts), compiled with the printers of what the
 * placeholders refer to, and rendered (template-render.ts).
 */
export { compactJson, escapeText } from "./json-text.ts";
export { angleSyntax, dollarSyntax, isVariableName } from "./placeholder.ts";
export type { Placeholder, PlaceholderSyntax, Reference } from "./placeholder.ts";
export { describePosition } from "./position.ts";
export type { TextFailure } from "./position.ts";
export { parseJsonTextTemplate } from "./template-json-text.ts";
export { parseJsonValueTemplate } from "./template-json-value.ts";
export { compileTemplate, outputTooLarge } from "./template-render.ts";
export type {
  CompiledTemplate,
  OnMissing,
  Printed,
  RenderFailure,
  ValuePrinter,
} from "./template-render.ts";
export { parseTextTemplate } from "./template-text.ts";
export type { SlotMode, TemplatePart, TemplateReading } from "./template-text.ts";
