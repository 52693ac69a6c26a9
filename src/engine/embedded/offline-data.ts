import { existsSync } from "node:fs";
import { readdir, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { EpochMs } from "../../kernel/clock.ts";
import { BrokerError, systemErrorCode } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { DataDirectory } from "./data-directory.ts";
import { assertKnownFormat, dataDirectoryOf } from "./data-directory.ts";
import type { OfflineLog } from "./offline-logs.ts";
import { checkLog, openOffline } from "./offline-logs.ts";
import type { Finding, RepairTools } from "./offline-report.ts";

import { OfflineState, checkState } from "./offline-state.ts";
import { takeOwnership } from "./ownership.ts";

export interface OfflineOptions {
  readonly dataDir: string;
  /** Called with each finding as soon as it is known: a large directory takes its time. */
  readonly onFinding?: (finding: Finding) => void;
}

export interface VerifyReport {
  readonly dataDir: string;
  readonly buses: readonly string[];
  /** Bytes of segments read. */
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

export interface RepairOptions extends OfflineOptions {
  /** False: says what would be done, and does nothing. */
  readonly isApplied: boolean;
  /** Called before each change. */
  readonly onRepair: (what: string) => void;
}

export interface RepairReport extends VerifyReport {
  /** What was changed, or would be. */
  readonly repairs: readonly string[];
}

export interface BusStats {
  readonly bus: string;
  readonly directory: string;
  /** False: the log cannot be opened, and its figures are those of an empty one. */
  readonly isReadable: boolean;
  readonly segments: number;
  readonly bytes: number;
  /** Kept offsets; what is damaged counts too. */
  readonly events: number;
  readonly first: Offset;
  readonly next: Offset;
  readonly firstTime: EpochMs | null;
  readonly lastTime: EpochMs | null;
  /** Damage that shows without reading the events: headers, a torn end. */
  readonly damages: number;
  readonly subscriptions: number;
  readonly parked: number;
  readonly deadLetters: number;
  readonly rescued: number;
  readonly delayed: number;
}

/**
 * Reads everything in the data directory and says what is wrong. Changes nothing. Rejects with
 * `data_dir_in_use` while a broker owns the directory.
 */
export function verifyData(options: OfflineOptions): Promise<VerifyReport> {
  return withData(options.dataDir, (data) => verify(data, options));
}

/** Verifies, and mends what can be mended without losing anything that could still be read. */
export function repairData(options: RepairOptions): Promise<RepairReport> {
  return withData(options.dataDir, async (data) => {
    const report = await verify(data, options);
    data.state?.close();
    const repairs: string[] = [];
    const tools = new Tools(data.directory);
    try {
      for (const { repair } of report.findings) {
        if (repair === undefined) continue;
        options.onRepair(repair.what);
        if (options.isApplied) await repair.run(tools);
        repairs.push(repair.what);
      }
    } finally {
      tools.close();
    }
    return { ...report, repairs };
  });
}

/** Figures per bus, without reading the events. */
export function dataStats(dataDir: string): Promise<readonly BusStats[]> {
  return withData(dataDir, async (data) => {
    const findings: Finding[] = [];
    const { state } = data;
    const counts = (table: string): ReadonlyMap<number, number> =>
      state?.counts(table) ?? new Map<number, number>();
    const subscriptions = counts("subscription_states");
    const [parked, letters] = [counts("parked"), counts("dead_letters")];
    const [rescued, delayed] = [counts("rescued"), counts("delayed")];
    const stats: BusStats[] = [];
    for (const row of state?.logs ?? []) {
      if (row.state !== "ready") continue;
      const path = join(data.directory.logs, row.directory);
      stats.push({
        ...logStats(await openOffline(row.bus, path, findings)),
        subscriptions: subscriptions.get(row.log) ?? 0,
        parked: parked.get(row.log) ?? 0,
        deadLetters: letters.get(row.log) ?? 0,
        rescued: rescued.get(row.log) ?? 0,
        delayed: delayed.get(row.log) ?? 0,
      });
    }
    return stats;
  });
}

type LogStats = Omit<BusStats, "subscriptions" | "parked" | "deadLetters" | "rescued" | "delayed">;

function logStats({ bus, directory, survey }: OfflineLog): LogStats {
  const facts = (survey?.segments.all ?? []).map((segment) => segment.facts);
  const isTorn = survey?.tail !== undefined && survey.tail.scan.end < survey.tail.end;
  return {
    bus,
    directory,
    isReadable: survey !== undefined,
    segments: facts.length,
    bytes: facts.reduce((sum, { bytes }) => sum + bytes, 0),
    events: facts.reduce((sum, { first, next }) => sum + next - first, 0),
    first: facts[0]?.first ?? 0,
    next: facts.at(-1)?.next ?? 0,
    firstTime: facts.find(({ firstTime }) => firstTime !== undefined)?.firstTime ?? null,
    lastTime: facts.findLast(({ lastTime }) => lastTime !== undefined)?.lastTime ?? null,
    damages: (survey?.damages.length ?? 1) + (isTorn ? 1 : 0),
  };
}

interface Data {
  readonly directory: DataDirectory;
  /** Undefined when there is none, or none that can be opened. */
  readonly state: OfflineState | undefined;
  /** Why there is no state. */
  readonly stateFinding: Finding | undefined;
}

/** Opens the directory for one piece of work; no broker can start on it meanwhile. */
async function withData<T>(dataDir: string, work: (data: Data) => Promise<T>): Promise<T> {
  const directory = dataDirectoryOf(resolve(dataDir));
  // Taking ownership makes files: what is no data directory must stay untouched.
  if (!existsSync(join(directory.root, "format.json")) && !existsSync(directory.stateFile)) {
    const what = `${directory.root} is no data directory of millrace; name one with --data-dir`;
    throw new BrokerError("invalid_config", what);
  }
  await assertKnownFormat(directory.root);
  const ownership = takeOwnership(directory);
  try {
    const opened = openState(directory);
    try {
      return await work({ directory, ...opened });
    } finally {
      opened.state?.close();
    }
  } finally {
    ownership.release();
  }
}

function openState({ stateFile }: DataDirectory): Omit<Data, "directory"> {
  try {
    return { state: new OfflineState(stateFile), stateFinding: undefined };
  } catch (thrown) {
    if (thrown instanceof BrokerError && thrown.code === "data_dir_too_new") throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const what = `the state database cannot be opened: ${reason}; restore it from a copy`;
    return { state: undefined, stateFinding: { severity: "damage", where: stateFile, what } };
  }
}

async function verify(data: Data, { onFinding }: OfflineOptions): Promise<VerifyReport> {
  const { directory, state, stateFinding } = data;
  const findings: Finding[] = [];
  const found = (finding: Finding): void => {
    findings.push(finding);
    onFinding?.(finding);
  };
  if (stateFinding !== undefined) found(stateFinding);
  for (const finding of await checkDirectories(data)) found(finding);
  const ends = new Map<string, { first: Offset; next: Offset }>();
  const buses: string[] = [];
  let bytes = 0;
  for (const { bus, path } of await logsOf(data)) {
    const unopened: Finding[] = [];
    const log = await openOffline(bus, path, unopened);
    for (const finding of unopened) found(finding);
    for await (const finding of checkLog(log)) found(finding);
    const stats = logStats(log);
    buses.push(bus);
    bytes += stats.bytes;
    if (log.survey !== undefined) ends.set(bus, stats);
    for (const segment of log.survey?.segments.all ?? []) segment.index.clear();
  }
  if (state !== undefined) for (const finding of checkState(state, ends)) found(finding);
  return { dataDir: directory.root, buses, bytes, findings };
}

/** Logs by the state database; without one, by what lies there. */
async function logsOf(data: Data): Promise<readonly { bus: string; path: string }[]> {
  const { directory, state } = data;
  const present = await directoriesIn(directory.logs);
  if (state === undefined) {
    return present.map((name) => ({ bus: name, path: join(directory.logs, name) }));
  }
  return state.logs
    .filter((row) => row.state === "ready" && present.includes(row.directory))
    .map((row) => ({ bus: row.bus, path: join(directory.logs, row.directory) }));
}

async function checkDirectories({ directory, state }: Data): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const present = await directoriesIn(directory.logs);
  const rows = state?.logs ?? [];
  for (const { bus, directory: name, state: rowState } of rows) {
    const where = join(directory.logs, name);
    if (rowState !== "ready") {
      const what = `the log of bus '${bus}' was being made or deleted; the next start removes it`;
      findings.push({ severity: "notice", where, what });
    } else if (!present.includes(name)) {
      const what = `the log of bus '${bus}' is missing; restore it from a copy, or delete the bus`;
      findings.push({ severity: "damage", where, what });
    }
  }
  for (const name of state === undefined ? [] : present) {
    if (rows.some((row) => name === row.directory || name === `${row.directory}.deleted`)) continue;
    const what = "a log that belongs to no bus; the broker leaves it alone";
    findings.push({ severity: "damage", where: join(directory.logs, name), what });
  }
  const leftover = join(directory.root, "format.json.tmp");
  if (existsSync(leftover)) {
    const what = "a file that was being written when the broker died";
    const repair = { what: `remove ${leftover}`, run: () => unlink(leftover) };
    findings.push({ severity: "notice", where: leftover, what, repair });
  }
  return findings;
}

async function directoriesIn(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (thrown) {
    if (systemErrorCode(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

/** Opens the state database for writing when the first repair asks for it. */
class Tools implements RepairTools {
  readonly #file: string;
  #database: DatabaseSync | undefined;

  constructor({ stateFile }: DataDirectory) {
    this.#file = stateFile;
  }

  readonly database = (): DatabaseSync => {
    if (this.#database === undefined) {
      this.#database = new DatabaseSync(this.#file);
      this.#database.exec("PRAGMA synchronous = FULL");
    }
    return this.#database;
  };

  close(): void {
    this.#database?.close();
  }
}
