/**
 * The resources of the HTTP API as TypeScript types, shared by server, client and command line.
 * Pure types: this file runs in browsers and holds no behaviour. Names follow the CloudEvents
 * Subscriptions API where it has one.
 */

/** A duration as written in the API: `500ms`, `10s`, `5m`, `1h`, `7d`, or ISO 8601 (`PT10S`). */
export type DurationText = string;
/** RFC 3339 in UTC. */
export type TimeText = string;

export interface Bus {
  readonly name: string;
  readonly description: string;
  readonly retention: Retention;
  readonly created: TimeText;
  readonly updated: TimeText;
}

export interface Retention {
  /** null keeps events for ever. */
  readonly maxAge: DurationText | null;
  readonly maxBytes: number | null;
}

export type ScalarValue = string | number | boolean;

/** Exactly one member: the dialect. */
export type Filter =
  | { readonly exact: Readonly<Record<string, ScalarValue>> }
  | { readonly prefix: Readonly<Record<string, ScalarValue>> }
  | { readonly suffix: Readonly<Record<string, ScalarValue>> }
  | { readonly all: readonly Filter[] }
  | { readonly any: readonly Filter[] }
  | { readonly not: Filter };

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export interface Transformer {
  readonly define?: Readonly<Record<string, JsonValue>>;
  /** A string, or a JSON object or array. */
  readonly template?: JsonValue;
  readonly templateType?: "json" | "text";
  readonly onMissing?: "null" | "omit" | "fail";
}

export interface ProtocolSettings {
  readonly method?: "POST" | "PUT" | "PATCH";
  readonly headers?: Readonly<Record<string, string>>;
  readonly format?: "binary" | "structured";
}

export interface RetryPolicy {
  /** null = as many as fit into maxAge. */
  readonly maxAttempts: number | null;
  readonly maxAge: DurationText;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

export interface SubscriptionConfig {
  readonly start: string | number;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly deadLetter: boolean;
  readonly paused: boolean;
}

export type Protocol = "HTTP" | "slack-webhook";

/** A subscription as the broker returns it: defaults filled in, secrets left out. */
export interface Subscription {
  readonly id: string;
  readonly name: string;
  readonly bus: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly source?: string;
  readonly types?: readonly string[];
  readonly filters: readonly Filter[];
  readonly transformer?: Transformer;
  readonly protocol: Protocol;
  readonly sink: string;
  readonly protocolsettings: ProtocolSettings;
  readonly config: SubscriptionConfig;
  /** What config.start resolved to at creation. */
  readonly startOffset: number;
  readonly revision: number;
  readonly created: TimeText;
  readonly updated: TimeText;
  readonly warnings: readonly string[];
}

export type SubscriptionStateName = "active" | "paused" | "backing-off" | "failing";

export interface Counters {
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly discarded: number;
  readonly expired: number;
  readonly skipped: number;
  readonly parked: number;
  readonly inFlight: number;
  readonly pending: number;
}

export interface Attempt {
  readonly time: TimeText;
  readonly offset: number;
  readonly eventId: string;
  readonly attempt: number;
  readonly outcome: "delivered" | "retry" | "dead" | "discarded";
  /** false for answers that burnt no attempt (held); absent otherwise. */
  readonly counted?: boolean;
  readonly status: number | null;
  readonly latencyMs: number;
  readonly error: string | null;
  readonly response: string | null;
}

export interface SubscriptionStatus {
  readonly state: SubscriptionStateName;
  readonly reason: string | null;
  readonly generation: number;
  /** First offset of this generation; next − start is the sum of the counters. */
  readonly start: number;
  readonly position: number;
  readonly next: number;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly counters: Counters;
  readonly lastErrors: readonly Attempt[];
  /** Ranges that retention or damage took before they were settled. */
  readonly expiredRanges: readonly { from: number; to: number; reason: string }[];
}

export interface DeadLetter {
  readonly id: string;
  readonly offset: number;
  readonly time: TimeText;
  readonly reason: string;
  /** The event as published, structured; null when it cannot be read any more. */
  readonly event: JsonValue;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  } | null;
  readonly attempts: readonly Attempt[];
}

export interface Source {
  readonly name: string;
  readonly kind: string;
  readonly bus: string;
  readonly description: string;
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Whether a secret is stored; the secret itself is write-only. */
  readonly hasSecret: boolean;
  readonly created: TimeText;
  readonly updated: TimeText;
}

/** One thing wrong with an input, as problem details list it. */
export interface ProblemError {
  readonly path: string;
  readonly code: string;
  readonly message: string;
  readonly index?: number;
}

/** RFC 9457 problem details. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly advice: string;
  readonly errors: readonly ProblemError[];
}

export interface PlaygroundResult {
  readonly passed: boolean;
  readonly clauses: readonly { path: string; passed: boolean; reason: string }[];
  readonly transformed: JsonValue;
  readonly request: DeadLetter["request"];
  readonly errors: readonly ProblemError[];
}
