import type { Attempt } from "../api/api.ts";
import type { FailureFacts, Outcome, SinkRequest } from "../connector/sink.ts";
import type { DeadLetterState } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock, EpochMs } from "../kernel/clock.ts";
import type { SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Random } from "../kernel/random.ts";
import type { TransformFailure } from "../transform/transformer.ts";
import type { AttemptLog } from "./attempt-log.ts";
import { deliveredAttempt, failedAttempt, historyMax, withAttempt } from "./attempts.ts";
import type { AttemptFacts } from "./attempts.ts";
import type { Consumer } from "./consumer.ts";
import type { AttemptNotice } from "./contract.ts";
import { createLetter, previewOf } from "./dead-letter.ts";
import type { Delivery } from "./entry.ts";
import type { FlightFacts } from "./flight.ts";
import { heirOf } from "./generations.ts";
import { onSucceeded, onTimedOut } from "./adaptive-pace.ts";
import { judge } from "./circuit.ts";
import type { CircuitFailure, CircuitFailureKind, CircuitInput } from "./circuit.ts";
import type { CircuitNews } from "./circuits.ts";
import { keyNone, shownKey } from "./ordering.ts";
import { onAborted, onAnswer, onHold } from "./pace.ts";
import type { PaceInput } from "./pace.ts";
import { afterFailure, causeOf } from "./retry-policy.ts";
import type { EndReason, RetryOutcome } from "./retry-policy.ts";
import type { SteadyTime } from "./steady-time.ts";

export interface SettlerOptions {
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly random: Random;
  readonly onAttempt: ((notice: AttemptNotice) => void) | undefined;
  readonly attemptLog: AttemptLog;
  readonly onLetter: (letter: DeadLetterState) => void;
  /** Its state is no longer what is stored. */
  readonly onChanged: (consumer: Consumer) => void;
  /** A circuit opened, closed, or may be probed again; for all that share it. */
  readonly onCircuit: (consumer: Consumer, news: CircuitNews) => void;
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
  /** The result at hand says nothing new of the consumer: see FlightFacts.isEcho. */
  #isEcho = false;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  settle(facts: FlightFacts, outcome: Outcome): void {
    const { consumer } = facts;
    this.#isEcho = facts.isEcho === true;
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
        this.#rejected(facts, outcome);
        break;
      case "gone":
        this.#gone(facts, outcome);
        break;
      case "aborted":
        // A replaced sink gives up what it carried; with the same sink it may do so for a while.
        if (facts.plan === consumer.plan && !this.#isEcho)
          onAborted(consumer.pace, this.#options.time.now());
        this.#putBackUndecided(consumer, facts.delivery);
        break;
    }
    this.#isEcho = false;
    this.#options.onChanged(consumer);
    if (consumer.isDormant()) this.#options.onDormant(consumer);
  }

  /** A result for a generation that a seek has closed: it is logged and settles nothing (P2). */
  late(facts: FlightFacts, outcome: Outcome): void {
    const heir = heirOf(facts.consumer);
    this.#tellLate(facts, heir, outcome);
    if (heir === facts.consumer || heir.isClosed || outcome.outcome === "aborted") return;
    if (outcome.outcome !== "delivered") {
      this.#report(heir, failedAttempt(attemptOf(facts), outcome, uncounted));
      this.#options.onChanged(heir);
      return;
    }
    const attempt = deliveredAttempt(attemptOf(facts), outcome);
    this.#options.attemptLog.succeeded(heir.plan.id, heir.sampling, attempt);
    this.#options.onChanged(heir);
    this.#options.onAttempt?.({ subscription: heir.plan.id, attempt });
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
    const ending: Ending = {
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
    };
    this.#endOrSpare(consumer, delivery, ending, "transform");
    this.#options.onChanged(consumer);
  }

