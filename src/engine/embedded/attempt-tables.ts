import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import type { SubscriptionId } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import { attemptBytes, isBeyondBounds, laneOf } from "../attempt-bounds.ts";
import type { AttemptLane } from "../attempt-bounds.ts";
import type { AttemptQuery, AttemptState, StoredAttempt } from "../engine.ts";

type Row = Record<string, SQLOutputValue>;

const statementTexts = {
  selectLane: `
    SELECT row_count, bytes, sequence_last FROM attempt_lanes
    WHERE log = ? AND subscription = ? AND lane = ?`,
  putLane: `
    INSERT OR REPLACE INTO attempt_lanes (log, subscription, lane, row_count, bytes, sequence_last)
    VALUES (?, ?, ?, ?, ?, ?)`,
  insert: `
    INSERT INTO attempts (log, subscription, lane, sequence, time, offset, event_id, outcome,
      status, bytes, details)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  selectOldest: `
    SELECT sequence, time, bytes FROM attempts WHERE log = ? AND subscription = ? AND lane = ?
    ORDER BY sequence LIMIT 1`,
  remove: "DELETE FROM attempts WHERE log = ? AND subscription = ? AND lane = ? AND sequence = ?",
  deleteLanesOf: "DELETE FROM attempt_lanes WHERE log = ? AND subscription = ?",
  deleteOf: "DELETE FROM attempts WHERE log = ? AND subscription = ?",
  selectFailures: `
    SELECT * FROM attempts WHERE log = ? AND subscription = ? AND lane = 'failures'
    ORDER BY sequence DESC LIMIT ${limits.lastErrorsMax}`,
  // A subscription has few rows, so none but the primary key is worth an index.
  search: `
    SELECT * FROM attempts WHERE log = $log AND subscription = $subscription
      AND sequence < $below AND time >= $since AND time < $before
      AND ($eventId IS NULL OR event_id = $eventId)
      AND ($offset IS NULL OR offset = $offset)
      AND ($outcome IS NULL OR outcome = $outcome)
      AND ($statusFrom IS NULL OR status BETWEEN $statusFrom AND $statusTo)
    ORDER BY sequence DESC LIMIT $limit`,
} as const;

/** The attempts log: its rows, and per lane how many there are and how large. */
export class AttemptTables {
  readonly #statements: Readonly<Record<keyof typeof statementTexts, StatementSync>>;

  constructor(database: DatabaseSync) {
    const entries = Object.entries(statementTexts);
    this.#statements = Object.fromEntries(
      entries.map(([name, text]) => [name, database.prepare(text)]),
    ) as Record<keyof typeof statementTexts, StatementSync>;
  }

  add(log: number, attempts: readonly AttemptState[]): void {
    if (attempts.length === 0) return;
    for (const [subscription, own] of Map.groupBy(attempts, (each) => each.subscription)) {
      this.#addOf(log, subscription, own);
    }
  }

  deleteOf(log: number, subscription: SubscriptionId): void {
    this.#statements.deleteOf.run(log, subscription);
    this.#statements.deleteLanesOf.run(log, subscription);
  }

  failures(log: number, subscription: SubscriptionId): StoredAttempt[] {
    return this.#statements.selectFailures.all(log, subscription).map(attemptOf);
  }

  search(log: number, query: AttemptQuery): StoredAttempt[] {
    const rows = this.#statements.search.all({
      log,
      subscription: query.subscription,
      below: query.below ?? Number.MAX_SAFE_INTEGER,
      since: query.since ?? -Number.MAX_VALUE,
      before: query.before ?? Number.MAX_VALUE,
      eventId: query.eventId ?? null,
      offset: query.offset ?? null,
      outcome: query.outcome ?? null,
      statusFrom: query.status?.from ?? null,
      statusTo: query.status?.to ?? null,
      limit: query.limit,
    });
    return rows.map(attemptOf);
  }

  #addOf(log: number, subscription: SubscriptionId, attempts: readonly AttemptState[]): void {
    const lanes = {
      failures: this.#lane(log, subscription, "failures"),
      successes: this.#lane(log, subscription, "successes"),
    };
    let sequence = Math.max(lanes.failures.sequenceLast, lanes.successes.sequenceLast);
    for (const attempt of attempts) {
      const lane = lanes[laneOf(attempt)];
      sequence += 1;
      this.#insert(lane, sequence, attempt);
      this.#trim(lane, attempt.time);
    }
    for (const lane of [lanes.failures, lanes.successes]) {
      const { rows, bytes, sequenceLast } = lane;
      if (lane.isChanged) {
        this.#statements.putLane.run(log, subscription, lane.name, rows, bytes, sequenceLast);
      }
    }
  }

  #lane(log: number, subscription: SubscriptionId, name: AttemptLane): Lane {
    const row = this.#statements.selectLane.get(log, subscription, name);
    return {
      log,
      subscription,
      name,
      rows: (row?.["row_count"] as number | undefined) ?? 0,
      bytes: (row?.["bytes"] as number | undefined) ?? 0,
      sequenceLast: (row?.["sequence_last"] as number | undefined) ?? 0,
      isChanged: false,
    };
  }

  #insert(lane: Lane, sequence: number, attempt: AttemptState): void {
    const { log, subscription, name } = lane;
    const bytes = attemptBytes(attempt);
    this.#statements.insert.run(
      log,
      subscription,
      name,
      sequence,
      attempt.time,
      attempt.offset,
      attempt.eventId,
      attempt.outcome,
      attempt.status ?? null,
      bytes,
      attempt.details,
    );
    lane.rows += 1;
    lane.bytes += bytes;
    lane.sequenceLast = sequence;
    lane.isChanged = true;
  }

  #trim(lane: Lane, latest: number): void {
    const { log, subscription, name } = lane;
    for (;;) {
      const row = this.#statements.selectOldest.get(log, subscription, name);
      if (row === undefined) return;
      if (!isBeyondBounds(name, lane, { oldest: row["time"] as number, latest })) return;
      this.#statements.remove.run(log, subscription, name, row["sequence"] as number);
      lane.rows -= 1;
      lane.bytes -= row["bytes"] as number;
    }
  }
}

interface Lane {
  readonly log: number;
  readonly subscription: SubscriptionId;
  readonly name: AttemptLane;
  rows: number;
  bytes: number;
  sequenceLast: number;
  isChanged: boolean;
}

function attemptOf(row: Row): StoredAttempt {
  return {
    subscription: row["subscription"] as string,
    sequence: row["sequence"] as number,
    time: row["time"] as number,
    offset: row["offset"] as number,
    eventId: row["event_id"] as string,
    outcome: row["outcome"] as string,
    status: (row["status"] as number | null) ?? undefined,
    details: row["details"] as string,
  };
}
