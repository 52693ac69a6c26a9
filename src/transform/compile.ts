import type { EventView } from "../event/event-view.ts";
import { createEventView } from "../event/event-view.ts";
import type { CloudEvent } from "../event/event.ts";
import type { OnMissing, RenderFailure } from "../expression/template.ts";
import { outputTooLarge } from "../expression/template.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { isObject, memberPath, nameKind } from "../kernel/unchecked.ts";
import { createContext } from "./context.ts";
import { compileDefine } from "./define.ts";
import { transformerMembers } from "./members.ts";
import type { Pipeline } from "./pipeline.ts";
import { compilePipeline } from "./pipeline.ts";
import { Problems } from "./problems.ts";
import type { EventTemplate, GivenType, TemplateType } from "./template.ts";
import { compileEventTemplate } from "./template.ts";
import type { CompiledTransformer, TransformResult } from "./transformer.ts";
import type { TemplateSyntax } from "./variables.ts";
import { compileVariables } from "./variables.ts";

export type TransformerCompilation =
  | { readonly ok: true; readonly transformer: CompiledTransformer }
  | { readonly ok: false; readonly violations: readonly Violation[] };

/** Members of a transformer, and those that a later version builds. */
const knownMembers = transformerMembers.flatMap(({ name, alias }) =>
  alias === undefined ? [name] : [name, alias],
);
const plannedMembers = ["jsonata", "javascript"];

/**
 * Compiles the member `transformer` of a subscription, as JSON.parse has left it. Lists every
 * violation with its path. Without a template the events pass unchanged.
 */
export function compileTransformer(transformer: unknown): TransformerCompilation {
  const problems = new Problems();
  const compiled = compileMembers(transformer, problems);
  if (problems.violations.length > 0) return { ok: false, violations: problems.violations };
  return { ok: true, transformer: combine(compiled) };
}

interface CompiledMembers {
  readonly pipeline?: Pipeline | undefined;
  readonly template?: EventTemplate | undefined;
}

function compileMembers(transformer: unknown, problems: Problems): CompiledMembers {
  if (!isObject(transformer)) {
    const message = `expected an object, not ${nameKind(transformer)}`;
    problems.add({ path: "transformer", code: "invalid_value", message });
    return {};
  }
  refuseOtherMembers(transformer, problems);
  const syntax = readSyntax(transformer["syntax"], problems);
  const definitions = compileDefine(transformer["define"], problems);
  const variables = compileVariables(transformer["define"], syntax);
  const pipeline = compilePipeline(transformer["pipeline"], variables, problems);
  const templateType = readTemplateType(transformer, problems);
  const onMissing = readOnMissing(transformer["onMissing"], problems);
  const template = transformer["template"];
  if (template === undefined || templateType === "none") return { pipeline };
  const settings = { template, templateType, onMissing, definitions, syntax };
  return { pipeline, template: compileEventTemplate(settings, problems) };
}

function refuseOtherMembers(
  transformer: Readonly<Record<string, unknown>>,
  problems: Problems,
): void {
  for (const name of Object.keys(transformer)) {
    if (knownMembers.includes(name)) continue;
    const path = memberPath("transformer", name);
    if (plannedMembers.includes(name)) {
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

function readSyntax(value: unknown, problems: Problems): TemplateSyntax {
  if (value === undefined || value === "dollar" || value === "angle") return value ?? "dollar";
  const message = 'expected "dollar" for ${name}, which is the default, or "angle" for <name>';
  problems.add({ path: "transformer.syntax", code: "invalid_value", message });
  return "dollar";
}

function readTemplateType(
  transformer: Readonly<Record<string, unknown>>,
  problems: Problems,
): GivenType | undefined {
  const spellings = ["templateType", "template_type"].filter(
    (name) => transformer[name] !== undefined,
  );
  let type: GivenType | undefined;
  for (const name of spellings) {
    const value = transformer[name];
    const path = `transformer.${name}`;
    if (value !== "json" && value !== "text" && value !== "none") {
      const message =
        'expected "json", "text" or "none" (no template); without it one that begins with {, [ or " is JSON';
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

const contentTypes: Readonly<Record<TemplateType, string>> = {
  json: "application/json",
  text: "text/plain",
};

/** First the commands, then the template; without either the events pass unchanged. */
function combine({ pipeline, template }: CompiledMembers): CompiledTransformer {
  const render = template === undefined ? unchanged : replaceData(template);
  if (pipeline === undefined) return { transform: (view) => render(view, undefined) };
  return {
    transform(view) {
      const event = pipeline.run(view);
      if ("message" in event) return { ok: false, failure: event };
      return render(event === view.event ? view : createEventView(event), view);
    },
  };
}

/** Renders the event as it is now; `before` is what the variables are taken from. */
type Render = (view: EventView, before: EventView | undefined) => TransformResult;

const unchanged: Render = (view) => ({ ok: true, event: view.event });

function replaceData(template: EventTemplate): Render {
  const contentType = contentTypes[template.type];
  return (view, before) => {
    const output = template.render(createContext(view, before));
    if (typeof output !== "string") return fail(output);
    const data = Buffer.from(output);
    if (data.length > limits.transformOutputBytesMax) return fail(outputTooLarge);
    return { ok: true, event: withData(view.event, data, contentType) };
  };
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
