import { DatabaseSync } from "node:sqlite";
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { Offset } from "../../kernel/ids.ts";
import { subscriptionStateOf } from "./consumer-statements.ts";
import { offsets } from "./offline-logs.ts";
import type { Finding } from "./offline-report.ts";
import { assertKnownSchema, migrations, schemaVersion } from "./state-schema.ts";
import { assertOurs } from "./state-store.ts";

type Row = Record<string, SQLOutputValue>;

/** Where the log of a bus begins and ends; undefined for one that cannot be opened. */
export type LogEnds = ReadonlyMap<string, { readonly first: Offset; readonly next: Offset }>;

/** The state database without its broker, to be looked at only. */
export class OfflineState {
  readonly file: string;
  readonly #database: DatabaseSync;
  readonly #tables: ReadonlySet<string>;

  /** Rejects a database of a later version, before a statement writes. */
  constructor(file: string) {
    this.file = file;
    this.#database = new DatabaseSync(file, { readOnly: true });
    try {
      assertOurs(this.#database, file);
      assertKnownSchema(this.#database, file);
      const names = this.all("SELECT name FROM sqlite_schema WHERE type = 'table'");
      this.#tables = new Set(names.map((row) => String(row["name"])));
    } catch (thrown) {
      this.#database.close();
      throw thrown;
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#database.prepare(sql).all(...values);
  }

  has(table: string): boolean {
    return this.#tables.has(table);
  }

  get schema(): number {
    return schemaVersion(this.#database);
  }

  /** Rows by log, as numbers. */
  counts(table: string): ReadonlyMap<number, number> {
    if (!this.has(table)) return new Map();
    const rows = this.all(`SELECT log, count(*) AS rows FROM ${table} GROUP BY log`);
    return new Map(rows.map((row) => [Number(row["log"]), Number(row["rows"])]));
  }

  get logs(): readonly { log: number; bus: string; directory: string; state: string }[] {
    if (!this.has("logs")) return [];
    return this.all("SELECT log, bus, directory, state FROM logs ORDER BY bus").map((row) => ({
      log: Number(row["log"]),
      bus: String(row["bus"]),
      directory: String(row["directory"]),
      state: String(row["state"]),
    }));
  }
}

/** Checks what SQLite promises, and then what the rows promise each other and the logs. */
export function* checkState(state: OfflineState, ends: LogEnds): Iterable<Finding> {
  const { file } = state;
  for (const row of state.all("PRAGMA integrity_check")) {
    const said = String(row["integrity_check"]);
    if (said !== "ok") yield { severity: "damage", where: file, what: `SQLite says: ${said}` };
  }
  if (state.schema < migrations.length) {
    const what = `schema ${state.schema}: the next start makes it ${migrations.length}`;
    yield { severity: "notice", where: file, what };
  }
  yield* checkOrphans(state);
  for (const { log, bus, state: logState } of state.logs) {
    const end = ends.get(bus);
    if (logState !== "ready" || end === undefined) continue;
    const place: BusPlace = { state, log, bus, next: end.next };
    yield* checkPosition(place);
    yield* checkSubscriptions(place);
    yield* checkNames(place);
    yield* checkRescued(place);
    yield* checkDelayed(place);
  }
}

const stateTables = ["subscription_states", "parked", "dead_letters", "rescued", "delayed"];

function* checkOrphans(state: OfflineState): Iterable<Finding> {
  for (const table of stateTables) {
    if (!state.has(table)) continue;
    const where = `${state.file}, table ${table}`;
    const orphans = `FROM ${table} WHERE log NOT IN (SELECT log FROM logs WHERE state = 'ready')`;
    const count = Number(state.all(`SELECT count(*) AS rows ${orphans}`)[0]?.["rows"]);
    if (count === 0) continue;
    yield {
      severity: "damage",
      where,
      what: `${count} rows belong to no bus`,
      repair: {
        what: `delete ${count} rows of ${table} that belong to no bus`,
        run: async ({ database }) => database().exec(`DELETE ${orphans}`),
      },
    };
  }
}

interface BusPlace {
  readonly state: OfflineState;
  readonly log: number;
  readonly bus: string;
  readonly next: Offset;
}

function* checkPosition({ state, log, bus, next }: BusPlace): Iterable<Finding> {
  const position = state.all("SELECT position FROM logs WHERE log = ?", log)[0]?.["position"];
  if (typeof position !== "number" || position <= next) return;
  yield {
    severity: "damage",
    where: `${state.file}, table logs`,
    what: `the position of bus '${bus}' is ${position}, beyond the end of its log at ${next}: the log is older than the state`,
    repair: {
      what: `set the position of bus '${bus}' back from ${position} to ${next}`,
      run: async ({ database }) =>
        void database().prepare("UPDATE logs SET position = ? WHERE log = ?").run(next, log),
    },
  };
}

function* checkSubscriptions(place: BusPlace): Iterable<Finding> {
  const { state, log } = place;
  for (const row of state.all("SELECT * FROM subscription_states WHERE log = ?", log)) {
    yield* checkSubscription(place, row);
  }
}

/** P2: what was counted and what is held cannot be more than what there was. */
function* checkSubscription(place: BusPlace, row: Row): Iterable<Finding> {
  const { state, log, next } = place;
  const where = `${state.file}, subscription ${String(row["subscription"])} of bus '${place.bus}'`;
  const wrong = (what: string): Finding => ({ severity: "damage", where, what });
  let stored;
  try {
    stored = subscriptionStateOf(row);
  } catch (thrown) {
    yield wrong(`its unsettled offsets cannot be read: ${String(thrown)}`);
    return;
  }
  const { start, position, counters, unsettled, generation, subscription } = stored;
  for (const [name, value] of Object.entries(counters)) {
    if (value < 0) yield wrong(`the counter '${name}' is ${value}`);
  }
  if (start > next) yield wrong(`it starts at ${start}, beyond the end of the log at ${next}`);
  if (position !== undefined && position > next) {
    yield {
      ...wrong(`its position ${position} is beyond the end of the log at ${next}`),
      repair: setBack(place, subscription),
    };
  }
  const strays = unsettled.filter((offset) => offset < start || offset >= next);
  if (strays.length > 0)
    yield wrong(`unsettled ${list(strays)} lie outside ${start} to ${next - 1}`);
  const parked = countOf(
    state,
    "SELECT count(*) AS rows FROM parked WHERE log = ? AND subscription = ?",
    log,
    subscription,
  );
  const letters = countOf(
    state,
    "SELECT count(*) AS rows FROM dead_letters WHERE log = ? AND subscription = ? AND generation = ?",
    log,
    subscription,
    generation,
  );
  if (letters !== counters.dead) {
    yield wrong(
      `it counts ${counters.dead} dead events and has ${letters} letters of this generation`,
    );
  }
  const { delivered, dead, discarded, expired, skipped } = counters;
  const known = delivered + dead + discarded + expired + skipped + parked + unsettled.length;
  if (known > next - start) {
    yield wrong(`it accounts for ${known} events, and there were ${next - start} since its start`);
  }
}

function setBack({ log, bus, next }: BusPlace, subscription: string): Finding["repair"] & object {
  return {
    what: `set the position of subscription ${subscription} of bus '${bus}' back to ${next}`,
    run: async ({ database }) =>
      void database()
        .prepare("UPDATE subscription_states SET position = ? WHERE log = ? AND subscription = ?")
        .run(next, log, subscription),
  };
}

/** Parked rows and letters name offsets that were given, of subscriptions that are there. */
function* checkNames({ state, log, bus, next }: BusPlace): Iterable<Finding> {
  for (const table of ["parked", "dead_letters"]) {
    const isCurrent = table === "parked" ? "1" : "named.generation = owner.generation";
    const rows = state.all(
      `SELECT named.subscription, named.offset FROM ${table} AS named
        LEFT JOIN subscription_states AS owner
          ON owner.log = named.log AND owner.subscription = named.subscription
        WHERE named.log = ? AND (owner.log IS NULL OR named.offset >= ?
          OR (${isCurrent} AND named.offset < owner.start))
        ORDER BY named.offset LIMIT 1000`,
      log,
      next,
    );
    if (rows.length === 0) continue;
    const strays = rows.map((row) => Number(row["offset"]));
    const what = `${rows.length === 1000 ? "at least " : ""}${rows.length} rows of bus '${bus}' name ${list(strays)}, where their subscription has no event`;
    yield { severity: "damage", where: `${state.file}, table ${table}`, what };
  }
}

function* checkRescued({ state, log, bus }: BusPlace): Iterable<Finding> {
  const named = new Set<Offset>();
  for (const row of state.all("SELECT * FROM subscription_states WHERE log = ?", log)) {
    try {
      for (const offset of subscriptionStateOf(row).unsettled) named.add(offset);
    } catch {
      // Told of above. What it may have named must not be taken for unnamed.
      return;
    }
  }
  const rows = state.all(
    `SELECT offset FROM rescued WHERE log = ?
      EXCEPT SELECT offset FROM parked WHERE log = ?
      EXCEPT SELECT offset FROM dead_letters WHERE log = ? ORDER BY offset`,
    log,
    log,
    log,
  );
  const unnamed = rows.map((row) => Number(row["offset"])).filter((offset) => !named.has(offset));
  if (unnamed.length === 0) return;
  yield {
    severity: "damage",
    where: `${state.file}, table rescued`,
    what: `${unnamed.length} rescued events of bus '${bus}' are named by nobody (${list(unnamed)})`,
    repair: {
      what: `delete ${unnamed.length} rescued events of bus '${bus}' that nobody names`,
      run: async ({ database }) => {
        const remove = database().prepare("DELETE FROM rescued WHERE log = ? AND offset = ?");
        for (const offset of unnamed) remove.run(log, offset);
      },
    },
  };
}

function* checkDelayed({ state, log, bus, next }: BusPlace): Iterable<Finding> {
  if (!state.has("delayed")) return;
  const where = `${state.file}, table delayed`;
  const sums = "count(*) AS count, coalesce(sum(length(payload)), 0) AS bytes";
  const found = state.all(`SELECT ${sums} FROM delayed WHERE log = ?`, log)[0];
  const [kept] = state.all(
    "SELECT delayed_count AS count, delayed_bytes AS bytes, fired_to FROM logs WHERE log = ?",
    log,
  );
  for (const name of ["count", "bytes"]) {
    if (found?.[name] === kept?.[name]) continue;
    const what = `bus '${bus}' has delayed events of ${name} ${String(found?.[name])}, and its row says ${String(kept?.[name])}`;
    yield { severity: "damage", where, what };
  }
  const firedTo = Number(kept?.["fired_to"]);
  if (firedTo <= next) return;
  const what = `delayed events of bus '${bus}' were appended up to ${firedTo}, beyond the end of its log at ${next}`;
  yield { severity: "damage", where, what };
}

function countOf(state: OfflineState, sql: string, ...values: SQLInputValue[]): number {
  return Number(state.all(sql, ...values)[0]?.["rows"]);
}

/** The ends of a long list say enough. */
function list(all: readonly Offset[]): string {
  const [first = 0] = all;
  const last = all.at(-1) ?? first;
  if (last - first === all.length - 1) return offsets(first, last);
  return `${all.length} offsets from ${first} to ${last}`;
}
