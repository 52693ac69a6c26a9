/**
 * A webhook sender described as data: everything the engine needs to turn its requests into events.
 * A definition is plain JSON, so a new provider is one file in ../catalog and no code.
 *
 * Texts are templates: `{$.repository.url}` is a value of the JSON body, `{h:name}` a header,
 * `{q:name}` a query parameter, `{body}` the body, `{uuid}` a fresh id; `|lower`, `|snake`, `|dots`,
 * `|parent` and `|sha256` after it change it. A part in square brackets is left out when a value in
 * it is absent. A list of templates means the first of which every value is present.
 */
export interface WebhookDefinition {
  /** The kind of source: `github`. */
  readonly name: string;
  readonly summary: string;
  /** A request must satisfy one of these; an empty list accepts everybody. */
  readonly verify: readonly VerifyRule[];
  readonly contentTypes: Readonly<Record<string, BodyForm>>;
  /** Headers without which a request makes no sense. */
  readonly requiredHeaders?: readonly string[];
  readonly handshakes?: readonly Handshake[];
  /** What the sender calls the kind of event: selects a member of `kinds`. */
  readonly kind?: string;
  readonly event: EventRules;
  /** Rules of single kinds; they are tried before those of `event`. */
  readonly kinds?: Readonly<Record<string, Partial<EventRules>>>;
  /** Of the answer, once the event is durable; default 202. */
  readonly status?: number;
}

export type Rule = string | readonly string[];

export interface EventRules {
  readonly type: Rule;
  readonly source: Rule;
  readonly id: Rule;
  readonly subject?: Rule;
  /** RFC 3339, or seconds or milliseconds since 1970. What is none of these counts as absent. */
  readonly time?: Rule;
}

/** How the JSON is carried: as the body itself, or in one field of a form. */
export type BodyForm = { readonly as: "json" } | { readonly as: "form"; readonly field: string };

export type VerifyRule = HmacRule | TokenRule;

/** A message authentication code over the bytes of the request. */
export interface HmacRule {
  readonly kind: "hmac";
  readonly algorithm: "sha1" | "sha256" | "sha512";
  readonly header: string;
  /** What precedes each signature, as in `sha256=`. */
  readonly prefix?: string;
  /** Splits a header that carries several signatures; one that matches is enough. */
  readonly separator?: string;
  readonly encoding: "hex" | "base64" | "base64url";
  /** What is signed; default `{body}`. */
  readonly signed?: string;
  /** How the secret becomes the key; `whsec` is base64 after the prefix `whsec_`. Default utf8. */
  readonly key?: "utf8" | "base64" | "hex" | "whsec";
  /** When the sender says when it signed: older and newer requests are refused as replays. */
  readonly timestamp?: {
    readonly header: string;
    readonly unit: "s" | "ms";
    readonly toleranceMs: number;
  };
}

/** The secret itself in a header. */
export interface TokenRule {
  readonly kind: "token";
  readonly header: string;
  readonly prefix?: string;
}

/** A request that wants an answer and is no event, such as a challenge. */
export interface Handshake {
  /** Template → the value it must have. */
  readonly when: Readonly<Record<string, string>>;
  /** Answered before the signature is checked, for senders that do not sign their challenge. */
  readonly unsigned?: boolean;
  readonly respond: {
    readonly status: number;
    readonly contentType?: string;
    readonly body?: string;
  };
}
