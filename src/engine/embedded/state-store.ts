import { DatabaseSync } from "node:sqlite";
import { assert } from "../../kernel/assert.ts";
import { BrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import { consumerTables } from "./consumer-tables.ts";
import { delayedTables } from "./delayed-tables.ts";
import { logTables } from "./log-tables.ts";
import { resourceTables } from "./resource-tables.ts";
import { sqliteFailure } from "./sqlite-failure.ts";
import type { StateAnswer, StateFailure, StateOperations, StateRequest } from "./state-protocol.ts";
import { assertKnownSchema, migrate } from "./state-schema.ts";

/** "Mlrc": tells a state database from any other SQLite file. */
const applicationId = 0x4d6c7263;

/**
 * The state database on the worker's side: takes requests and runs as many as are waiting in one
 * transaction, that is with one fsync. Each request has a savepoint of its own, so that one whose
 * precondition fails takes back its own changes and nobody else's.
 */
export class StateStore {
  readonly #database: DatabaseSync;
  readonly #operations: StateOperations;
  readonly #runs: Record<"begin" | "commit" | "savepoint" | "release" | "rollbackTo", () => void>;

  constructor(file: string) {
    this.#database = openDatabase(file);
    this.#operations = {
      ...resourceTables(this.#database),
      ...logTables(this.#database),
      ...consumerTables(this.#database),
      ...delayedTables(this.#database),
    };
    const run = (text: string): (() => void) => {
      const statement = this.#database.prepare(text);
      return () => void statement.run();
    };
    this.#runs = {
      begin: run("BEGIN IMMEDIATE"),
      commit: run("COMMIT"),
      savepoint: run("SAVEPOINT request"),
      release: run("RELEASE request"),
      rollbackTo: run("ROLLBACK TO request"),
    };
  }

  /**
   * Answers in the order of the requests; everything answered with `ok` is durable. When the disk is
   * full, room is made and all of it is done again, so that the order holds: first in the write-ahead
   * file, whose blocks serve again once they are folded back, then by `relieve`.
   */
  execute(requests: readonly StateRequest[], relieve: () => boolean = noRoom): StateAnswer[] {
    const fold = (): boolean => foldBack(this.#database);
    // What a reserve gives is used for folding first: a grown write-ahead file could not be later.
    const relieveAndFold = (): boolean => {
      const hasRelieved = relieve();
      if (hasRelieved) fold();
      return hasRelieved;
    };
    for (const hasMadeRoom of [(): boolean => true, fold, relieveAndFold]) {
      const answers = hasMadeRoom() ? this.#transact(requests, "undo") : undefined;
      if (answers !== undefined) return answers;
    }
    const answers = this.#transact(requests, "answer");
    assert(answers !== undefined, "what a full disk leaves undone is answered");
    return answers;
  }

  close(): void {
    this.#database.close();
  }

  /** With "undo", undefined says that the disk is full and nothing was stored. */
  #transact(
    requests: readonly StateRequest[],
    whenFull: "undo" | "answer",
  ): StateAnswer[] | undefined {
    const mayUndo = whenFull === "undo";
    let failure: StateFailure;
    let isCommitting = false;
    try {
      this.#runs.begin();
      const answers = requests.map((request) => this.#executeOne(request));
      if (mayUndo && answers.some(isFull)) {
        this.#rollback();
        return undefined;
      }
      // A full disk or an I/O error may end the whole transaction, not the statement alone.
      if (!this.#database.isTransaction) return failAll(requests, lastFailure(answers));
      isCommitting = true;
      this.#runs.commit();
      return answers;
    } catch (error) {
      this.#rollback();
      failure = sqliteFailure(error);
    }
    // When the sync itself failed, the next start may find the transaction whole in the WAL.
    const isUnknown = isCommitting && failure.code === "storage_unavailable";
    if (isUnknown) return failAll(requests, { ...failure, code: "outcome_unknown" });
    return mayUndo && failure.code === "disk_full" ? undefined : failAll(requests, failure);
  }

  #rollback(): void {
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }

  #executeOne(request: StateRequest): StateAnswer {
    const { id, operation, argument } = request;
    try {
      this.#runs.savepoint();
      const perform = this.#operations[operation] as (argument: unknown) => unknown;
      const result = perform(argument);
      this.#runs.release();
      return { id, ok: true, result };
    } catch (error) {
      const failure = error instanceof BrokerError ? failureOf(error) : sqliteFailure(error);
      if (this.#database.isTransaction) {
        this.#runs.rollbackTo();
        this.#runs.release();
      }
      return { id, ok: false, failure };
    }
  }
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // Nobody else may look in: a foreign reader would keep the WAL from being folded back.
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    const isEmpty = assertOurs(database, file);
    assertKnownSchema(database, file);
    database.exec("PRAGMA journal_mode = WAL");
    // FULL: each commit syncs the WAL before it returns (P1 for consumer state).
    database.exec("PRAGMA synchronous = FULL");
    // A single huge transaction must not leave a huge WAL behind for good.
    database.exec(`PRAGMA journal_size_limit = ${limits.stateWalBytesMax}`);
    if (isEmpty) database.exec(`PRAGMA application_id = ${applicationId}`);
    migrate(database);
    foldBack(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Whether the whole write-ahead file was folded back. It is written from its start then, which takes
 * no room: a database that was opened once can go on for a while on a full disk.
 */
function foldBack(database: DatabaseSync): boolean {
  try {
    const row = database.prepare("PRAGMA wal_checkpoint(RESTART)").get();
    return row?.["busy"] === 0 && row["log"] === row["checkpointed"];
  } catch (error) {
    // The database itself would have to grow. What else is wrong, the next statement meets too.
    sqliteFailure(error);
    return false;
  }
}

/** Refuses the database of another program; says whether there is anything in it at all. */
export function assertOurs(database: DatabaseSync, file: string): boolean {
  const isEmpty = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  const found = database.prepare("PRAGMA application_id").get()?.["application_id"];
  if (isEmpty || found === applicationId) return isEmpty;
  throw new BrokerError("data_corrupt", `${file} is an SQLite database, but none of Millrace`);
}

function noRoom(): boolean {
  return false;
}

function isFull(answer: StateAnswer): boolean {
  return !answer.ok && answer.failure.code === "disk_full";
}

function failAll(requests: readonly StateRequest[], failure: StateFailure): StateAnswer[] {
  return requests.map(({ id }) => ({ id, ok: false, failure }));
}

function lastFailure(answers: readonly StateAnswer[]): StateFailure {
  const failed = answers.findLast((answer) => !answer.ok);
  if (failed !== undefined && !failed.ok) return failed.failure;
  return { code: "internal", message: "the transaction ended by itself" };
}

function failureOf(error: BrokerError): StateFailure {
  return { code: error.code, message: error.message };
}
