import type { CloudEvent } from "../../event/event.ts";
import { noExtensions } from "../../event/event.ts";
import { checkMeaning, createViolationList, validateEvent } from "../../event/validate.ts";
import { decodeUtf8 } from "../../kernel/bytes.ts";
import type { ErrorCode } from "../../kernel/error-codes.ts";
import type { JsonDocument } from "../../kernel/json.ts";
import { readJson } from "../../kernel/json.ts";
import { quote } from "../../kernel/unchecked.ts";
import type {
  SourceContext,
  SourceKind,
  WebhookRequest,
  WebhookSource,
  WebhookVerdict,
} from "../source.ts";
import type { BodyForm, EventRules, Handshake, WebhookDefinition } from "./webhook-definition.ts";
import type { Template, TemplateInput } from "./webhook-template.ts";
import { compileRule, compileTemplate, firstPresent } from "./webhook-template.ts";
import { createVerifier } from "./webhook-verify.ts";

/** Makes a kind of source of a definition; a mistake in the definition throws here, at start. */
export function webhookSourceKind(definition: WebhookDefinition): SourceKind {
  const plan = compileDefinition(definition);
  return {
    name: definition.name,
    summary: definition.summary,
    signs: definition.verify.length > 0,
    validate: (config) =>
      Object.keys(config).map((name) => ({
        path: name,
        code: "unknown_member",
        message: `a source of kind ${definition.name} takes no settings`,
      })),
    open: (context) => openSource(plan, context),
  };
}

type RuleTemplates = Readonly<Record<keyof EventRules, readonly Template[]>>;

interface Plan {
  readonly definition: WebhookDefinition;
  readonly kind: Template | undefined;
  readonly event: RuleTemplates;
  readonly kinds: ReadonlyMap<string, RuleTemplates>;
  readonly handshakes: readonly CompiledHandshake[];
}

interface CompiledHandshake {
  readonly isUnsigned: boolean;
  readonly conditions: readonly { readonly template: Template; readonly wanted: string }[];
  readonly respond: Handshake["respond"];
  readonly body: Template;
}

function compileDefinition(definition: WebhookDefinition): Plan {
  const { event, kinds = {}, handshakes = [] } = definition;
  const kindRules = Object.entries(kinds).map(
    ([kind, rules]) => [kind, compileRules(rules, event)] as const,
  );
  return {
    definition,
    kind: definition.kind === undefined ? undefined : compileTemplate(definition.kind),
    event: compileRules({}, event),
    kinds: new Map(kindRules),
    handshakes: handshakes.map(compileHandshake),
  };
}

/** What a kind says comes first; where its values are absent, what all kinds have in common. */
function compileRules(special: Partial<EventRules>, common: EventRules): RuleTemplates {
  const both = (name: keyof EventRules): readonly Template[] => [
    ...compileRule(special[name]),
    ...compileRule(common[name]),
  ];
  return {
    type: both("type"),
    source: both("source"),
    id: both("id"),
    subject: both("subject"),
    time: both("time"),
  };
}

function compileHandshake({ when, unsigned, respond }: Handshake): CompiledHandshake {
  return {
    isUnsigned: unsigned === true,
    conditions: Object.entries(when).map(([text, wanted]) => ({
      template: compileTemplate(text),
      wanted,
    })),
    respond,
    body: compileTemplate(respond.body ?? ""),
  };
}

function openSource(plan: Plan, context: SourceContext): WebhookSource {
  const { definition } = plan;
  const verifier = createVerifier(definition.verify, context.secrets, context.clock);
  return {
    receive(request) {
      const unsigned = plan.handshakes.some(({ isUnsigned }) => isUnsigned);
      const objection = verifier.objection(request);
      if (objection !== undefined && !unsigned) return refuse("signature_invalid", objection);
      const reading = readBody(definition, request);
      if (!reading.ok) return objection === undefined ? reading.verdict : unbelieved(objection);
      const input = { request, document: reading.document, random: context.random };
      const greeting = answerHandshake(plan, input, { isVerified: objection === undefined });
      if (greeting !== undefined) return greeting;
      if (objection !== undefined) return unbelieved(objection);
      return publish(plan, input, { data: reading.data, now: context.clock.now() });
    },
  };
}

function refuse(code: ErrorCode, message: string): WebhookVerdict {
  return { verdict: "refuse", code, message };
}

function unbelieved(objection: string): WebhookVerdict {
  return refuse("signature_invalid", objection);
}

