import { createHash, createHmac, timingSafeEqual } from "node:crypto";

import type { Clock } from "../../kernel/clock.ts";
import type { WebhookRequest } from "../source.ts";
import type { HmacRule, TokenRule, VerifyRule } from "./webhook-definition.ts";

export interface Verifier {
  /** Why the request is not believed; undefined when it is. */
  objection(request: WebhookRequest): string | undefined;
}

/** Checks requests against all secrets of a source: any rule with any secret is enough. */
export function createVerifier(
  rules: readonly VerifyRule[],
  secrets: readonly string[],
  clock: Clock,
): Verifier {
  const checks = rules.map((rule) => compileRule(rule, secrets, clock));
  return {
    objection(request) {
      if (rules.length === 0) return undefined;
      if (checks.some((check) => check(request))) return undefined;
      const headers = rules.map((rule) => rule.header);
      const present = headers.find((header) => request.headers.has(header));
      if (present === undefined) return `the request has no header ${headers.join(" or ")}`;
      return `the header ${present} does not match the secret of this source`;
    },
  };
}

type Check = (request: WebhookRequest) => boolean;

function compileRule(rule: VerifyRule, secrets: readonly string[], clock: Clock): Check {
  switch (rule.kind) {
    case "hmac":
      return compileHmac(rule, secrets, clock);
    case "token":
      return compileToken(rule, secrets);
  }
}

function compileToken(rule: TokenRule, secrets: readonly string[]): Check {
  const wanted = secrets.map((secret) => digestOf(secret));
  return (request) => {
    const token = withoutPrefix(request.headers.get(rule.header), rule.prefix);
    if (token === undefined) return false;
    // Digests have one length whatever the texts, so the comparison tells nothing by its time.
    const given = digestOf(token);
    return wanted.some((each) => timingSafeEqual(each, given));
  };
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function compileHmac(rule: HmacRule, secrets: readonly string[], clock: Clock): Check {
  const keys = secrets.map((secret) => keyOf(secret, rule.key ?? "utf8"));
  const signed = signedParts(rule.signed ?? "{body}");
  return (request) => {
    if (!isFresh(rule, request, clock)) return false;
    const candidates = signaturesIn(rule, request.headers.get(rule.header));
    if (candidates.length === 0) return false;
    return keys.some((key) => {
      const hmac = createHmac(rule.algorithm, key);
      for (const part of signed) hmac.update(part(request));
      const wanted = hmac.digest();
      return candidates.some(
        (each) => each.length === wanted.length && timingSafeEqual(each, wanted),
      );
    });
  };
}

function keyOf(secret: string, form: NonNullable<HmacRule["key"]>): Buffer {
  if (form !== "whsec") return Buffer.from(secret, form);
  return Buffer.from(withoutPrefix(secret, "whsec_") ?? secret, "base64");
}

/** A header lists few signatures; more are not looked at, so that they cost no time. */
const signaturesMax = 8;

function signaturesIn(rule: HmacRule, header: string | undefined): readonly Buffer[] {
  if (header === undefined) return [];
  const texts = rule.separator === undefined ? [header] : header.split(rule.separator);
  return texts.slice(0, signaturesMax).flatMap((text) => {
    const signature = withoutPrefix(text.trim(), rule.prefix);
    return signature === undefined ? [] : [Buffer.from(signature, rule.encoding)];
  });
}

function withoutPrefix(text: string | undefined, prefix = ""): string | undefined {
  return text?.startsWith(prefix) === true ? text.slice(prefix.length) : undefined;
}

type SignedPart = (request: WebhookRequest) => string | Uint8Array;

/** `{h:webhook-id}.{body}` as pieces that are fed to the digest as bytes, the body never as text. */
function signedParts(template: string): readonly SignedPart[] {
  return template.split(/(\{[^}]*\})/).map((piece): SignedPart => {
    if (piece === "{body}") return (request) => request.body;
    if (!piece.startsWith("{h:")) return () => piece;
    const name = piece.slice("{h:".length, -1);
    return (request) => request.headers.get(name) ?? "";
  });
}

function isFresh({ timestamp }: HmacRule, request: WebhookRequest, clock: Clock): boolean {
  if (timestamp === undefined) return true;
  const text = request.headers.get(timestamp.header) ?? "";
  if (!/^\d{1,15}$/.test(text)) return false;
  const time = Number(text) * (timestamp.unit === "s" ? 1000 : 1);
  return Math.abs(clock.now() - time) <= timestamp.toleranceMs;
}
