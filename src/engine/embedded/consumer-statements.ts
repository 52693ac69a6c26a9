import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import type {
  DeadLetterState,
  LetterFilter,
  ParkedState,
  ReplayState,
  RescuedRecord,
  SubscriptionState,
} from "../engine.ts";
import { decodeOffsets } from "./offset-list.ts";

type Row = Record<string, SQLOutputValue>;

/** A parameter that is NULL does not matter. */
const letterFilter = `
  time >= $since AND time < $before
    AND ($reason IS NULL OR reason = $reason)
    AND ($eventType IS NULL OR event_type = $eventType)
    AND ($eventSource IS NULL OR event_source = $eventSource)
    AND ($generation IS NULL OR generation = $generation)
    AND ($offset IS NULL OR offset = $offset)`;

/** Every statement on consumer state, prepared once; parameters in the order of the text. */
const statementTexts = {
  selectLog: "SELECT log, position, lease_token FROM logs WHERE bus = ? AND state = 'ready'",
  setPosition: "UPDATE logs SET position = ? WHERE log = ?",

  selectSubscriptions: "SELECT * FROM subscription_states WHERE log = ? ORDER BY subscription",
  selectUnsettled: `
    SELECT unsettled FROM subscription_states WHERE log = ? AND subscription = ?
      AND unsettled_first <= ?`,
  selectAllUnsettled: `
    SELECT unsettled FROM subscription_states WHERE log = ? AND unsettled_first <= ?`,
  putSubscription: `
    INSERT OR REPLACE INTO subscription_states (log, subscription, generation, start,
      position, delivered, dead, discarded, expired, skipped, unsettled_first, unsettled, details)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  deleteSubscription: "DELETE FROM subscription_states WHERE log = ? AND subscription = ?",

  selectParked: "SELECT * FROM parked WHERE log = ? ORDER BY subscription, offset",
  putParked: `
    INSERT OR REPLACE INTO parked (log, subscription, offset, due_at, attempts,
      first_attempt_at, paused_ms, last_error)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  deleteParked: "DELETE FROM parked WHERE log = ? AND subscription = ? AND offset = ?",
  deleteParkedOf: "DELETE FROM parked WHERE log = ? AND subscription = ? RETURNING offset",

  selectLetter: "SELECT * FROM dead_letters WHERE log = ? AND subscription = ? AND letter = ?",
  selectLetters: `
    SELECT * FROM dead_letters WHERE log = $log AND subscription = $subscription
      AND (time, letter) > ($afterTime, $afterLetter) AND ${letterFilter}
    ORDER BY time, letter LIMIT $limit` as string,
  countLetters: `
    SELECT count(*) AS letters FROM dead_letters
    WHERE log = $log AND subscription = $subscription AND ${letterFilter}` as string,
  selectLettersAt: `
    SELECT * FROM dead_letters INDEXED BY dead_letters_by_offset
    WHERE log = $log AND subscription = $subscription AND offset = $offset
      AND (time, letter) > ($afterTime, $afterLetter) AND ${letterFilter}
    ORDER BY time, letter LIMIT $limit` as string,
  putLetter: `
    INSERT OR REPLACE INTO dead_letters (log, subscription, letter, offset, generation,
      time, reason, event_type, event_source, details)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  deleteLetter: `
    DELETE FROM dead_letters WHERE log = ? AND subscription = ? AND letter = ?
    RETURNING offset`,
  deleteLettersOf: `
    DELETE FROM dead_letters WHERE log = ? AND subscription = ? RETURNING offset`,

  selectNamed: `
    SELECT offset FROM parked WHERE log = ? AND offset >= ? AND offset < ? UNION
    SELECT offset FROM dead_letters WHERE log = ? AND offset >= ? AND offset < ?
    ORDER BY offset`,
  selectIsNamed: `
    SELECT EXISTS (SELECT 1 FROM parked WHERE log = ? AND offset = ?)
      OR EXISTS (SELECT 1 FROM dead_letters WHERE log = ? AND offset = ?) AS named`,

  selectRescued: "SELECT * FROM rescued WHERE log = ? AND offset = ?",
  selectRescuedMax: "SELECT max(offset) AS offset FROM rescued WHERE log = ?",
  putRescued: `
    INSERT OR REPLACE INTO rescued (log, offset, time, hops, payload) VALUES (?, ?, ?, ?, ?)`,

  selectReplays: "SELECT * FROM replays WHERE log = ? ORDER BY subscription, replay",
  putReplay: `
    INSERT OR REPLACE INTO replays (log, subscription, replay, value) VALUES (?, ?, ?, ?)`,
  deleteReplay: "DELETE FROM replays WHERE log = ? AND subscription = ? AND replay = ?",
  deleteReplaysOf: "DELETE FROM replays WHERE log = ? AND subscription = ?",
  deleteRescued: "DELETE FROM rescued WHERE log = ? AND offset = ?",
} as const;

export type ConsumerStatements = Readonly<Record<keyof typeof statementTexts, StatementSync>>;

export function prepareConsumerStatements(database: DatabaseSync): ConsumerStatements {
  const entries = Object.entries(statementTexts).map(([name, text]) => [
    name,
    database.prepare(text),
  ]);
  return Object.fromEntries(entries) as ConsumerStatements;
}

/** The parameters of `letterFilter`. */
export function letterParameters(filter: LetterFilter | undefined): Record<string, SQLInputValue> {
  return {
    since: filter?.since ?? -Number.MAX_VALUE,
    before: filter?.before ?? Number.MAX_VALUE,
    reason: filter?.reason ?? null,
    eventType: filter?.eventType ?? null,
    eventSource: filter?.eventSource ?? null,
    generation: filter?.generation ?? null,
    offset: filter?.offset ?? null,
  };
}

export function subscriptionStateOf(row: Row): SubscriptionState {
  return {
    subscription: row["subscription"] as string,
    generation: row["generation"] as number,
    start: row["start"] as number,
    position: (row["position"] as number | null) ?? undefined,
    counters: {
      delivered: row["delivered"] as number,
      dead: row["dead"] as number,
      discarded: row["discarded"] as number,
      expired: row["expired"] as number,
      skipped: row["skipped"] as number,
    },
    unsettled: unsettledOf(row),
    details: row["details"] as string,
  };
}

export function unsettledOf(row: Row): number[] {
  const bytes = row["unsettled"];
  return bytes instanceof Uint8Array ? decodeOffsets(bytes) : [];
}

export function parkedStateOf(row: Row): ParkedState {
  return {
    subscription: row["subscription"] as string,
    offset: row["offset"] as number,
    dueAt: row["due_at"] as number,
    attempts: row["attempts"] as number,
    firstAttemptAt: row["first_attempt_at"] as number,
    pausedMs: row["paused_ms"] as number,
    lastError: row["last_error"] as string,
  };
}

export function deadLetterOf(row: Row): DeadLetterState {
  return {
    subscription: row["subscription"] as string,
    letter: row["letter"] as string,
    offset: row["offset"] as number,
    generation: row["generation"] as number,
    time: row["time"] as number,
    reason: row["reason"] as string,
    eventType: (row["event_type"] as string | null) ?? undefined,
    eventSource: (row["event_source"] as string | null) ?? undefined,
    details: row["details"] as string,
  };
}

export function replayStateOf(row: Row): ReplayState {
  return {
    subscription: row["subscription"] as string,
    replay: row["replay"] as string,
    value: row["value"] as string,
  };
}

export function rescuedRecordOf(row: Row): RescuedRecord {
  return {
    offset: row["offset"] as number,
    time: row["time"] as number,
    hops: row["hops"] as number,
    payload: row["payload"] as Uint8Array,
  };
}
