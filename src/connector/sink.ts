import type { CloudEvent } from "../event/event.ts";
import type { BusName, Offset, SubscriptionId } from "../kernel/ids.ts";

/** One event on its way to one sink. */
export interface SinkDelivery {
  readonly event: CloudEvent;
  readonly subscription: SubscriptionId;
  readonly bus: BusName;
  readonly offset: Offset;
  /** From 1. */
  readonly attempt: number;
  readonly timeoutMs: number;
}

/**
 * What one attempt came to. The sink knows its protocol, so it decides between these; what follows
 * (waiting, dead letter, holding the subscription) is delivery's business.
 */
export type Outcome =
  | DeliveredOutcome
  /** Try again later: connection errors, timeouts, 404, 408, 409, 425, 5xx. */
  | (FailureFacts & { readonly outcome: "retry"; readonly retryAfterMs: number | undefined })
  /** 429, or 503 with Retry-After: the whole subscription waits and no attempt is burnt. */
  | (FailureFacts & { readonly outcome: "hold"; readonly retryAfterMs: number | undefined })
  /** It will never be taken: dead letter. */
  | (FailureFacts & { readonly outcome: "rejected" })
  /** 410: the consumer wants nothing more; the subscription pauses, the event stays pending. */
  | (FailureFacts & { readonly outcome: "gone" })
  /** Given up because the sink is closing; as if it had not been tried. */
  | { readonly outcome: "aborted"; readonly latencyMs: number };

export interface DeliveredOutcome {
  readonly outcome: "delivered";
  readonly status: number | undefined;
  readonly latencyMs: number;
}

export interface FailureFacts {
  readonly status: number | undefined;
  readonly latencyMs: number;
  /** One sentence: "connection refused by 127.0.0.1:9999", "answered 503". */
  readonly error: string;
  /** What kind of failure, for the circuit and for metrics. */
  readonly failure: "connect" | "timeout" | "status" | "protocol" | "address" | "response";
  /** The start of the response body, at most limits.responseExcerptBytesMax. */
  readonly response: string | undefined;
}

/** The request as it would be sent, for dead letters and the playground; secrets are masked. */
export interface SinkRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How much goes into one request of a sink that takes batches. */
export interface BatchLimits {
  readonly maxEvents: number;
  /** Of the body. An event that is larger by itself goes alone. */
  readonly maxBytes: number;
  /** How long the first event of a batch may wait for others. */
  readonly lingerMs: number;
}

export interface OpenSink {
  /** Undefined unless the sink takes several events in one request. */
  readonly batch: BatchLimits | undefined;
  /**
   * Sends one event and calls back exactly once, never before it has returned, within timeoutMs
   * (plus a little). A callback instead of a promise: this is the hot door.
   */
  send(delivery: SinkDelivery, settled: (outcome: Outcome) => void): void;
  /**
   * Sends several events of one subscription in one request and calls back exactly once, never
   * before it has returned, with the outcomes in the order of the deliveries. The events beyond
   * what fits into `batch.maxBytes` come back as `aborted`, at least one is always sent. Only for
   * sinks with `batch`; their `send` makes a batch of one.
   */
  sendBatch(
    deliveries: readonly SinkDelivery[],
    settled: (outcomes: readonly Outcome[]) => void,
  ): void;
  /** The request that send would make. */
  preview(delivery: SinkDelivery): SinkRequest;
  /** Aborts what is under way (settled with `aborted`) and closes all sockets. Idempotent. */
  close(): Promise<void>;
}
