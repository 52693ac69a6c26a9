import { backoffDelayMs } from "../kernel/backoff.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Random } from "../kernel/random.ts";
import type { RetryPlan } from "./contract.ts";

/**
 * How fast a subscription may send. Three things slow it down:
 *
 * - **held**: the consumer answered 429, or 503 with Retry-After; nothing is sent until then.
 * - **failing**: limits.connectionFailuresToSlow attempts in a row found no working endpoint. Due
 *   retries go on, at most limits.failingInFlightMax at once; events never tried before wait in
 *   the log, and one at a time goes out as a probe on a delay that grows to probeDelayMsMax. So a
 *   consumer that is down for hours burns few attempts and parks few events.
 * - **slow start**: after either, sending begins with one request and grows by one with each
 *   success (1, 2, 4 … a round trip) until the subscription's concurrency is reached.
 *
 * The circuit of the delivery issue takes the place of `failing`.
 */
export interface Pace {
  /** Failures of cause `connection` in a row. */
  connectionFailures: number;
  /** While failing: how many probe delays have passed, and when the next probe may go. */
  probes: number;
  nextProbeAt: EpochMs;
  heldUntil: EpochMs;
  holdsInRow: number;
  /** A short rest after an aborted attempt, so that a closed sink is not asked in a loop. */
  restUntil: EpochMs;
  /** Slow start: at most so many in flight; undefined = no such limit. */
  window: number | undefined;
}

export function createPace(): Pace {
  return {
    connectionFailures: 0,
    probes: 0,
    nextProbeAt: 0,
    heldUntil: 0,
    holdsInRow: 0,
    restUntil: 0,
    window: undefined,
  };
}

export function isFailing(pace: Pace): boolean {
  return pace.connectionFailures >= limits.connectionFailuresToSlow;
}

export function isHeld(pace: Pace, now: EpochMs): boolean {
  return now < pace.heldUntil;
}

/** How many deliveries may be in flight now. */
export function inFlightMax(pace: Pace, concurrency: number, now: EpochMs): number {
  if (now < pace.heldUntil || now < pace.restUntil) return 0;
  if (isFailing(pace)) return Math.min(concurrency, limits.failingInFlightMax);
  return pace.window === undefined ? concurrency : Math.min(concurrency, pace.window);
}

/** A delivery succeeded. Answers whether that ends a time of failing. */
export function onSuccess(pace: Pace, concurrency: number): { readonly recovered: boolean } {
  const recovered = isFailing(pace);
  pace.connectionFailures = 0;
  pace.holdsInRow = 0;
  if (pace.window !== undefined) {
    pace.window += 1;
    if (pace.window >= concurrency) pace.window = undefined;
  }
  return { recovered };
}

/** An answer that is a failure, but shows that somebody is there. */
export function onAnswer(pace: Pace): void {
  pace.connectionFailures = 0;
  pace.holdsInRow = 0;
}

export interface PaceInput {
  readonly now: EpochMs;
  readonly startedAt: EpochMs;
  readonly retry: RetryPlan;
  readonly random: Random;
}

/** No working endpoint was found. Answers whether this begins a time of failing. */
export function onConnectionFailure(pace: Pace, input: PaceInput): { readonly began: boolean } {
  const wasFailing = isFailing(pace);
  pace.connectionFailures += 1;
  pace.holdsInRow = 0;
  if (!isFailing(pace)) return { began: false };
  pace.window = 1;
  if (!wasFailing) pace.probes = 0;
  // A burst of failures is one piece of news: the delay grows once for each probe delay that
  // passed, not once for each of the 64 requests that were in flight together.
  if (!wasFailing || input.now >= pace.nextProbeAt) {
    pace.probes += 1;
    pace.nextProbeAt =
      input.now +
      backoffDelayMs(cappedRange(input, limits.probeDelayMsMax), pace.probes, input.random);
  }
  return { began: !wasFailing };
}

/** The subscription was changed: what failed may work now, so the next probe may go at once. */
export function probeAtOnce(pace: Pace): void {
  pace.nextProbeAt = 0;
  pace.probes = 0;
}

/** The consumer asked for a pause. Attempts that started before it are the same hold. */
export function onHold(pace: Pace, retryAfterMs: number | undefined, input: PaceInput): void {
  if (input.startedAt >= pace.heldUntil) pace.holdsInRow += 1;
  const asked =
    retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, limits.retryAfterMsMax);
  const waitMs =
    asked ??
    backoffDelayMs(
      cappedRange(input, limits.holdMsMax),
      Math.max(1, pace.holdsInRow),
      input.random,
    );
  // `Retry-After: 0` must not make a loop at the speed of the network.
  const floorMs = Math.min(input.retry.minDelayMs, limits.retryMinDelayMsDefault);
  pace.heldUntil = Math.max(pace.heldUntil, input.now + Math.max(waitMs, floorMs));
  pace.window = 1;
}

/** The sink gave an attempt up. Replaced sinks do that once; only a repetition needs a rest. */
export function onAborted(pace: Pace, now: EpochMs): void {
  pace.restUntil = now + limits.abortedRestMs;
}

function cappedRange(
  input: PaceInput,
  maxDelayMs: number,
): { readonly minDelayMs: number; readonly maxDelayMs: number } {
  return {
    minDelayMs: input.retry.minDelayMs,
    maxDelayMs: Math.min(input.retry.maxDelayMs, maxDelayMs),
  };
}
