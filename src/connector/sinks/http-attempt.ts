import type { Dispatcher } from "undici";

import { assert } from "../../kernel/assert.ts";
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
  /** The start of the body, as much as the protocol keeps. */
  readonly body: string | undefined;
  /** False when the body broke off, was cut at limits.responseBytesMax or ran out of time. */
  readonly isComplete: boolean;
}

/** What an attempt needs of the sink it belongs to. */
export interface AttemptOwner {
  now(): number;
  /** How much of the body of an answer with this status is kept for `judge` and for people. */
  bytesKeptOf(status: number): number;
  judge(answer: HttpAnswer): Outcome;
  describe(error: Error): Failure;
  timedOut(attempt: HttpAttempt): void;
  release(attempt: HttpAttempt): void;
}

/** `answer` is undefined when none came. */
export type AttemptCallback = (outcome: Outcome, answer: HttpAnswer | undefined) => void;

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
  #settled: AttemptCallback | undefined = undefined;
  #isSending = false;
  #startedAt = 0;
  #controller: Dispatcher.DispatchController | undefined = undefined;
  #status = 0;
  #retryAfter: string | readonly string[] | undefined = undefined;
  #location: string | undefined = undefined;
  #body: Buffer | undefined = undefined;
  #bodyBytes = 0;
  #bytesKept = 0;
  #answer: HttpAnswer | undefined = undefined;

  constructor(owner: AttemptOwner, request: Pick<Dispatcher.DispatchOptions, "method" | "path">) {
    this.#owner = owner;
    this.request = { ...request, headers: [], body: null };
  }

  get isRunning(): boolean {
    return this.#state === "running";
  }

  begin(startedAt: number, settled: AttemptCallback): void {
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
    const answer = this.#answer;
    // Without a controller the request still waits for a connection: onRequestStart ends it then.
    this.#controller?.abort(givenUp);
    tell(verdict, answer);
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
    this.#bytesKept = this.#owner.bytesKeptOf(status);
    if (status < 300) return;
    this.#retryAfter = headers["retry-after"];
    const location = headers["location"];
    this.#location = Array.isArray(location) ? location[0] : location;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.#bytesKept - this.#bodyBytes;
    if (room <= 0) return;
    this.#body ??= Buffer.allocUnsafe(this.#bytesKept);
    this.#bodyBytes += chunk.copy(this.#body, this.#bodyBytes, 0, room);
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
    const answer = {
      status: this.#status,
      latencyMs: this.latencyMs(),
      retryAfter: this.#retryAfter,
      location: this.#location,
      body: this.#body?.toString("utf8", 0, this.#bodyBytes),
      isComplete,
    };
    this.#answer = answer;
    return this.#owner.judge(answer);
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
    const answer = this.#answer;
    this.#recycle();
    tell(outcome, answer);
  }

  /** The callback, made safe: never before send has returned, and never swallowed by undici. */
  #takeSettled(): AttemptCallback {
    const settled = this.#settled;
    assert(settled !== undefined, "an attempt settles once");
    this.#settled = undefined;
    if (this.#isSending) {
      return (outcome, answer) => queueMicrotask(() => settled(outcome, answer));
    }
    return (outcome, answer) => callOrCrash(settled, outcome, answer);
  }

  #recycle(): void {
    this.#state = "idle";
    this.#controller = undefined;
    this.#status = 0;
    this.#retryAfter = undefined;
    this.#location = undefined;
    this.#bodyBytes = 0;
    this.#body = undefined;
    this.#bytesKept = 0;
    this.#answer = undefined;
    this.request.body = null;
    this.#owner.release(this);
  }
}

/**
 * undici would take what a callback throws for a failure of the response and carry on; a programmer
 * error in delivery must stop the process instead of losing the outcome.
 */
function callOrCrash(
  settled: AttemptCallback,
  outcome: Outcome,
  answer: HttpAnswer | undefined,
): void {
  try {
    settled(outcome, answer);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
