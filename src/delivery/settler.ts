import type { Attempt } from "../api/api.ts";
import type { FailureFacts, Outcome, SinkRequest } from "../connector/sink.ts";
import type { DeadLetterState } from "../engine/engine.ts";
import type { Clock } from "../kernel/clock.ts";
import type { SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Random } from "../kernel/random.ts";
import type { TransformFailure } from "../transform/transformer.ts";
import { deliveredAttempt, failedAttempt, historyMax, withAttempt } from "./attempts.ts";
import type { AttemptFacts } from "./attempts.ts";
import type { Consumer } from "./consumer.ts";
import type { AttemptNotice } from "./contract.ts";
import { createLetter, previewOf } from "./dead-letter.ts";
import type { Delivery } from "./entry.ts";
import type { FlightFacts } from "./flight.ts";
import { onAborted, onAnswer, onConnectionFailure, onHold, onSuccess } from "./pace.ts";
import type { PaceInput } from "./pace.ts";
import { afterFailure, causeOf } from "./retry-policy.ts";
import type { EndReason, RetryOutcome } from "./retry-policy.ts";
import type { SteadyTime } from "./steady-time.ts";

export interface SettlerOptions {
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly random: Random;
  readonly onAttempt: ((notice: AttemptNotice) => void) | undefined;
  readonly onLetter: (letter: DeadLetterState) => void;
  /** Its state is no longer what is stored. */
  readonly onChanged: (consumer: Consumer) => void;
  /** There is nobody to send to for now. */
  readonly onDormant: (consumer: Consumer) => void;
  readonly onGone: (subscription: SubscriptionId) => void;
}

type HoldOutcome = Extract<Outcome, { readonly outcome: "hold" }>;

interface Ending {
  readonly reason: EndReason;
  readonly attempt: AttemptFacts;
  readonly failure: Omit<FailureFacts, "failure">;
  readonly request: SinkRequest | null;
  readonly revision: number;
}

