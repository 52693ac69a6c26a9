import { DatabaseSync } from "node:sqlite";
import { BrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import { consumerTables } from "./consumer-tables.ts";
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

  /** Answers in the order of the requests; everything answered with `ok` is durable. */
  execute(requests: readonly StateRequest[]): StateAnswer[] {
    try {
      this.#runs.begin();
      const answers = requests.map((request) => this.#executeOne(request));
      // A full disk or an I/O error may end the whole transaction, not the statement alone.
      if (!this.#database.isTransaction) return failAll(requests, lastFailure(answers));
      return this.#commit(requests, answers);
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      return failAll(requests, sqliteFailure(error));
    }
  }

  close(): void {
    this.#database.close();
  }

  #commit(requests: readonly StateRequest[], answers: StateAnswer[]): StateAnswer[] {
    try {
      this.#runs.commit();
      return answers;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      const failure = sqliteFailure(error);
      // When the sync itself failed, the next start may find the transaction whole in the WAL.
      const isUnknown = failure.code === "storage_unavailable";
      return failAll(requests, isUnknown ? { ...failure, code: "outcome_unknown" } : failure);
    }
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
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Refuses the database of another program; says whether there is anything in it at all. */
function assertOurs(database: DatabaseSync, file: string): boolean {
  const isEmpty = database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  const found = database.prepare("PRAGMA application_id").get()?.["application_id"];
  if (isEmpty || found === applicationId) return isEmpty;
  throw new BrokerError("data_corrupt", `${file} is an SQLite database, but none of Millrace`);
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
