import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { assert } from "../../kernel/assert.ts";
import type { BusName } from "../../kernel/ids.ts";
import { unknownBus } from "../state-errors.ts";
import type { LogRow, StateOperations } from "./state-protocol.ts";

type LogOperations = Pick<
  StateOperations,
  | "listLogs"
  | "findLog"
  | "insertLog"
  | "finishLog"
  | "markLogDeleted"
  | "forgetLog"
  | "issueToken"
  | "revokeToken"
>;

const stateTables = [
  "subscription_states",
  "parked",
  "dead_letters",
  "rescued",
  "delayed",
  "attempts",
  "attempt_lanes",
  "replays",
] as const;

/** Which bus has its log in which directory, and who holds the lease of the bus. */
export function logTables(database: DatabaseSync): LogOperations {
  const selectAll = database.prepare("SELECT log, bus, directory, state FROM logs ORDER BY log");
  const selectBus = database.prepare(
    "SELECT log, bus, directory, state FROM logs WHERE bus = ? AND state <> 'deleted'",
  );
  const insert = database.prepare("INSERT INTO logs (bus, directory, state) VALUES (?, ?, 'new')");
  const finish = database.prepare(
    "UPDATE logs SET state = 'ready' WHERE directory = ? AND state = 'new'",
  );
  const markDeleted = database.prepare("UPDATE logs SET state = 'deleted' WHERE log = ?");
  const forget = database.prepare(
    "DELETE FROM logs WHERE directory = ? AND state IN ('new', 'deleted')",
  );
  const deleteState = stateTables.map((table) =>
    database.prepare(`DELETE FROM ${table} WHERE log = ?`),
  );

  return {
    listLogs: () => selectAll.all().map(logRowOf),
    findLog(bus) {
      const row = selectBus.get(bus);
      return row === undefined ? undefined : logRowOf(row);
    },
    insertLog: ({ bus, directory }) => void insert.run(bus, directory),
    finishLog(directory) {
      assert(finish.run(directory).changes === 1, "a log becomes ready once, after it was new");
    },
    markLogDeleted(bus) {
      const log = selectBus.get(bus)?.["log"];
      if (log === undefined) return;
      for (const statement of deleteState) statement.run(log);
      markDeleted.run(log);
    },
    forgetLog: (directory) => void forget.run(directory),
    ...tokenOperations(database),
  };
}

function tokenOperations(
  database: DatabaseSync,
): Pick<StateOperations, "issueToken" | "revokeToken"> {
  const next = database.prepare(
    "UPDATE meta SET value = value + 1 WHERE name = 'lease_token_last' RETURNING value",
  );
  const grant = database.prepare(
    "UPDATE logs SET lease_token = ? WHERE bus = ? AND state = 'ready'",
  );
  const revoke = database.prepare(
    "UPDATE logs SET lease_token = NULL WHERE bus = ? AND lease_token = ?",
  );
  return {
    issueToken(bus) {
      const token = next.get()?.["value"];
      assert(typeof token === "number", "the store counts its tokens");
      if (grant.run(token, bus).changes !== 1) throw unknownBus(bus);
      return token;
    },
    revokeToken: ({ bus, token }) => void revoke.run(bus, token),
  };
}

function logRowOf(row: Record<string, SQLOutputValue>): LogRow {
  return {
    bus: row["bus"] as BusName,
    directory: row["directory"] as string,
    state: row["state"] as LogRow["state"],
  };
}
