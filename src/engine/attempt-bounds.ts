import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { AttemptState } from "./consumer-state.ts";

/**
 * What the attempts log of a subscription keeps, the same in every engine. Failures and successes
 * are bounded apart, so that a busy and healthy week does not push out the one failure that matters.
 */
export type AttemptLane = "failures" | "successes";

export interface LaneTotals {
  readonly rows: number;
  readonly bytes: number;
}

export function laneOf(attempt: Pick<AttemptState, "outcome">): AttemptLane {
  return attempt.outcome === "delivered" ? "successes" : "failures";
}

/** What the numbers of a row and its indexes cost, roughly. */
const rowOverheadBytes = 64;

export function attemptBytes(attempt: AttemptState): number {
  return attempt.eventId.length + attempt.details.length + rowOverheadBytes;
}

/** Whether the oldest attempt of a lane has to go. The latest one always stays. */
export function isBeyondBounds(
  lane: AttemptLane,
  totals: LaneTotals,
  times: { readonly oldest: EpochMs; readonly latest: EpochMs },
): boolean {
  if (totals.rows <= 1) return false;
  const rowsMax =
    lane === "failures" ? limits.attemptLogFailuresMax : limits.attemptLogSuccessesMax;
  if (totals.rows > rowsMax || totals.bytes > limits.attemptLogBytesMax) return true;
  return times.oldest < times.latest - limits.attemptLogAgeMsMax;
}
