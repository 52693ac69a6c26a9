import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import type { BusName } from "../../kernel/ids.ts";
import type { DelayedEvent, DelayedQuery, DelayedSummary } from "../engine.ts";
import { unknownBus } from "../state-errors.ts";
import type { OperationArgument, StateOperations } from "./state-protocol.ts";

type DelayedOperations = Pick<
  StateOperations,
  "addDelayed" | "listDelayed" | "getDelayed" | "removeDelayed" | "summarizeDelayed"
>;

/** Parameters in the order of the text. */
const statementTexts = {
  selectLog: `
    SELECT log, fired_to, delayed_count, delayed_bytes FROM logs WHERE bus = ? AND state = 'ready'`,
  insert: `
    INSERT INTO delayed (log, id, due_at, created_at, hops, payload) VALUES (?, ?, ?, ?, ?, ?)`,
  count: `
    UPDATE logs SET delayed_count = delayed_count + ?, delayed_bytes = delayed_bytes + ?
    WHERE log = ?`,
  setFiredTo: "UPDATE logs SET fired_to = max(fired_to, ?) WHERE log = ?",
  select: `
    SELECT id, due_at, created_at, hops, payload FROM delayed
    WHERE log = ? AND (due_at, id) > (?, ?) AND due_at <= ? ORDER BY due_at, id LIMIT ?`,
  selectOne: "SELECT id, due_at, created_at, hops, payload FROM delayed WHERE log = ? AND id = ?",
  selectNextDue: "SELECT min(due_at) AS next FROM delayed WHERE log = ?",
  delete: "DELETE FROM delayed WHERE log = ? AND id = ? RETURNING length(payload) AS bytes",
} as const;

type DelayedStatements = Readonly<Record<keyof typeof statementTexts, StatementSync>>;

/** Events that wait for their time; the table is drawn in spec/state-database.md. */
export function delayedTables(database: DatabaseSync): DelayedOperations {
  const prepared = Object.entries(statementTexts).map(([name, text]) => [
    name,
    database.prepare(text),
  ]);
  const statements = Object.fromEntries(prepared) as DelayedStatements;
  return {
    addDelayed: (request) => add(statements, request),
    listDelayed: ({ bus, query }) => {
      const log = statements.selectLog.get(bus)?.["log"];
      return log === undefined ? [] : list(statements, log, query);
    },
    getDelayed: ({ bus, id }) => {
      const log = statements.selectLog.get(bus)?.["log"];
      const row = log === undefined ? undefined : statements.selectOne.get(log, id);
      return row === undefined ? undefined : delayedEventOf(row);
    },
    removeDelayed: (request) => remove(statements, request),
    summarizeDelayed: (bus) => summarize(statements, bus),
  };
}

function add(
  statements: DelayedStatements,
  { bus, events }: OperationArgument<"addDelayed">,
): void {
  const log = statements.selectLog.get(bus)?.["log"];
  if (log === undefined) throw unknownBus(bus);
  let bytes = 0;
  for (const { id, dueAt, createdAt, hops, payload } of events) {
    statements.insert.run(log, id, dueAt, createdAt, hops, payload);
    bytes += payload.length;
  }
  statements.count.run(events.length, bytes, log);
}

function list(
  statements: DelayedStatements,
  log: SQLOutputValue,
  { after, dueBy, limit, bytes }: DelayedQuery,
): DelayedEvent[] {
  const from = after ?? { dueAt: -Infinity, id: "" };
  const events: DelayedEvent[] = [];
  let left = bytes;
  const rows = statements.select.iterate(log, from.dueAt, from.id, dueBy ?? Infinity, limit);
  for (const row of rows) {
    const event = delayedEventOf(row);
    left -= event.payload.length;
    if (left < 0 && events.length > 0) break;
    events.push(event);
  }
  return events;
}

function remove(
  statements: DelayedStatements,
  { bus, ids, firedTo }: OperationArgument<"removeDelayed">,
): string[] {
  const log = statements.selectLog.get(bus)?.["log"];
  if (log === undefined) return [];
  let bytes = 0;
  const removed = ids.filter((id) => {
    const gone = statements.delete.get(log, id)?.["bytes"];
    if (typeof gone === "number") bytes += gone;
    return gone !== undefined;
  });
  if (removed.length > 0) statements.count.run(-removed.length, -bytes, log);
  if (firedTo !== undefined) statements.setFiredTo.run(firedTo, log);
  return removed;
}

function summarize(statements: DelayedStatements, bus: BusName): DelayedSummary {
  const row = statements.selectLog.get(bus);
  if (row === undefined) return { count: 0, bytes: 0, nextDueAt: undefined, firedTo: 0 };
  const next = statements.selectNextDue.get(row["log"] as number)?.["next"];
  return {
    count: row["delayed_count"] as number,
    bytes: row["delayed_bytes"] as number,
    nextDueAt: typeof next === "number" ? next : undefined,
    firedTo: row["fired_to"] as number,
  };
}

function delayedEventOf(row: Record<string, SQLOutputValue>): DelayedEvent {
  return {
    id: row["id"] as string,
    dueAt: row["due_at"] as number,
    createdAt: row["created_at"] as number,
    hops: row["hops"] as number,
    payload: row["payload"] as Uint8Array,
  };
}
