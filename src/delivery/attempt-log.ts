import type { Attempt } from "../api/api.ts";
import type { AttemptState, StoredAttempt } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset, SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";

/** When successes of a subscription were last logged; a part of its consumer. */
export interface AttemptSampling {
  sampledAt: EpochMs;
  /** It has failed since its last logged success. */
  hasFailed: boolean;
}

export function createSampling(): AttemptSampling {
  return { sampledAt: Number.NEGATIVE_INFINITY, hasFailed: false };
}

/** What the log keeps as `details`, JSON text. */
interface AttemptDetails {
  readonly attempt: number;
  readonly counted?: false;
  readonly latencyMs: number;
  readonly error: string | null;
  readonly response: string | null;
}

/**
 * Attempts on their way to the attempts log: they go into the next commit of consumer state. Every
 * failure is logged; of the successes those that show something (spec/delivery.md, "Attempts log").
 */
export class AttemptLog {
  #waiting: AttemptState[] = [];
  #successes = 0;
  #dropped = 0;

  failed(subscription: SubscriptionId, sampling: AttemptSampling, attempt: Attempt): void {
    sampling.hasFailed = true;
    this.#add(subscription, attempt);
  }

  /**
   * Whether a success is worth a row: the first after a failure, one of an event that had failed
   * before, and now and then one of the others. On the hot path: it makes nothing.
   */
  wants(
    sampling: AttemptSampling,
    success: { readonly time: EpochMs; readonly attempt: number },
  ): boolean {
    if (this.#successes >= limits.attemptSamplesPerCommitMax) return false;
    if (sampling.hasFailed || success.attempt > 1) return true;
    // Whichever way the wall clock jumps, the next sample is at most one interval away.
    return Math.abs(success.time - sampling.sampledAt) >= limits.attemptSampleIntervalMs;
  }

  /** A success that `wants` has asked for. */
  succeeded(subscription: SubscriptionId, sampling: AttemptSampling, attempt: Attempt): void {
    sampling.hasFailed = false;
    sampling.sampledAt = Date.parse(attempt.time);
    this.#successes += 1;
    this.#add(subscription, attempt);
  }

  /** Hands over what has come since the last time. */
  take(): readonly AttemptState[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#successes = 0;
    return taken;
  }

  /** They were not stored: they go into the next commit, before what came since. */
  takeBack(attempts: readonly AttemptState[]): void {
    this.#waiting = [...attempts, ...this.#waiting];
  }

  /** A subscription of this name that is made later has none of these. */
  forget(subscription: SubscriptionId): void {
    this.#waiting = this.#waiting.filter((one) => one.subscription !== subscription);
  }

  /** How many were dropped because no commit came for too long; read once. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #add(subscription: SubscriptionId, attempt: Attempt): void {
    if (this.#waiting.length >= limits.attemptsUncommittedMax) this.#dropped += 1;
    else this.#waiting.push(stateOf(subscription, attempt));
  }
}

function stateOf(subscription: SubscriptionId, attempt: Attempt): AttemptState {
  const { latencyMs, error, response } = attempt;
  const details: AttemptDetails = {
    attempt: attempt.attempt,
    ...(attempt.counted === false ? { counted: false } : {}),
    latencyMs,
    error,
    response,
  };
  return {
    subscription,
    time: Date.parse(attempt.time),
    offset: attempt.offset,
    eventId: attempt.eventId,
    outcome: attempt.outcome,
    status: attempt.status ?? undefined,
    details: JSON.stringify(details),
  };
}

/** A row of the log as the API shows it. */
export function attemptOf(stored: StoredAttempt): Attempt & { readonly offset: Offset } {
  const { counted, ...details } = JSON.parse(stored.details) as AttemptDetails;
  return {
    time: new Date(stored.time).toISOString(),
    offset: stored.offset,
    eventId: stored.eventId,
    attempt: details.attempt,
    outcome: stored.outcome as Attempt["outcome"],
    ...(counted === false ? { counted } : {}),
    status: stored.status ?? null,
    latencyMs: details.latencyMs,
    error: details.error,
    response: details.response,
  };
}
