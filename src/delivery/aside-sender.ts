import type { OpenSink, Outcome, SinkDelivery } from "../connector/sink.ts";
import type { DeadLetterState } from "../engine/engine.ts";
import { createEventView } from "../event/event-view.ts";
import type { Disposable } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import { deliveredAttempt, failedAttempt } from "./attempts.ts";
import type { DeadLetterDetails, SubscriptionPlan } from "./contract.ts";
import { findEvent } from "./find-event.ts";
import type { LetterDeskParts } from "./letter-desk-parts.ts";
import { transformed } from "./transformed.ts";

/** Where a letter's event goes: the plan's own sink, or another one. */
export interface AsideTarget {
  readonly plan: SubscriptionPlan;
  readonly sink: OpenSink | undefined;
}

/** `other`: there is no event to send; `stopped`: given up, it is sent again after the restart. */
export type AsideResult = "delivered" | "dead" | "other" | "stopped";

/** The wait before another try, unless the answer asks for more. */
const retryDelayMs = 1000;

/**
 * Sends the events of letters outside of the subscription's own deliveries: nothing is parked, and
 * no counter moves here. Its attempts are logged as not counted.
 */
export class AsideSender {
  readonly #parts: LetterDeskParts;
  readonly #waits: Map<Disposable, () => void> = new Map();
  #isStopped = false;

  constructor(parts: LetterDeskParts) {
    this.#parts = parts;
  }

  async send(letter: DeadLetterState, target: AsideTarget): Promise<AsideResult> {
    const found = await findEvent(this.#parts, letter.offset);
    if (found.found === "nothing") return "other";
    const { attempts } = JSON.parse(letter.details) as DeadLetterDetails;
    const eventId = attempts.at(-1)?.eventId ?? found.event.id;
    // An older copy of the log may have another event at this offset.
    if (found.event.id !== eventId) return "other";
    const result = transformed(target.plan, createEventView(found.event));
    if (!result.ok) return "dead";
    const request = {
      event: result.event,
      subscription: target.plan.id,
      bus: this.#parts.bus,
      offset: letter.offset,
      timeoutMs: target.plan.timeoutMs,
    };
    return this.#try(request, { eventId, sink: target.sink ?? target.plan.sink });
  }

  /** Nothing is tried again; what is under way ends by itself. */
  stop(): void {
    this.#isStopped = true;
    for (const [timer, resolve] of this.#waits) {
      timer.dispose();
      resolve();
    }
    this.#waits.clear();
  }

  async #try(
    request: Omit<SinkDelivery, "attempt">,
    { eventId, sink }: { readonly eventId: string; readonly sink: OpenSink },
  ): Promise<AsideResult> {
    for (let attempt = 1; ; attempt += 1) {
      if (this.#isStopped) return "stopped";
      const startedAt = this.#parts.clock.now();
      const outcome = await sendOnce(sink, { ...request, attempt });
      this.#log({ startedAt, offset: request.offset, eventId, attempt }, request, outcome);
      if (outcome.outcome === "delivered") return "delivered";
      if (outcome.outcome === "rejected" || outcome.outcome === "gone") return "dead";
      if (attempt >= limits.replaySendAttemptsMax) return "dead";
      const asked = "retryAfterMs" in outcome ? (outcome.retryAfterMs ?? 0) : 0;
      await this.#wait(Math.min(limits.holdMsMax, Math.max(asked, retryDelayMs * attempt)));
    }
  }

  #log(
    facts: Parameters<typeof deliveredAttempt>[0],
    { subscription }: Omit<SinkDelivery, "attempt">,
    outcome: Outcome,
  ): void {
    const { attemptLog } = this.#parts;
    if (outcome.outcome === "aborted") return;
    const { sampling } = this.#parts.consumer(subscription);
    if (outcome.outcome === "delivered") {
      const attempt = { ...deliveredAttempt(facts, outcome), counted: false };
      attemptLog.succeeded(subscription, sampling, attempt);
      return;
    }
    const kind = { outcome: "retry", counted: false } as const;
    attemptLog.failed(subscription, sampling, failedAttempt(facts, outcome, kind));
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(delayMs, () => {
        this.#waits.delete(timer);
        resolve();
      });
      this.#waits.set(timer, resolve);
    });
  }
}

function sendOnce(sink: OpenSink, request: SinkDelivery): Promise<Outcome> {
  return new Promise((resolve) => {
    sink.send(request, resolve);
  });
}
