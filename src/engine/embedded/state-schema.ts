import type { DatabaseSync } from "node:sqlite";
import { assert } from "../../kernel/assert.ts";
import { BrokerError } from "../../kernel/errors.ts";

/**
 * Migration n leads from schema version n to n + 1; an empty database is at version 0. A released
 * migration is never edited: a change of the schema is a new one at the end. The tables are drawn
 * in spec/state-database.md.
 */
export type Migration = (database: DatabaseSync) => void;

export const migrations: readonly Migration[] = [createTables, addDelayed, addAttempts];

/** Tells whether this version may open the database at all. Reads only. */
export function assertKnownSchema(database: DatabaseSync, file: string): void {
  const found = schemaVersion(database);
  if (found <= migrations.length) return;
  throw new BrokerError(
    "data_dir_too_new",
    `${file} has schema ${found}, and this version knows schemas up to ${migrations.length}; ` +
      "start the version that wrote it",
  );
}

/**
 * Brings the database to the newest schema, each step in a transaction of its own, so that a crash
 * leaves it at a whole version.
 */
export function migrate(database: DatabaseSync, steps: readonly Migration[] = migrations): void {
  const found = schemaVersion(database);
  for (const [version, step] of steps.entries()) {
    if (version >= found) migrateOnce(database, version, step);
  }
}

/** 0 for a database without tables. */
export function schemaVersion(database: DatabaseSync): number {
  const table = database
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'")
    .get();
  if (table === undefined) return 0;
  const row = database.prepare("SELECT value FROM meta WHERE name = 'schema_version'").get();
  const version = row?.["value"];
  if (typeof version === "number" && version >= 1) return version;
  throw new BrokerError(
    "data_corrupt",
    "the state database has tables but no schema version; restore it from a copy",
  );
}

function migrateOnce(database: DatabaseSync, version: number, step: Migration): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    step(database);
    const changed = database
      .prepare("UPDATE meta SET value = ? WHERE name = 'schema_version' AND value = ?")
      .run(version + 1, version);
    assert(changed.changes === 1, "a migration starts from the version before it");
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function createTables(database: DatabaseSync): void {
  database.exec(resourcesAndLogs);
  database.exec(consumerState);
}

function addDelayed(database: DatabaseSync): void {
  database.exec(delayedEvents);
}

function addAttempts(database: DatabaseSync): void {
  database.exec(attemptsAndReplays);
}

const resourcesAndLogs = `
  CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO meta (name, value)
    VALUES ('schema_version', 0), ('revision_last', 0), ('lease_token_last', 0);

  CREATE TABLE resources (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id)
  ) STRICT;

  CREATE TABLE logs (
    log INTEGER PRIMARY KEY,
    bus TEXT NOT NULL,
    directory TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('new', 'ready', 'deleted')),
    position INTEGER,
    lease_token INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX logs_by_bus ON logs (bus) WHERE state <> 'deleted';
`;

const consumerState = `
  CREATE TABLE subscription_states (
    log INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    generation INTEGER NOT NULL,
    start INTEGER NOT NULL,
    position INTEGER,
    delivered INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    discarded INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    unsettled_first INTEGER,
    unsettled BLOB,
    details TEXT NOT NULL,
    PRIMARY KEY (log, subscription)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE parked (
    log INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    offset INTEGER NOT NULL,
    due_at REAL NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt_at REAL NOT NULL,
    paused_ms REAL NOT NULL,
    last_error TEXT NOT NULL,
    PRIMARY KEY (log, subscription, offset)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX parked_by_offset ON parked (log, offset);

  CREATE TABLE dead_letters (
    log INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    letter TEXT NOT NULL,
    offset INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    time REAL NOT NULL,
    reason TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (log, subscription, letter)
  ) STRICT;
  CREATE INDEX dead_letters_by_time ON dead_letters (log, subscription, time, letter);
  CREATE INDEX dead_letters_by_offset ON dead_letters (log, offset);

  CREATE TABLE rescued (
    log INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    time REAL NOT NULL,
    hops INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (log, offset)
  ) STRICT;
`;

const delayedEvents = `
  ALTER TABLE logs ADD COLUMN fired_to INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE logs ADD COLUMN delayed_count INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE logs ADD COLUMN delayed_bytes INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE delayed (
    log INTEGER NOT NULL,
    id TEXT NOT NULL,
    due_at REAL NOT NULL,
    created_at REAL NOT NULL,
    hops INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (log, id)
  ) STRICT;
  CREATE INDEX delayed_by_due ON delayed (log, due_at, id);
`;

const attemptsAndReplays = `
  ALTER TABLE dead_letters ADD COLUMN event_type TEXT;
  ALTER TABLE dead_letters ADD COLUMN event_source TEXT;

  CREATE TABLE attempts (
    log INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    lane TEXT NOT NULL CHECK (lane IN ('failures', 'successes')),
    sequence INTEGER NOT NULL,
    time REAL NOT NULL,
    offset INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    bytes INTEGER NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (log, subscription, lane, sequence)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE attempt_lanes (
    log INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    lane TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sequence_last INTEGER NOT NULL,
    PRIMARY KEY (log, subscription, lane)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE replays (
    log INTEGER NOT NULL,
    subscription TEXT NOT NULL,
    replay TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (log, subscription, replay)
  ) STRICT, WITHOUT ROWID;
`;
