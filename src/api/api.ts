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
  /** null: the same source and id published twice are two events. */
  readonly deduplication: Deduplication | null;
  readonly created: TimeText;
  readonly updated: TimeText;
}

export interface Deduplication {
  /** How long after its append an event is recognised when it comes again. */
  readonly window: DurationText;
  /** Of more events within the window the oldest are forgotten early. */
  readonly maxKeys: number;
}

export interface Retention {
  /** null keeps events for ever. */
  readonly maxAge: DurationText | null;
  readonly maxBytes: number | null;
  /** Publishing is refused (507 `bus_full`) rather than an event expired that somebody has not read. */
  readonly keepUnread: boolean;
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
  /** Each command is a list of its name and its arguments. */
  readonly pipeline?: readonly { readonly command: readonly JsonValue[] }[];
  /** A string, or a JSON object or array. */
  readonly template?: JsonValue;
  readonly templateType?: "json" | "text" | "none";
  readonly onMissing?: "null" | "omit" | "fail";
  /** How placeholders are written: `${name}` or `<name>`. */
  readonly syntax?: "dollar" | "angle";
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
  /** The waits one after the other, in place of minDelayMs and maxDelayMs. */
  readonly delays?: readonly DurationText[];
  /** Statuses (503) and classes ("4xx") that are tried again although others of their kind are not. */
  readonly retryOn?: readonly (number | string)[];
  /** Statuses and classes that are not tried again. */
  readonly failOn?: readonly (number | string)[];
}

export interface SubscriptionConfig {
  readonly start: string | number;
  /** At most so many attempts in flight; fewer while the consumer is slow or asks for less. */
  readonly concurrency: number;
  /** Attempts a second; 0 = no limit. */
  readonly rateLimit: number;
  /** Subscriptions with the same key share one circuit; null = one of its own. */
  readonly circuitKey: string | null;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly deadLetter: boolean;
  readonly paused: boolean;
  /** null = in no order. */
  readonly ordering: Ordering | null;
}

export interface Ordering {
  /** An attribute or a path into the data, as in filters; events without it are not ordered. */
  readonly by: string;
  /** What happens when the retries of an event are used up. */
  readonly onFailure: "dead-letter-and-continue" | "block";
}

/** What an operator decides about the event that blocks its key. */
export type BlockedDecision = "skip" | "retry" | "dead-letter";

/** The event that blocks its key (`ordering.onFailure: "block"`). */
export interface BlockedHead {
  readonly offset: number;
  readonly key: string;
  /** As of a dead letter. */
  readonly reason: string;
  readonly since: TimeText;
  /** How many events of the key wait behind it. */
  readonly behind: number;
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
  /** Whether requests are signed; `signing.secret` itself is write-only. */
  readonly hasSigningSecret: boolean;
  /** Whether requests carry a credential; `sinkcredential` itself is write-only. */
  readonly hasSinkCredential: boolean;
  readonly config: SubscriptionConfig;
  /** What config.start resolved to at creation. */
  readonly startOffset: number;
  readonly revision: number;
  readonly created: TimeText;
  readonly updated: TimeText;
  readonly warnings: readonly string[];
}

export type SubscriptionStateName = "active" | "paused" | "backing-off" | "failing";

/** Whether anybody is there: open = events wait and single probes go out. */
export interface CircuitStatus {
  readonly state: "closed" | "open" | "half-open";
  /** In words, why it is not closed; null when it is. */
  readonly reason: string | null;
  /** When the next probe may go out; null unless it is open. */
  readonly nextProbeAt: TimeText | null;
}

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

/**
 * What became of the offsets of an earlier generation: `offsets` is the sum of its counters. The
 * oldest entry of a long list sums up several generations.
 */
export interface GenerationTotals {
  /** The generation; of several, the latest. */
  readonly generation: number;
  /** How many generations this entry sums up. */
  readonly generations: number;
  readonly start: number;
  /** The end of the bus when it was closed. */
  readonly next: number;
  readonly offsets: number;
  readonly closed: TimeText;
  /** `log-lost`: the log ended below what had been read, so an older copy was put in its place. */
  readonly reason: "seek" | "log-lost";
  readonly counters: {
    readonly delivered: number;
    readonly filtered: number;
    readonly dead: number;
    readonly discarded: number;
    readonly expired: number;
    readonly skipped: number;
    /** Not settled, and at or above where the next generation began: it read them again. */
    readonly readAgain: number;
  };
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
  readonly circuit: CircuitStatus;
  /** How many keys wait for an operator, and the first of them. */
  readonly blocked: { readonly count: number; readonly heads: readonly BlockedHead[] };
  readonly lastErrors: readonly Attempt[];
  readonly deadLetters: {
    /** Of all generations. */
    readonly count: number;
    readonly countMax: number;
    readonly oldest: TimeText | null;
    readonly ageMax: DurationText;
  };
  /** What needs attention before it bites, in words. */
  readonly warnings: readonly string[];
  /** Ranges that retention or damage took before they were settled. */
  readonly expiredRanges: readonly { from: number; to: number; reason: string }[];
  /** Earlier generations, the latest first. */
  readonly previous: readonly GenerationTotals[];
}

