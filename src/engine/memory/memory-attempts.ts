import type { SubscriptionId } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import { attemptBytes, isBeyondBounds, laneOf } from "../attempt-bounds.ts";
import type { AttemptLane } from "../attempt-bounds.ts";
import type { AttemptQuery, AttemptState, StoredAttempt } from "../engine.ts";

interface Lane {
  readonly name: AttemptLane;
  /** In the order of sequences. */
  readonly attempts: StoredAttempt[];
  bytes: number;
}

interface AttemptLog {
  sequenceLast: number;
  readonly lanes: Readonly<Record<AttemptLane, Lane>>;
}

/** The attempts log of one bus in memory. */
export class MemoryAttempts {
  readonly #logs: Map<SubscriptionId, AttemptLog> = new Map();

  add(attempts: readonly AttemptState[]): void {
    for (const attempt of attempts) {
      const log = this.#logs.get(attempt.subscription) ?? emptyLog();
      this.#logs.set(attempt.subscription, log);
      log.sequenceLast += 1;
      const lane = log.lanes[laneOf(attempt)];
      lane.attempts.push({ ...attempt, sequence: log.sequenceLast });
      lane.bytes += attemptBytes(attempt);
      trim(lane, attempt.time);
    }
  }

  deleteOf(subscription: SubscriptionId): void {
    this.#logs.delete(subscription);
  }

  failures(subscription: SubscriptionId): StoredAttempt[] {
    const failures = this.#logs.get(subscription)?.lanes.failures.attempts ?? [];
    return failures.slice(-limits.lastErrorsMax).toReversed();
  }

  search(query: AttemptQuery): StoredAttempt[] {
    const log = this.#logs.get(query.subscription) ?? emptyLog();
    return [...log.lanes.failures.attempts, ...log.lanes.successes.attempts]
      .filter((attempt) => passes(attempt, query))
      .toSorted((left, right) => right.sequence - left.sequence)
      .slice(0, query.limit);
  }
}

function emptyLog(): AttemptLog {
  return {
    sequenceLast: 0,
    lanes: {
      failures: { name: "failures", attempts: [], bytes: 0 },
      successes: { name: "successes", attempts: [], bytes: 0 },
    },
  };
}

function trim(lane: Lane, latest: number): void {
  for (;;) {
    const [oldest] = lane.attempts;
    if (oldest === undefined) return;
    const totals = { rows: lane.attempts.length, bytes: lane.bytes };
    if (!isBeyondBounds(lane.name, totals, { oldest: oldest.time, latest })) return;
    lane.attempts.shift();
    lane.bytes -= attemptBytes(oldest);
  }
}

function passes(attempt: StoredAttempt, query: AttemptQuery): boolean {
  const { status, since, before, below } = query;
  if (below !== undefined && attempt.sequence >= below) return false;
  if (since !== undefined && attempt.time < since) return false;
  if (before !== undefined && attempt.time >= before) return false;
  if (status !== undefined) {
    if (attempt.status === undefined) return false;
    if (attempt.status < status.from || attempt.status > status.to) return false;
  }
  return (["eventId", "offset", "outcome"] as const).every(
    (name) => query[name] === undefined || attempt[name] === query[name],
  );
}
