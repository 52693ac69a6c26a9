import { backoffDelayMs } from "../kernel/backoff.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Random } from "../kernel/random.ts";
import { createAdaptivePace, limitOf, onTooMuch } from "./adaptive-pace.ts";
import type { AdaptivePace } from "./adaptive-pace.ts";
import type { RetryPlan } from "./contract.ts";

/**
 * How fast a subscription may send while its circuit is closed:
 *
 * - **held**: the consumer answered 429, or 503 with Retry-After; nothing is sent until then.
 * - **adaptive**: so many in flight as the consumer can take, see adaptive-pace.ts.
 */
export interface Pace {
  heldUntil: EpochMs;
  holdsInRow: number;
  /** A short rest after an aborted attempt, so that a closed sink is not asked in a loop. */
  restUntil: EpochMs;
  readonly adaptive: AdaptivePace;
}

export function createPace(): Pace {
  return { heldUntil: 0, holdsInRow: 0, restUntil: 0, adaptive: createAdaptivePace() };
}

export function isHeld(pace: Pace, now: EpochMs): boolean {
  return now < pace.heldUntil;
}

/** Nothing goes out before; in the past when nothing is in the way. */
export function blockedUntil(pace: Pace): EpochMs {
  return Math.max(pace.heldUntil, pace.restUntil);
}

/** How many deliveries may be in flight now. */
export function inFlightMax(pace: Pace, concurrency: number, now: EpochMs): number {
  return now < blockedUntil(pace) ? 0 : limitOf(pace.adaptive, concurrency, now);
}

/** An answer that is no request to wait ends the row of those. */
export function onAnswer(pace: Pace): void {
  pace.holdsInRow = 0;
}

export interface PaceInput {
  readonly now: EpochMs;
  readonly startedAt: EpochMs;
  readonly retry: RetryPlan;
  readonly random: Random;
}

/** The consumer asked for a pause. Attempts that started before it are the same hold. */
export function onHold(pace: Pace, retryAfterMs: number | undefined, input: PaceInput): void {
  if (input.startedAt >= pace.heldUntil) pace.holdsInRow += 1;
  const asked =
    retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, limits.retryAfterMsMax);
  const { retry, random } = input;
  const range = {
    minDelayMs: retry.minDelayMs,
    maxDelayMs: Math.min(retry.maxDelayMs, limits.holdMsMax),
  };
  const waitMs = asked ?? backoffDelayMs(range, Math.max(1, pace.holdsInRow), random);
  // `Retry-After: 0` must not make a loop at the speed of the network.
  const floorMs = Math.min(retry.minDelayMs, limits.retryMinDelayMsDefault);
  pace.heldUntil = Math.max(pace.heldUntil, input.now + Math.max(waitMs, floorMs));
  onTooMuch(pace.adaptive, input.startedAt, input.now);
}

/** The sink gave an attempt up. Replaced sinks do that once; only a repetition needs a rest. */
export function onAborted(pace: Pace, now: EpochMs): void {
  pace.restUntil = now + limits.abortedRestMs;
}
