import { Pool } from "undici";

import { decodeUtf8 } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { version } from "../../kernel/version.ts";
import { retryAfterMs } from "../retry-after.ts";
import type { FailureFacts, OpenSink, Outcome, SinkDelivery, SinkRequest } from "../sink.ts";
import { judgeStatus } from "../status-table.ts";
import type { Failure } from "./failure-words.ts";
import { describeFailure } from "./failure-words.ts";
import { GuardedConnector } from "./guarded-connector.ts";
import type { AttemptOwner, HttpAnswer } from "./http-attempt.ts";
import { HttpAttempt } from "./http-attempt.ts";
import type { SinkContext } from "./sink-kind.ts";

/** The body of one request and the headers that describe it. */
export interface EncodedRequest {
  /** Flat: name, value, name, value …; the sink adds its own to this list. */
  readonly headers: string[];
  readonly body: Buffer;
}

/** What distinguishes the protocols that are one HTTP request per event. */
export interface PushProtocol {
  encode(delivery: SinkDelivery): EncodedRequest;
  keepsBodyOf(status: number): boolean;
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
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly protocol: PushProtocol;
}

/** Names of headers whose values are not shown. */
const SECRET_HEADER = /auth|cookie|token|secret|password|signature|key/;

/** Sends each event as one HTTP/1.1 request over a pool of kept connections; follows nothing. */
export class HttpPush implements OpenSink, AttemptOwner {
  readonly #options: HttpPushOptions;
  readonly #context: SinkContext;
  readonly #url: URL;
  readonly #path: string;
  readonly #headers: readonly string[];
  readonly #connector: GuardedConnector;
  readonly #pool: Pool;
  readonly #attempts: HttpAttempt[] = [];
  readonly #idle: HttpAttempt[] = [];
  /** When the next request is to be the last one on its connection. */
  #replaceAt: number;
  readonly #replaceEveryMs: number;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(options: HttpPushOptions, context: SinkContext) {
    this.#options = options;
    this.#context = context;
    this.#url = new URL(options.url);
    this.#path = `${this.#url.pathname}${this.#url.search}`;
    const namesAgent = options.headers.some((text, at) => at % 2 === 0 && text === "user-agent");
    const agent = namesAgent ? [] : ["user-agent", `millrace/${version}`];
    this.#headers = [...agent, ...options.headers];
    const { guard, clock } = context;
    const timeoutMs = Math.min(limits.connectTimeoutMs, options.timeoutMs);
    this.#connector = new GuardedConnector({ guard, clock, timeoutMs });
    const connections = Math.min(options.concurrency, limits.concurrencyMax);
    // One connection at a time, so that each lives about as long as the limit. undici's clientTtl
    // would look at the clock for every busy connection on every request.
    this.#replaceEveryMs = limits.sinkConnectionAgeMsMax / connections;
    this.#replaceAt = clock.monotonic() + this.#replaceEveryMs;
    this.#pool = new Pool(this.#url.origin, {
      connect: this.#connector.connect,
      connections,
      pipelining: 1,
      allowH2: false,
      // The deadline of the attempt covers connecting, headers and body together.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: limits.poolIdleMs,
      maxResponseSize: limits.responseBytesMax,
    });
  }

  send(delivery: SinkDelivery, settled: (outcome: Outcome) => void): void {
    if (this.#isClosed) {
      queueMicrotask(() => settled({ outcome: "aborted", latencyMs: 0 }));
      return;
    }
    const attempt = this.#idle.pop() ?? this.#newAttempt();
    const { headers, body } = this.#encode(delivery);
    attempt.request.headers = headers;
    attempt.request.body = body;
    attempt.timeoutMs = delivery.timeoutMs;
    const now = this.#context.clock.monotonic();
    attempt.request.reset = this.#isReplacementDue(now);
    attempt.begin(now, settled);
    this.#context.deadlines.arm(attempt, now, delivery.timeoutMs);
    this.#pool.dispatch(attempt.request, attempt);
    attempt.sent();
  }

  preview(delivery: SinkDelivery): SinkRequest {
    const { headers, body } = this.#encode(delivery);
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

  keepsBodyOf(status: number): boolean {
    return this.#options.protocol.keepsBodyOf(status);
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
    const verdict = this.#options.protocol.judge(answer);
    if (verdict === undefined) return judgeByStatus(answer, this.#context.clock.now());
    if (verdict.outcome === "delivered") return { outcome: "delivered", status, latencyMs };
    const facts: FailureFacts = { ...factsOf(answer, verdict.error), failure: "response" };
    if (verdict.outcome === "rejected") return { outcome: "rejected", ...facts };
    const waitMs = retryAfterMs(answer.retryAfter, this.#context.clock.now());
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

  #newAttempt(): HttpAttempt {
    const attempt = new HttpAttempt(this, { method: this.#options.method, path: this.#path });
    this.#attempts.push(attempt);
    return attempt;
  }

  #encode(delivery: SinkDelivery): EncodedRequest {
    const encoded = this.#options.protocol.encode(delivery);
    const { headers } = encoded;
    for (const text of this.#headers) headers.push(text);
    headers.push(
      "millrace-subscription",
      delivery.subscription,
      "millrace-bus",
      delivery.bus,
      "millrace-offset",
      String(delivery.offset),
      "millrace-attempt",
      String(delivery.attempt),
    );
    return encoded;
  }

  /** Only the user's own headers can be secrets. */
  #isSecret(name: string): boolean {
    return SECRET_HEADER.test(name) && this.#options.headers.includes(name);
  }

  async #close(): Promise<void> {
    for (const attempt of this.#attempts) {
      if (attempt.isRunning) {
        attempt.abandon({ outcome: "aborted", latencyMs: attempt.latencyMs() });
      }
    }
    this.#connector.close();
    await this.#pool.destroy();
  }
}

function judgeByStatus(answer: HttpAnswer, now: number): Outcome {
  const { status, latencyMs } = answer;
  const waitMs = retryAfterMs(answer.retryAfter, now);
  const verdict = judgeStatus(status, { asksToWait: waitMs !== undefined });
  if (verdict === "delivered") return { outcome: "delivered", status, latencyMs };
  const facts = factsOf(answer, `answered ${status}`);
  switch (verdict) {
    case "retry":
    case "hold":
      return { outcome: verdict, retryAfterMs: waitMs, ...facts };
    case "gone":
    case "rejected":
      return { outcome: verdict, ...facts };
    case "redirect":
      return { outcome: "rejected", ...facts, error: describeRedirect(answer) };
  }
}

function factsOf(answer: HttpAnswer, error: string): FailureFacts {
  const { status, latencyMs, excerpt } = answer;
  return { status, latencyMs, error, failure: "status", response: excerpt };
}

function describeRedirect({ status, location }: HttpAnswer): string {
  const goal = location === undefined ? "" : ` to ${location.slice(0, locationLengthMax)}`;
  return `answered ${status}: redirect${goal}; redirects are not followed`;
}

const locationLengthMax = 200;
