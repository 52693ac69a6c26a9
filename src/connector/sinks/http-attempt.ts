import type { Dispatcher } from "undici";

import { assert } from "../../kernel/assert.ts";
import { limits } from "../../kernel/limits.ts";
import type { Deadline } from "../deadlines.ts";
import { unarmed } from "../deadlines.ts";
import type { Outcome } from "../sink.ts";
import type { Failure } from "./failure-words.ts";

/** A final answer as a protocol judges it. */
export interface HttpAnswer {
  readonly status: number;
  readonly latencyMs: number;
  readonly retryAfter: string | readonly string[] | undefined;
  readonly location: string | undefined;
  /** The start of the body, where the protocol keeps it. */
  readonly excerpt: string | undefined;
  /** False when the body broke off, was cut at limits.responseBytesMax or ran out of time. */
  readonly isComplete: boolean;
}

/** What an attempt needs of the sink it belongs to. */
export interface AttemptOwner {
  now(): number;
  keepsBodyOf(status: number): boolean;
  judge(answer: HttpAnswer): Outcome;
  describe(error: Error): Failure;
  timedOut(attempt: HttpAttempt): void;
  release(attempt: HttpAttempt): void;
}

/** Why the broker itself breaks off a request. */
class GivenUp extends Error {
  override readonly name = "GivenUp";
}
const givenUp = new GivenUp("the broker gave up this request");

/**
 * One request under way, reused for the next: undici's handler, the deadline of the attempt and
 * the options of the request in one object, so that sending allocates next to nothing.
 *
 *   idle ──begin──▶ running ──the answer ends, or an error──▶ idle (and settled)
 *                     │
 *                     └──timed out, or the sink closes──▶ abandoned (settled) ──undici lets go──▶ idle
 *
 * Once a final status has come, the status decides, whatever happens to the rest of the answer.
 */
export class HttpAttempt implements Dispatcher.DispatchHandler, Deadline {
  dueAt = 0;
  next: Deadline | undefined = undefined;
  previous: Deadline | undefined = undefined;
  slot: number = unarmed;

  readonly request: Dispatcher.DispatchOptions;
  timeoutMs = 0;

  readonly #owner: AttemptOwner;
  #state: "idle" | "running" | "abandoned" = "idle";
  #settled: ((outcome: Outcome) => void) | undefined = undefined;
  #isSending = false;
  #startedAt = 0;
  #controller: Dispatcher.DispatchController | undefined = undefined;
  #status = 0;
  #retryAfter: string | readonly string[] | undefined = undefined;
  #location: string | undefined = undefined;
  #excerpt: Buffer | undefined = undefined;
  #excerptBytes = 0;
  #keepsBody = false;

  constructor(owner: AttemptOwner, request: Pick<Dispatcher.DispatchOptions, "method" | "path">) {
    this.#owner = owner;
    this.request = { ...request, headers: [], body: null };
  }

  get isRunning(): boolean {
    return this.#state === "running";
  }

  begin(startedAt: number, settled: (outcome: Outcome) => void): void {
    assert(this.#state === "idle", "an attempt is reused only when undici has let go of it");
    this.#state = "running";
    this.#settled = settled;
    this.#startedAt = startedAt;
    this.#isSending = true;
  }

  /** The call of send is over: from here on outcomes may be told at once. */
  sent(): void {
    this.#isSending = false;
  }

  onDeadline(): void {
    this.#owner.timedOut(this);
  }

  /** Settles with `outcome` (or by the status, if one has come) and breaks the request off. */
  abandon(outcome: Outcome): void {
    if (this.#state !== "running") return;
    const verdict = this.#status === 0 ? outcome : this.#judge({ isComplete: false });
    this.#state = "abandoned";
    const tell = this.#takeSettled();
    // Without a controller the request still waits for a connection: onRequestStart ends it then.
    this.#controller?.abort(givenUp);
    tell(verdict);
  }

  latencyMs(): number {
    return this.#owner.now() - this.#startedAt;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#state === "abandoned") controller.abort(givenUp);
    else this.#controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // Informational answers (103 …) say nothing yet.
    if (status < 200 || this.#state !== "running") return;
    this.#status = status;
    this.#keepsBody = this.#owner.keepsBodyOf(status);
    if (status < 300) return;
    this.#retryAfter = headers["retry-after"];
    const location = headers["location"];
    this.#location = Array.isArray(location) ? location[0] : location;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = limits.responseExcerptBytesMax - this.#excerptBytes;
    if (!this.#keepsBody || room <= 0) return;
    this.#excerpt ??= Buffer.allocUnsafe(limits.responseExcerptBytesMax);
    this.#excerptBytes += chunk.copy(this.#excerpt, this.#excerptBytes, 0, room);
  }

  onResponseEnd(): void {
    if (this.#state === "running") this.#finish(this.#judge({ isComplete: true }));
    else this.#recycle();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#state !== "running") {
      if (this.#state === "abandoned") this.#recycle();
      return;
    }
    const hasStatus = this.#status !== 0;
    this.#finish(hasStatus ? this.#judge({ isComplete: false }) : this.#fail(error));
  }

  #judge({ isComplete }: { readonly isComplete: boolean }): Outcome {
    return this.#owner.judge({
      status: this.#status,
      latencyMs: this.latencyMs(),
      retryAfter: this.#retryAfter,
      location: this.#location,
      excerpt: this.#excerpt?.toString("utf8", 0, this.#excerptBytes),
      isComplete,
    });
  }

  #fail(error: Error): Outcome {
    const { kind, sentence, isPermanent } = this.#owner.describe(error);
    const facts = {
      status: undefined,
      latencyMs: this.latencyMs(),
      error: sentence,
      failure: kind,
      response: undefined,
    };
    return isPermanent === true
      ? { outcome: "rejected", ...facts }
      : { outcome: "retry", retryAfterMs: undefined, ...facts };
  }

  #finish(outcome: Outcome): void {
    const tell = this.#takeSettled();
    this.#recycle();
    tell(outcome);
  }

  /** The callback, made safe: never before send has returned, and never swallowed by undici. */
  #takeSettled(): (outcome: Outcome) => void {
    const settled = this.#settled;
    assert(settled !== undefined, "an attempt settles once");
    this.#settled = undefined;
    if (this.#isSending) return (outcome) => queueMicrotask(() => settled(outcome));
    return (outcome) => callOrCrash(settled, outcome);
  }

  #recycle(): void {
    this.#state = "idle";
    this.#controller = undefined;
    this.#status = 0;
    this.#retryAfter = undefined;
    this.#location = undefined;
    this.#excerptBytes = 0;
    this.#excerpt = undefined;
    this.#keepsBody = false;
    this.request.body = null;
    this.#owner.release(this);
  }
}

/**
 * undici would take what a callback throws for a failure of the response and carry on; a programmer
 * error in delivery must stop the process instead of losing the outcome.
 */
function callOrCrash(settled: (outcome: Outcome) => void, outcome: Outcome): void {
  try {
    settled(outcome);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