type BodyReading =
  | { readonly ok: true; readonly document: JsonDocument; readonly data: Uint8Array }
  | { readonly ok: false; readonly verdict: WebhookVerdict };

function readBody(definition: WebhookDefinition, request: WebhookRequest): BodyReading {
  const contentType = request.headers.get("content-type") ?? "";
  const essence = (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
  const { contentTypes } = definition;
  const form = Object.hasOwn(contentTypes, essence) ? contentTypes[essence] : undefined;
  if (form === undefined) {
    const known = Object.keys(contentTypes).join(", ");
    const sent = essence === "" ? "no content type" : `content type ${quote(essence)}`;
    const message = `the request has ${sent}; ${definition.name} sends ${known}`;
    return { ok: false, verdict: refuse("unsupported_content_type", message) };
  }
  const data = extractData(form, request.body);
  if (typeof data === "string") return { ok: false, verdict: refuse("invalid_request", data) };
  const text = decodeUtf8(data);
  if (text === undefined) {
    return { ok: false, verdict: refuse("invalid_json", "the body is not UTF-8") };
  }
  const reading = readJson(text);
  if (reading.ok) return { ok: true, document: reading.document, data };
  return { ok: false, verdict: refuse("invalid_json", `the body: ${reading.failure.message}`) };
}

/** The bytes of the JSON, or a sentence about what is wrong with the form. */
function extractData(form: BodyForm, body: Uint8Array): Uint8Array | string {
  if (form.as === "json") return body;
  const text = decodeUtf8(body);
  if (text === undefined) return "the form is not UTF-8";
  const field = new URLSearchParams(text).get(form.field);
  return field === null ? `the form has no field '${form.field}'` : Buffer.from(field);
}

function answerHandshake(
  plan: Plan,
  input: TemplateInput,
  { isVerified }: { readonly isVerified: boolean },
): WebhookVerdict | undefined {
  const matching = plan.handshakes.find(
    ({ isUnsigned, conditions }) =>
      (isVerified || isUnsigned) &&
      conditions.every(({ template, wanted }) => template(input) === wanted),
  );
  if (matching === undefined) return undefined;
  const { status, contentType = "text/plain; charset=utf-8" } = matching.respond;
  return { verdict: "answer", status, contentType, body: matching.body(input) ?? "" };
}

interface Moment {
  readonly data: Uint8Array;
  readonly now: number;
}

function publish(plan: Plan, input: TemplateInput, { data, now }: Moment): WebhookVerdict {
  const { definition } = plan;
  for (const header of definition.requiredHeaders ?? []) {
    if (!input.request.headers.has(header)) {
      const message = `the header ${header} is missing; every request of ${definition.name} has it`;
      return refuse("invalid_request", message);
    }
  }
  const rules = plan.kinds.get(plan.kind?.(input) ?? "") ?? plan.event;
  const subject = clean(firstPresent(rules.subject, input) ?? "");
  const event: CloudEvent = {
    id: clean(firstPresent(rules.id, input) ?? input.random.id()),
    source: clean(firstPresent(rules.source, input) ?? ""),
    type: clean(firstPresent(rules.type, input) ?? ""),
    subject: subject === "" ? undefined : subject,
    time: firstTime(rules.time, input) ?? new Date(now).toISOString(),
    datacontenttype: "application/json",
    dataschema: undefined,
    extensions: noExtensions,
    data,
    dataIsImpliedJson: false,
  };
  const [violation] = validateEvent(event);
  if (violation !== undefined) {
    const message = `the request makes no valid event: ${violation.message}`;
    return refuse("invalid_request", message);
  }
  return { verdict: "publish", events: [event], status: definition.status ?? 202 };
}

/** Names that people chose may hold what an attribute may not; the data keeps them whole. */
function clean(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/gu, "");
}

function firstTime(templates: readonly Template[], input: TemplateInput): string | undefined {
  for (const template of templates) {
    const time = timestampOf(template(input) ?? "");
    if (time !== undefined) return time;
  }
  return undefined;
}

const EPOCH = /^\d{9,14}(?:\.\d+)?$/;
/** Seconds reach this number in the year 5138, milliseconds have passed it in 1973. */
const secondsMax = 1e11;

function timestampOf(text: string): string | undefined {
  if (isTimestamp(text)) return text;
  if (!EPOCH.test(text)) return undefined;
  const number = Number(text);
  return new Date(number < secondsMax ? number * 1000 : number).toISOString();
}

function isTimestamp(text: string): boolean {
  const list = createViolationList();
  checkMeaning("time", text, list);
  return list.violations.length === 0;
}