/** Decides what follows from the outcome of an attempt, and writes it into the consumer. */
export class Settler {
  readonly #options: SettlerOptions;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  settle(facts: FlightFacts, outcome: Outcome): void {
    const { consumer } = facts;
    switch (outcome.outcome) {
      case "delivered":
        this.#delivered(facts, outcome);
        break;
      case "retry":
        this.#failed(facts, outcome);
        break;
      case "hold":
        this.#held(facts, outcome);
        break;
      case "rejected":
        onAnswer(consumer.pace);
        this.#end(consumer, facts.delivery, {
          reason: "rejected",
          attempt: attemptOf(facts),
          failure: outcome,
          request: this.#preview(facts),
          revision: facts.plan.revision,
        });
        break;
      case "gone":
        this.#gone(facts, outcome);
        break;
      case "aborted":
        // A replaced sink gives up what it carried; with the same sink it may do so for a while.
        if (facts.plan === consumer.plan) onAborted(consumer.pace, this.#options.time.now());
        consumer.putBack(facts.delivery);
        break;
    }
    this.#options.onChanged(consumer);
    if (consumer.isDormant()) this.#options.onDormant(consumer);
  }

  /** The filter changed since the event was matched, and it does not pass any more. */
  filteredOut(consumer: Consumer, delivery: Delivery): void {
    consumer.filterOut(delivery);
    this.#options.onChanged(consumer);
  }

  transformFailed(consumer: Consumer, delivery: Delivery, failure: TransformFailure): void {
    const attempt: AttemptFacts = {
      startedAt: this.#options.clock.now(),
      offset: delivery.offset,
      eventId: delivery.live?.view.event.id ?? "",
      attempt: (delivery.retry?.attempts ?? 0) + 1,
    };
    this.#end(consumer, delivery, {
      reason: "transform",
      attempt,
      failure: {
        status: undefined,
        latencyMs: 0,
        error: `${failure.path}: ${failure.message}`,
        response: undefined,
      },
      request: null,
      revision: consumer.plan.revision,
    });
    this.#options.onChanged(consumer);
  }

  #delivered(
    facts: FlightFacts,
    outcome: Extract<Outcome, { readonly outcome: "delivered" }>,
  ): void {
    const { consumer, delivery } = facts;
    const { onAttempt } = this.#options;
    // Before the event is let go of: the notice names it.
    const attempt =
      onAttempt === undefined ? undefined : deliveredAttempt(attemptOf(facts), outcome);
    consumer.succeed(delivery);
    const { recovered } = onSuccess(consumer.pace, consumer.plan.concurrency);
    if (recovered) consumer.hurryConnectionRetries();
    if (attempt !== undefined) onAttempt?.({ subscription: consumer.plan.id, attempt });
  }

  #failed(facts: FlightFacts, outcome: RetryOutcome): void {
    const { consumer, delivery } = facts;
    const now = this.#options.time.now();
    const cause = causeOf(outcome);
    if (cause === "connection") {
      const { began } = onConnectionFailure(consumer.pace, this.#paceInput(facts));
      if (began) consumer.early.clear();
    } else {
      onAnswer(consumer.pace);
    }
    const stillMs = consumer.stillMs(now);
    const before = delivery.retry;
    const attempts = (before?.attempts ?? 0) + 1;
    const firstAttemptAt = before?.firstAttemptAt ?? facts.startedAt;
    const stillMsAtFirst = before?.stillMsAtFirst ?? stillMs;
    const verdict = afterFailure(outcome, {
      plan: consumer.plan.retry,
      attempts,
      ageMs: now - firstAttemptAt - (stillMs - stillMsAtFirst),
      now,
      random: this.#options.random,
    });
    if (verdict.verdict === "end") {
      this.#end(consumer, delivery, {
        reason: verdict.reason,
        attempt: attemptOf(facts),
        failure: outcome,
        request: this.#preview(facts),
        revision: facts.plan.revision,
      });
      return;
    }
    const attempt = failedAttempt(attemptOf(facts), outcome, { outcome: "retry", counted: true });
    consumer.park(delivery, {
      attempts,
      firstAttemptAt,
      stillMsAtFirst,
      appendedAt: before?.appendedAt ?? delivery.live?.time ?? firstAttemptAt,
      dueAt: verdict.dueAt,
      cause,
      history: withAttempt(before?.history ?? [], attempt, historyMax(consumer.retries.size)),
    });
    this.#report(consumer, attempt);
  }

  #held(facts: FlightFacts, outcome: HoldOutcome): void {
    const { consumer, delivery } = facts;
    const input = this.#paceInput(facts);
    consumer.change(input.now, () => onHold(consumer.pace, outcome.retryAfterMs, input));
    this.#report(consumer, failedAttempt(attemptOf(facts), outcome, uncounted));
    consumer.putBack(delivery);
  }

  #gone(facts: FlightFacts, outcome: Extract<Outcome, { readonly outcome: "gone" }>): void {
    const { consumer, delivery } = facts;
    this.#report(consumer, failedAttempt(attemptOf(facts), outcome, uncounted));
    consumer.putBack(delivery);
    if (consumer.isGone) return;
    consumer.change(this.#options.time.now(), () => {
      consumer.isGone = true;
    });
    this.#options.onGone(consumer.plan.id);
  }

  #end(consumer: Consumer, delivery: Delivery, ending: Ending): void {
    const keepsLetters = consumer.plan.deadLetter;
    const attempt = failedAttempt(ending.attempt, ending.failure, {
      outcome: keepsLetters ? "dead" : "discarded",
      counted: true,
    });
    const { clock, random, onLetter } = this.#options;
    if (keepsLetters) {
      const history = delivery.retry?.history ?? [];
      onLetter(
        createLetter({
          subscription: consumer.plan.id,
          letter: random.id(),
          offset: delivery.offset,
          generation: consumer.generation,
          time: clock.now(),
          reason: ending.reason,
          revision: ending.revision,
          attempts: withAttempt(history, attempt, limits.deadLetterAttemptsMax),
          request: ending.request,
        }),
      );
    }
    consumer.bury(delivery);
    this.#report(consumer, attempt);
  }

  #report(consumer: Consumer, attempt: Attempt): void {
    consumer.lastErrors = [attempt, ...consumer.lastErrors.slice(0, limits.lastErrorsMax - 1)];
    this.#options.onAttempt?.({ subscription: consumer.plan.id, attempt });
  }

  #preview(facts: FlightFacts): SinkRequest | null {
    if (!facts.consumer.plan.deadLetter) return null;
    return previewOf(facts.plan.sink, facts.request);
  }

  #paceInput(facts: FlightFacts): PaceInput {
    return {
      now: this.#options.time.now(),
      startedAt: facts.startedAt,
      retry: facts.consumer.plan.retry,
      random: this.#options.random,
    };
  }
}

const uncounted = { outcome: "retry", counted: false } as const;

function attemptOf(facts: FlightFacts): AttemptFacts {
  return {
    startedAt: facts.time,
    offset: facts.delivery.offset,
    // The event as published: a transformer may have given it another id.
    eventId: facts.delivery.live?.view.event.id ?? facts.request.event.id,
    attempt: facts.request.attempt,
  };
}
