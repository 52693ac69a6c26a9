import { Pool } from "undici";

import type { CloudEvent } from "../../event/event.ts";
import { assert } from "../../kernel/assert.ts";
import { decodeUtf8 } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { version } from "../../kernel/version.ts";
import { retryAfterMs } from "../retry-after.ts";
import { webhookBatchId, webhookId } from "../signing.ts";
import type { BatchLimits, OpenSink, Outcome, SinkDelivery, SinkRequest } from "../sink.ts";
import type { StatusTable } from "../status-table.ts";
import { factsOf, judgeByStatus } from "./answer-outcome.ts";
import { outcomesOfBatch } from "./batch-answer.ts";
import { encodeDeliveries } from "./batch-body.ts";
import type { EncodedRequest } from "./encoded-request.ts";
import type { Failure } from "./failure-words.ts";
import { describeFailure } from "./failure-words.ts";
import { GuardedConnector } from "./guarded-connector.ts";
import type { AttemptCallback, AttemptOwner, HttpAnswer } from "./http-attempt.ts";
import { HttpAttempt } from "./http-attempt.ts";
import { KeptPool } from "./kept-pool.ts";
import type { RequestSecrets } from "./request-secrets.ts";
import type { SinkContext } from "./sink-kind.ts";
import { HEADER_VALUE } from "./sink-settings.ts";

/** What distinguishes the protocols that are HTTP requests. */
export interface PushProtocol {
  /** One event; of a sink that takes batches never asked. */
  encode(delivery: SinkDelivery): EncodedRequest;
  bytesKeptOf(status: number): number;
  /** Overrules the status table; undefined leaves the answer to it. */
  judge(answer: HttpAnswer): ProtocolVerdict | undefined;
}

export interface ProtocolVerdict {
  readonly outcome: "delivered" | "retry" | "rejected";
  readonly error: string;
}

export interface HttpPushOptions {
  readonly url: string;
  readonly method: "POST" | "PUT" | "PATCH";
  /** The user's, flat and lower-case. */
  readonly headers: readonly string[];
  readonly secrets: RequestSecrets;
  readonly statuses: StatusTable;
  /** Each request carries a list of events. */
  readonly batch: BatchLimits | undefined;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly protocol: PushProtocol;
}

/** Names of headers whose values are not shown. */
const SECRET_HEADER = /auth|cookie|token|secret|password|signature|key/;

