import { hasJsonData } from "../../event/event.ts";
import type { CloudEvent } from "../../event/event.ts";
import { encodeStructured } from "../../event/json-format.ts";
import { asBuffer, decodeUtf8 } from "../../kernel/bytes.ts";
import type { JsonDocument, JsonNode } from "../../kernel/json.ts";
import { missing, readJson } from "../../kernel/json.ts";
import { limits } from "../../kernel/limits.ts";
import { statusTable } from "../status-table.ts";
import type { HttpAnswer } from "./http-attempt.ts";
import type { ProtocolVerdict, PushProtocol } from "./http-push.ts";
import { HttpPush } from "./http-push.ts";
import { secretsOf } from "./request-secrets.ts";
import type { SinkKind } from "./sink-kind.ts";
import { checkHeaders, checkSettings, checkSinkUrl, flatHeaders } from "./sink-settings.ts";

/** Slack's incoming webhooks, and whatever speaks like them (Mattermost, Rocket.Chat). */
export const slackWebhookSink: SinkKind = {
  name: "slack-webhook",
  summary: "Posts each event to a Slack incoming webhook",
  validate: ({ sink, protocolsettings }, { guard }) => [
    ...checkSinkUrl(sink, guard),
    ...checkSettings(protocolsettings, { headers: checkHeaders }),
  ],
  open: (config, context) =>
    new HttpPush(
      {
        url: String(config.sink),
        method: "POST",
        headers: flatHeaders(config.protocolsettings),
        secrets: secretsOf(config),
        statuses: statusTable(config.statusRules ?? { retryOn: [], failOn: [] }),
        batch: undefined,
        concurrency: config.concurrency,
        timeoutMs: config.timeoutMs,
        protocol: slackProtocol,
      },
      context,
    ),
};

const slackProtocol: PushProtocol = {
  encode: ({ event }) => ({
    headers: ["content-type", "application/json; charset=utf-8"],
    body: slackBody(event),
  }),
  bytesKeptOf: () => limits.responseExcerptBytesMax,
  judge: judgeSlackAnswer,
};

/** The body that shows the event in a channel (DESIGN.md §4, "Slack"). */
export function slackBody(event: CloudEvent): Buffer {
  if (event.data === undefined) return textBody(codeBlock(encodeStructured(event).toString()));
  const text = decodeUtf8(event.data);
  if (text === undefined) return textBody(codeBlock(encodeStructured(event).toString()));
  if (!hasJsonData(event)) return textBody(text);
  const reading = readJson(text);
  if (!reading.ok) return textBody(text);
  if (isSlackPayload(reading.document)) return asBuffer(event.data);
  return textBody(textOf(reading.document));
}

/** What the sender has already written for Slack passes untouched. */
function isSlackPayload(document: JsonDocument): boolean {
  const { root } = document;
  return (
    memberText(document, "text") !== undefined ||
    isArray(document, document.member(root, "blocks")) ||
    isArray(document, document.member(root, "attachments"))
  );
}

function isArray(document: JsonDocument, node: JsonNode): boolean {
  return node !== missing && document.kind(node) === "array";
}

function textOf(document: JsonDocument): string {
  const { root } = document;
  if (document.kind(root) === "string") return document.string(root);
  const subject = memberText(document, "subject");
  const body = memberText(document, "message");
  if (subject !== undefined && body !== undefined) return `${subject}\n${body}`;
  return onlyText(document) ?? codeBlock(document.raw(root));
}

function memberText(document: JsonDocument, name: string): string | undefined {
  const node = document.member(document.root, name);
  if (node === missing || document.kind(node) !== "string") return undefined;
  return document.string(node);
}

/** The text of an object whose one member is a string, whatever it is called. */
function onlyText(document: JsonDocument): string | undefined {
  const { root } = document;
  if (document.kind(root) !== "object" || document.size(root) !== 1) return undefined;
  let found: string | undefined;
  document.eachMember(root, (_key, node) => {
    if (document.kind(node) === "string") found = document.string(node);
  });
  return found;
}

function codeBlock(text: string): string {
  // A zero-width space inside keeps backticks of the text from ending the block early.
  return `\`\`\`\n${text.replaceAll("```", "`\u200b`\u200b`")}\n\`\`\``;
}

function textBody(text: string): Buffer {
  return Buffer.from(JSON.stringify({ text: escapeMarkup(text) }));
}

/** Slack reads `<…>` as links and mentions; these three are all it wants escaped. */
function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Errors that sending the same again would meet again. */
const permanentErrors: ReadonlySet<string> = new Set([
  "action_prohibited",
  "channel_not_found",
  "channel_is_archived",
  "invalid_attachments",
  "invalid_blocks",
  "invalid_blocks_format",
  "invalid_payload",
  "invalid_token",
  "msg_blocks_too_long",
  "msg_too_long",
  "no_active_hooks",
  "no_service",
  "no_service_id",
  "no_team",
  "no_text",
  "posting_to_general_channel_denied",
  "team_disabled",
  "too_many_attachments",
  "user_not_found",
]);

/**
 * Slack says in the body what it thinks: `ok`, or the name of an error, sometimes with status 200.
 * Statuses that say more than the body (429, 410, 5xx, redirects) are left to the status table.
 */
export function judgeSlackAnswer(answer: HttpAnswer): ProtocolVerdict | undefined {
  const { status } = answer;
  const said = (answer.body ?? "").trim();
  const isSuccess = status >= 200 && status < 300;
  if (isSuccess && answer.isComplete && said === "ok") return { outcome: "delivered", error: "" };
  if (!isSuccess && (status < 400 || status >= 500 || status === 410 || status === 429)) {
    return undefined;
  }
  const error = errorName(said);
  if (isSuccess && answer.isComplete && error === "") return { outcome: "delivered", error: "" };
  if (error !== undefined && permanentErrors.has(error)) {
    return { outcome: "rejected", error: `answered ${status}: Slack refused it with ${error}` };
  }
  if (!isSuccess) return undefined;
  const shown = said === "" ? "nothing" : `'${said.slice(0, shownLengthMax)}'`;
  return { outcome: "retry", error: `answered ${status}, but said ${shown} instead of 'ok'` };
}

const shownLengthMax = 80;

/** The error a body names, as bare text or as `{"ok": false, "error": …}`; "" for `{"ok": true}`. */
function errorName(said: string): string | undefined {
  if (!said.startsWith("{")) return said === "" ? undefined : said.split(/\s/, 1)[0];
  const reading = readJson(said);
  if (!reading.ok) return undefined;
  const { document } = reading;
  const ok = document.member(document.root, "ok");
  if (ok !== missing && document.raw(ok) === "true") return "";
  return memberText(document, "error");
}