  #delivered(
    facts: FlightFacts,
    outcome: Extract<Outcome, { readonly outcome: "delivered" }>,
  ): void {
    const { consumer, delivery } = facts;
    const { onAttempt } = this.#options;
    const { attemptLog } = this.#options;
    const success = { time: facts.time, attempt: facts.request.attempt };
    const isLogged = attemptLog.wants(consumer.sampling, success);
    // Before the event is let go of: the notice names it.
    const attempt =
      onAttempt === undefined && !isLogged
        ? undefined
        : deliveredAttempt(attemptOf(facts), outcome);
    if (isLogged && attempt !== undefined) {
      attemptLog.succeeded(consumer.plan.id, consumer.sampling, attempt);
    }
    const now = this.#options.time.now();
    onAnswer(consumer.pace);
    if (!this.#isEcho) {
      onSucceeded(consumer.pace.adaptive, {
        now,
        latencyMs: outcome.latencyMs,
        concurrency: consumer.plan.concurrency,
        inFlight: consumer.underWay,
      });
    }
    consumer.succeed(delivery);
    this.#tell(consumer, delivery.probe, "success");
    if (attempt !== undefined) onAttempt?.({ subscription: consumer.plan.id, attempt });
  }

  #failed(facts: FlightFacts, outcome: RetryOutcome): void {
    const { consumer, delivery } = facts;
    const now = this.#options.time.now();
    const cause = causeOf(outcome);
    onAnswer(consumer.pace);
    if (outcome.failure === "timeout") onTimedOut(consumer.pace.adaptive, facts.startedAt, now);
    if (consumer.isCut || delivery.probe > 0) {
      // While the circuit is open no attempt is burnt, those that were under way among them.
      this.#uncounted(facts, outcome, cause);
      return;
    }
    // An event that came back once ends for good, whatever the reason.
    const isSpared = consumer.endings.isSpared(delivery.offset);
    const hasEnded = this.#countFailure(facts, outcome, now);
    if (hasEnded && isSpared) return;
    this.#tellFailure(consumer, delivery, { kind: cause, error: outcome.error });
  }

  /** Parks it, or ends it where the policy says so; answers whether it has ended. */
  #countFailure(facts: FlightFacts, outcome: RetryOutcome, now: EpochMs): boolean {
    const { consumer, delivery } = facts;
    const stillMs = consumer.stillMs(now);
    const before = delivery.retry;
    const attempts = (before?.attempts ?? 0) + 1;
    // What waited behind its key has a past without an attempt.
    const first = attempts > 1 ? before : undefined;
    const firstAttemptAt = first?.firstAttemptAt ?? facts.startedAt;
    const stillMsAtFirst = first?.stillMsAtFirst ?? stillMs;
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
      return true;
    }
    const attempt = failedAttempt(attemptOf(facts), outcome, { outcome: "retry", counted: true });
    const { row } = consumer.circuit;
    consumer.park(delivery, {
      attempts,
      firstAttemptAt,
      stillMsAtFirst,
      appendedAt: before?.appendedAt ?? delivery.live?.time ?? firstAttemptAt,
      dueAt: verdict.dueAt,
      cause: causeOf(outcome),
      row,
      attemptsOfRow: (before?.row === row ? before.attemptsOfRow : 0) + 1,
      history: withAttempt(before?.history ?? [], attempt, historyMax(consumer.retries.size)),
      replay: before?.replay,
    });
    this.#report(consumer, attempt);
    return false;
  }

  #rejected(facts: FlightFacts, outcome: Extract<Outcome, { readonly outcome: "rejected" }>): void {
    onAnswer(facts.consumer.pace);
    const ending: Ending = {
      reason: "rejected",
      attempt: attemptOf(facts),
      failure: outcome,
      request: this.#preview(facts),
      revision: facts.plan.revision,
    };
    this.#endOrSpare(facts.consumer, facts.delivery, ending, "answer");
  }

  /** A permanent failure: the end, unless the circuit is open and so the consumer's the fault. */
  #endOrSpare(
    consumer: Consumer,
    delivery: Delivery,
    ending: Ending,
    kind: CircuitFailureKind,
  ): void {
    const { probe } = delivery;
    const wasSpared = consumer.endings.isSpared(delivery.offset);
    if (consumer.isCut || probe > 0) {
      consumer.endings.spare(delivery.offset);
      this.#report(consumer, failedAttempt(ending.attempt, ending.failure, uncounted));
      consumer.putBack(delivery);
    } else {
      this.#end(consumer, delivery, ending);
      if (wasSpared) return;
    }
    this.#tellFailure(consumer, delivery, { kind, error: ending.failure.error }, probe);
  }

  #uncounted(facts: FlightFacts, outcome: RetryOutcome, kind: CircuitFailureKind): void {
    const { consumer, delivery } = facts;
    const { probe } = delivery;
    this.#report(consumer, failedAttempt(attemptOf(facts), outcome, uncounted));
    consumer.putBack(delivery);
    this.#tellFailure(consumer, delivery, { kind, error: outcome.error }, probe);
  }

  /** As if it had not been made, and the circuit learns nothing from it. */
  #putBackUndecided(consumer: Consumer, delivery: Delivery): void {
    const { probe } = delivery;
    consumer.putBack(delivery);
    this.#tell(consumer, probe, undefined);
  }

  #tellFailure(
    consumer: Consumer,
    delivery: Delivery,
    failure: Omit<CircuitFailure, "event">,
    probe = 0,
  ): void {
    const event = `${consumer.plan.id}:${delivery.offset}`;
    this.#tell(consumer, probe, { ...failure, event });
  }

  #tell(consumer: Consumer, probe: number, result: CircuitInput["result"]): void {
    if (this.#isEcho) return;
    const { time, random, onCircuit } = this.#options;
    const { retry } = consumer.plan;
    const news = judge(consumer.circuit, { probe, result, now: time.now(), retry, random });
    if (news !== "none") onCircuit(consumer, news);
  }

  /** What an earlier generation sent says as much about the endpoint; its probe must not be lost. */
  #tellLate(facts: FlightFacts, heir: Consumer, outcome: Outcome): void {
    const { probe } = facts.delivery;
    if (outcome.outcome === "delivered" && !heir.isClosed) this.#tell(heir, probe, "success");
    else if (probe > 0) this.#tell(heir, probe, undefined);
  }

  #held(facts: FlightFacts, outcome: HoldOutcome): void {
    const { consumer, delivery } = facts;
    const input = this.#paceInput(facts);
    consumer.change(input.now, () => onHold(consumer.pace, outcome.retryAfterMs, input));
    this.#report(consumer, failedAttempt(attemptOf(facts), outcome, uncounted));
    this.#putBackUndecided(consumer, delivery);
  }

  #gone(facts: FlightFacts, outcome: Extract<Outcome, { readonly outcome: "gone" }>): void {
    const { consumer, delivery } = facts;
    this.#report(consumer, failedAttempt(attemptOf(facts), outcome, uncounted));
    this.#putBackUndecided(consumer, delivery);
    if (consumer.isGone) return;
    consumer.change(this.#options.time.now(), () => {
      consumer.isGone = true;
    });
    this.#options.onGone(consumer.plan.id);
  }

  #end(consumer: Consumer, delivery: Delivery, ending: Ending): void {
    if (blocksItsKey(consumer, delivery)) {
      this.#block(consumer, delivery, ending);
      return;
    }
    const keepsLetters = consumer.plan.deadLetter;
    const attempt = failedAttempt(ending.attempt, ending.failure, {
      outcome: keepsLetters ? "dead" : "discarded",
      counted: true,
    });
    const { clock, random, onLetter } = this.#options;
    const letter = keepsLetters ? random.id() : undefined;
    if (letter !== undefined) {
      const history = delivery.retry?.history ?? [];
      onLetter(
        createLetter({
          subscription: consumer.plan.id,
          letter,
          offset: delivery.offset,
          generation: consumer.generation,
          time: clock.now(),
          reason: ending.reason,
          revision: ending.revision,
          event: delivery.live?.view.event,
          attempts: withAttempt(history, attempt, limits.deadLetterAttemptsMax),
          request: ending.request,
        }),
      );
    }
    consumer.bury(delivery, letter);
    this.#report(consumer, attempt);
  }

  /** Its retries are over, and its key waits for an operator (`ordering.onFailure`). */
  #block(consumer: Consumer, delivery: Delivery, ending: Ending): void {
    const attempt = failedAttempt(ending.attempt, ending.failure, {
      outcome: "retry",
      counted: true,
    });
    const { ordering } = consumer.plan;
    const { live, retry } = delivery;
    assert(live !== undefined, "what was attempted has its event");
    const now = this.#options.time.now();
    const hasFailed = retry !== undefined && retry.attempts > 0;
    const { row } = consumer.circuit;
    consumer.park(delivery, {
      attempts: (retry?.attempts ?? 0) + 1,
      firstAttemptAt: hasFailed ? retry.firstAttemptAt : now,
      stillMsAtFirst: hasFailed ? retry.stillMsAtFirst : consumer.stillMs(now),
      appendedAt: retry?.appendedAt ?? delivery.appendedAt ?? now,
      dueAt: now,
      cause: "answer",
      row,
      attemptsOfRow: (retry?.row === row ? retry.attemptsOfRow : 0) + 1,
      history: withAttempt(retry?.history ?? [], attempt, limits.deadLetterAttemptsMax),
      replay: retry?.replay,
      blocked: {
        reason: ending.reason,
        key: shownKey(ordering?.read(live.view) ?? ""),
        since: this.#options.clock.now(),
        eventType: live.view.event.type,
        eventSource: live.view.event.source,
      },
    });
    this.#report(consumer, attempt);
  }

  #report(consumer: Consumer, attempt: Attempt): void {
    this.#options.attemptLog.failed(consumer.plan.id, consumer.sampling, attempt);
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

/** Without a key there is nothing that waits for it. */
function blocksItsKey({ plan }: Consumer, { key }: Delivery): boolean {
  return plan.ordering?.onFailure === "block" && key > keyNone;
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
