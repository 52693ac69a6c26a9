import type { EventView } from "../event/event-view.ts";
import type { CloudEvent } from "../event/event.ts";
import type { OnMissing, RenderFailure } from "../expression/template.ts";
import { outputTooLarge } from "../expression/template.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { isObject, memberPath, nameKind } from "../kernel/unchecked.ts";
import { createContext } from "./context.ts";
import { compileDefine } from "./define.ts";
import { Problems } from "./problems.ts";
import type { EventTemplate, TemplateType } from "./template.ts";
import { compileEventTemplate } from "./template.ts";
import type { CompiledTransformer, TransformResult } from "./transformer.ts";

export type TransformerCompilation =
  | { readonly ok: true; readonly transformer: CompiledTransformer }
  | { readonly ok: false; readonly violations: readonly Violation[] };

/** Members of a transformer, and those that a later version builds. */
const knownMembers = ["define", "template", "templateType", "template_type", "onMissing"];
const plannedMembers = ["jsonata", "javascript"];

/**
 * Compiles the member `transformer` of a subscription, as JSON.parse has left it. Lists every
 * violation with its path. Without a template the events pass unchanged.
 */
export function compileTransformer(transformer: unknown): TransformerCompilation {
  const problems = new Problems();
  const template = compileMembers(transformer, problems);
  if (problems.violations.length > 0) return { ok: false, violations: problems.violations };
  return { ok: true, transformer: template === undefined ? unchanged : replaceData(template) };
}

function compileMembers(transformer: unknown, problems: Problems): EventTemplate | undefined {
  if (!isObject(transformer)) {
    const message = `expected an object, not ${nameKind(transformer)}`;
    problems.add({ path: "transformer", code: "invalid_value", message });
    return undefined;
  }
  refuseOtherMembers(transformer, problems);
  const definitions = compileDefine(transformer["define"], problems);
  const templateType = readTemplateType(transformer, problems);
  const onMissing = readOnMissing(transformer["onMissing"], problems);
  const template = transformer["template"];
  // The braces of a template in another syntax would be reported as errors of this one.
  if (template === undefined || transformer["syntax"] !== undefined) return undefined;
  return compileEventTemplate({ template, templateType, onMissing, definitions }, problems);
}

function refuseOtherMembers(
  transformer: Readonly<Record<string, unknown>>,
  problems: Problems,
): void {
  for (const [name, value] of Object.entries(transformer)) {
    if (knownMembers.includes(name)) continue;
    const path = memberPath("transformer", name);
    if (name === "pipeline") refusePipeline(value, problems);
    else if (name === "syntax") refuseSyntax(value, problems);
    else if (plannedMembers.includes(name)) {
      problems.add({
        path,
        code: "not_supported_yet",
        message: `${name} comes with a later version`,
      });
    } else {
      const message = `unknown member; known: ${knownMembers.join(", ")}`;
      problems.add({ path, code: "unknown_member", message });
    }
  }
}

function refusePipeline(value: unknown, problems: Problems): void {
  const path = "transformer.pipeline";
  if (!Array.isArray(value)) {
    const message = `expected a list of commands, not ${nameKind(value)}`;
    problems.add({ path, code: "invalid_value", message });
  } else if (value.length > 0) {
    const message = "commands come with a later version; leave the list empty";
    problems.add({ path, code: "not_supported_yet", message });
  }
}

function refuseSyntax(value: unknown, problems: Problems): void {
  const path = "transformer.syntax";
  if (value === "angle") {
    const message =
      "the syntax <name> comes with a later version; write ${name} and leave syntax out";
    problems.add({ path, code: "not_supported_yet", message });
  } else {
    const message = "unknown syntax; leave the member out and write ${name}";
    problems.add({ path, code: "invalid_value", message });
  }
}

function readTemplateType(
  transformer: Readonly<Record<string, unknown>>,
  problems: Problems,
): TemplateType | undefined {
  const spellings = ["templateType", "template_type"].filter(
    (name) => transformer[name] !== undefined,
  );
  let type: TemplateType | undefined;
  for (const name of spellings) {
    const value = transformer[name];
    const path = `transformer.${name}`;
    if (value !== "json" && value !== "text") {
      const message =
        'expected "json" or "text"; without it a template that begins with {, [ or " is JSON';
      problems.add({ path, code: "invalid_value", message });
    } else if (type !== undefined && type !== value) {
      const message = "templateType and template_type are the same member and differ; keep one";
      problems.add({ path, code: "invalid_value", message });
    } else type = value;
  }
  return type;
}

function readOnMissing(value: unknown, problems: Problems): OnMissing {
  if (value === undefined) return "null";
  if (value === "null" || value === "omit" || value === "fail") return value;
  const message = 'expected "null", "omit" or "fail", as a string';
  problems.add({ path: "transformer.onMissing", code: "invalid_value", message });
  return "null";
}

const unchanged: CompiledTransformer = {
  transform: (view) => ({ ok: true, event: view.event }),
};

const contentTypes: Readonly<Record<TemplateType, string>> = {
  json: "application/json",
  text: "text/plain",
};

function replaceData(template: EventTemplate): CompiledTransformer {
  const contentType = contentTypes[template.type];
  return { transform: (view) => render(template, contentType, view) };
}

function render(template: EventTemplate, contentType: string, view: EventView): TransformResult {
  const output = template.render(createContext(view));
  if (typeof output !== "string") return fail(output);
  const data = Buffer.from(output);
  if (data.length > limits.transformOutputBytesMax) return fail(outputTooLarge);
  return { ok: true, event: withData(view.event, data, contentType) };
}

function fail({ code, message }: RenderFailure): TransformResult {
  return { ok: false, failure: { path: "transformer.template", code, message } };
}

/** All other attributes stay; the shape is that of every event. */
function withData(event: CloudEvent, data: Uint8Array, datacontenttype: string): CloudEvent {
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.subject,
    time: event.time,
    datacontenttype,
    dataschema: event.dataschema,
    extensions: event.extensions,
    data,
    dataIsImpliedJson: false,
  };
}