/** Sends events as HTTP/1.1 requests over a pool of kept connections; follows nothing. */
export class HttpPush implements OpenSink, AttemptOwner {
  readonly batch: BatchLimits | undefined;
  readonly #options: HttpPushOptions;
  readonly #context: SinkContext;
  readonly #url: URL;
  readonly #path: string;
  /** Names of the headers that the user has chosen, the credential's among them. */
  readonly #chosen: ReadonlySet<string>;
  readonly #headers: readonly string[];
  readonly #connector: GuardedConnector;
  readonly #pool: KeptPool;
  readonly #attempts: HttpAttempt[] = [];
  readonly #idle: HttpAttempt[] = [];
  /** When the next request is to be the last one on its connection. */
  #replaceAt: number;
  readonly #replaceEveryMs: number;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(options: HttpPushOptions, context: SinkContext) {
    this.batch = options.batch;
    this.#options = options;
    this.#context = context;
    this.#url = new URL(options.url);
    this.#path = `${this.#url.pathname}${this.#url.search}`;
    const credential = options.secrets.credential ?? [];
    const chosen = [...options.headers, ...credential];
    this.#chosen = new Set(chosen.filter((_, at) => at % 2 === 0));
    const agent = this.#chosen.has("user-agent") ? [] : ["user-agent", `millrace/${version}`];
    this.#headers = [...agent, ...chosen];
    const { guard, clock } = context;
    const timeoutMs = Math.min(limits.connectTimeoutMs, options.timeoutMs);
    this.#connector = new GuardedConnector({ guard, clock, timeoutMs });
    // One connection at a time, so that each lives about as long as the limit. undici's clientTtl
    // would look at the clock for every busy connection on every request.
    this.#replaceEveryMs = limits.sinkConnectionAgeMsMax / this.#connections;
    this.#replaceAt = clock.monotonic() + this.#replaceEveryMs;
    this.#pool = new KeptPool({
      clock,
      make: () => this.#newPool(),
      isInUse: () => this.#idle.length < this.#attempts.length,
      onLetGo: () => {
        // They hold on to the last events that they sent.
        this.#attempts.length = 0;
        this.#idle.length = 0;
      },
    });
  }

  send(delivery: SinkDelivery, settled: (outcome: Outcome) => void): void {
    if (this.#isClosed) {
      queueMicrotask(() => settled({ outcome: "aborted", latencyMs: 0 }));
    } else if (this.batch === undefined) {
      this.#dispatch(this.#encode(delivery), delivery.timeoutMs, settled);
    } else {
      this.sendBatch([delivery], ([outcome]) => {
        assert(outcome !== undefined, "a batch of one has one outcome");
        settled(outcome);
      });
    }
  }

  sendBatch(
    deliveries: readonly SinkDelivery[],
    settled: (outcomes: readonly Outcome[]) => void,
  ): void {
    const [first] = deliveries;
    assert(first !== undefined && this.batch !== undefined, "batches go to sinks that take them");
    if (this.#isClosed) {
      queueMicrotask(() => settled(deliveries.map(notTried)));
      return;
    }
    const { count, ...encoded } = this.#encodeBatch(deliveries, this.batch);
    this.#dispatch(encoded, first.timeoutMs, (outcome, answer) => {
      const outcomes = outcomesOfBatch(outcome, answer, count);
      settled([...outcomes, ...deliveries.slice(count).map(notTried)]);
    });
  }

  preview(delivery: SinkDelivery): SinkRequest {
    const { batch } = this;
    const { headers, body } =
      batch === undefined ? this.#encode(delivery) : this.#encodeBatch([delivery], batch);
    const shown: Record<string, string> = {};
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at] ?? "";
      shown[name] = this.#isSecret(name) ? "***" : (headers[at + 1] ?? "");
    }
    const { method } = this.#options;
    const text = decodeUtf8(body) ?? body.toString("base64");
    return { method, url: this.#url.href, headers: shown, body: text };
  }

  close(): Promise<void> {
    // The flag comes first: what is told of its abortion may want to send at once.
    this.#isClosed = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  now(): number {
    return this.#context.clock.monotonic();
  }

  bytesKeptOf(status: number): number {
    return this.#options.protocol.bytesKeptOf(status);
  }

  describe(error: Error): Failure {
    return describeFailure(error, this.#where);
  }

  timedOut(attempt: HttpAttempt): void {
    const error = `no answer from ${this.#where} within ${attempt.timeoutMs} ms`;
    attempt.abandon({
      outcome: "retry",
      retryAfterMs: undefined,
      status: undefined,
      latencyMs: attempt.latencyMs(),
      error,
      failure: "timeout",
      response: undefined,
    });
  }

  release(attempt: HttpAttempt): void {
    this.#context.deadlines.disarm(attempt);
    this.#idle.push(attempt);
  }

  judge(answer: HttpAnswer): Outcome {
    const { status, latencyMs } = answer;
    const now = this.#context.clock.now();
    const verdict = this.#options.protocol.judge(answer);
    if (verdict === undefined) return judgeByStatus(answer, this.#options.statuses, now);
    if (verdict.outcome === "delivered") return { outcome: "delivered", status, latencyMs };
    const facts = { ...factsOf(answer, verdict.error), failure: "response" as const };
    if (verdict.outcome === "rejected") return { outcome: "rejected", ...facts };
    const waitMs = retryAfterMs(answer.retryAfter, now);
    return { outcome: "retry", retryAfterMs: waitMs, ...facts };
  }

  get #where(): string {
    return this.#url.host;
  }

  /** A connection that is kept for ever would never notice that the name has moved. */
  #isReplacementDue(now: number): boolean {
    if (now < this.#replaceAt) return false;
    this.#replaceAt = now + this.#replaceEveryMs;
    return true;
  }

  get #connections(): number {
    return Math.min(this.#options.concurrency, limits.concurrencyMax);
  }

  #newPool(): Pool {
    return new Pool(this.#url.origin, {
      connect: this.#connector.connect,
      connections: this.#connections,
      pipelining: 1,
      allowH2: false,
      // The deadline of the attempt covers connecting, headers and body together.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: limits.poolIdleMs,
      maxResponseSize: limits.responseBytesMax,
    });
  }

  #newAttempt(): HttpAttempt {
    const attempt = new HttpAttempt(this, { method: this.#options.method, path: this.#path });
    this.#attempts.push(attempt);
    return attempt;
  }

  #dispatch(encoded: EncodedRequest, timeoutMs: number, settled: AttemptCallback): void {
    const attempt = this.#idle.pop() ?? this.#newAttempt();
    attempt.request.headers = encoded.headers;
    attempt.request.body = encoded.body;
    attempt.timeoutMs = timeoutMs;
    const now = this.#context.clock.monotonic();
    attempt.request.reset = this.#isReplacementDue(now);
    attempt.begin(now, settled);
    this.#context.deadlines.arm(attempt, now, timeoutMs);
    this.#pool.use(now).dispatch(attempt.request, attempt);
    attempt.sent();
  }

  #encode(delivery: SinkDelivery): EncodedRequest {
    const encoded = this.#options.protocol.encode(delivery);
    const { headers } = encoded;
    this.#addHeaders(headers, delivery);
    const { offset, attempt, event } = delivery;
    headers.push("millrace-offset", String(offset), "millrace-attempt", String(attempt));
    continueTrace(headers, event, this.#chosen);
    if (this.#options.secrets.signer !== undefined) this.#sign(encoded, idOf(delivery));
    return encoded;
  }

  #encodeBatch(
    deliveries: readonly SinkDelivery[],
    { maxBytes }: BatchLimits,
  ): EncodedRequest & { readonly count: number } {
    const encoded = encodeDeliveries(deliveries, maxBytes);
    const { headers, offsets, count } = encoded;
    const sent = deliveries.slice(0, count);
    const [first] = sent;
    assert(first !== undefined, "a batch has events");
    this.#addHeaders(headers, first);
    const attempt = sent.reduce((highest, each) => Math.max(highest, each.attempt), 1);
    headers.push("millrace-offsets", offsets, "millrace-attempt", String(attempt));
    if (this.#options.secrets.signer !== undefined) {
      this.#sign(encoded, webhookBatchId(sent.map(idOf)));
    }
    return encoded;
  }

  /** What every request of this sink carries. */
  #addHeaders(headers: string[], { subscription, bus }: SinkDelivery): void {
    for (const text of this.#headers) headers.push(text);
    headers.push("millrace-subscription", subscription, "millrace-bus", bus);
  }

  #sign({ headers, body }: EncodedRequest, id: string): void {
    const timestamp = String(Math.floor(this.#context.clock.now() / 1000));
    const signature = this.#options.secrets.signer?.sign(id, timestamp, body) ?? "";
    headers.push("webhook-id", id, "webhook-timestamp", timestamp, "webhook-signature", signature);
  }

  /** Only the user's own headers can be secrets, and what proves that a request is ours. */
  #isSecret(name: string): boolean {
    if (name === "webhook-signature" || name === this.#options.secrets.credential?.[0]) return true;
    return SECRET_HEADER.test(name) && this.#chosen.has(name);
  }

  async #close(): Promise<void> {
    for (const attempt of this.#attempts) {
      if (attempt.isRunning) {
        attempt.abandon({ outcome: "aborted", latencyMs: attempt.latencyMs() });
      }
    }
    this.#connector.close();
    await this.#pool.close();
  }
}

/**
 * The trace that the event came with goes on (Distributed Tracing extension): the attributes stay as
 * they are, and the headers of the same names continue them on the way.
 */
function continueTrace(
  headers: string[],
  { extensions }: CloudEvent,
  chosen: ReadonlySet<string>,
): void {
  if (extensions.size === 0) return;
  for (const name of traceHeaders) {
    const value = extensions.get(name);
    if (typeof value !== "string" || !HEADER_VALUE.test(value)) continue;
    if (!chosen.has(name)) headers.push(name, value);
  }
}

const traceHeaders = ["traceparent", "tracestate"];

function idOf(delivery: SinkDelivery): string {
  const { event } = delivery;
  return webhookId({ ...delivery, source: event.source, id: event.id });
}

function notTried(): Outcome {
  return { outcome: "aborted", latencyMs: 0 };
}