/** An event that waits for its time; it has no offset yet. */
export interface DelayedEvent {
  readonly id: string;
  /** When it is put on the bus. */
  readonly due: TimeText;
  readonly created: TimeText;
  /** The event as published, structured. */
  readonly event: JsonValue;
}

export interface DeadLetter {
  readonly id: string;
  readonly offset: number;
  /** Of the subscription; it counts there only. */
  readonly generation: number;
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

/** A redrive of dead letters, under way or over. */
export interface Replay {
  readonly id: string;
  readonly subscription: string;
  readonly kind: "dead-letters";
  /** `paused`: it goes on by itself when the subscription can be sent to again. */
  readonly state: "running" | "paused" | "done" | "cancelled" | "failed";
  readonly reason: string | null;
  readonly selection:
    | { readonly letters: readonly string[] }
    | { readonly filter: DeadLetterFilter };
  readonly ratePerSecond: number | null;
  /** Another sink; null is the subscription's own. */
  readonly sink: string | null;
  /** redriven = waiting + delivered + dead + other. */
  readonly progress: {
    /** How many letters were selected when it began. */
    readonly total: number;
    readonly redriven: number;
    readonly waiting: number;
    readonly delivered: number;
    /** Dead letters again, or still. */
    readonly dead: number;
    /** Filtered out, expired, discarded or skipped since. */
    readonly other: number;
  };
  readonly created: TimeText;
  readonly ended: TimeText | null;
}

/** All that are given must hold. Times are those at which the letters were made. */
export interface DeadLetterFilter {
  readonly from?: TimeText;
  /** Exclusive. */
  readonly to?: TimeText;
  readonly reason?: string;
  readonly type?: string;
  readonly source?: string;
  readonly generation?: number;
}

/** What became of one event, for one subscription. */
export interface SubscriptionExplanation {
  readonly subscription: string;
  readonly name: string;
  readonly generation: number;
  readonly start: number;
  readonly state:
    | "before-start"
    | "pending"
    | "waiting"
    | "in-flight"
    | "parked"
    | "delivered"
    | "filtered"
    | "dead"
    | "discarded"
    | "expired"
    | "skipped"
    /** Nothing is kept that could say how. */
    | "settled";
  readonly reason: string;
  /** When a parked event is tried again. */
  readonly until: TimeText | null;
  readonly deadLetter: string | null;
  /** Letters of it in earlier generations. */
  readonly earlierDeadLetters: readonly string[];
  /** What the subscription's filters of today say to it; null when the event is gone. */
  readonly filters: readonly { path: string; passed: boolean; reason: string }[] | null;
  /** Those that are kept, newest first. */
  readonly attempts: readonly Attempt[];
  /** What the subscription of today sends for it, secrets masked; null when it cannot be made. */
  readonly request: DeadLetter["request"];
  /** Closed generations that covered it. */
  readonly previous: readonly GenerationTotals[];
}

export interface EventExplanation {
  readonly bus: string;
  readonly offset: number;
  /** null when it cannot be read any more. */
  readonly event: {
    readonly id: string;
    readonly source: string;
    readonly type: string;
    readonly subject?: string;
  } | null;
  readonly kept: "log" | "rescued" | "expired" | "damaged";
  readonly appended: TimeText | null;
  readonly subscriptions: readonly SubscriptionExplanation[];
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
  /** Where the event is on its bus; absent for events given in the request. */
  readonly offset?: number;
  readonly passed: boolean;
  readonly clauses: readonly { path: string; passed: boolean; reason: string }[];
  readonly transformed: JsonValue;
  readonly request: DeadLetter["request"];
  readonly errors: readonly ProblemError[];
}

/** What a subscription would have done with the last events of a bus. */
export interface PlaygroundRange {
  readonly bus: string;
  /** [from, next) was tried. */
  readonly from: number;
  readonly next: number;
  /** How many events there were to try. */
  readonly events: number;
  readonly passed: number;
  /** Of those that passed, how many the transformer could not make. */
  readonly failed: number;
}
