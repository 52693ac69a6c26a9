import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { BrokerError, systemErrorCode } from "../../kernel/errors.ts";
import { makeDirectories, syncDirectory } from "../directories.ts";
import { codeOfFailedWrite } from "./write-failure.ts";

/**
 * The layout of the data directory (spec/state-database.md). It grows when a version puts files
 * where an earlier one would not expect them; schema and log format have versions of their own.
 */
export const dataDirectoryFormat = 1;

const formatFile = "format.json";

/** Where things lie in a data directory. */
export interface DataDirectory {
  readonly root: string;
  readonly lockFile: string;
  readonly stateFile: string;
  /** Holds nothing but room (disk-reserve.ts). */
  readonly reserveFile: string;
  /** The same, for starts only. */
  readonly startReserveFile: string;
  readonly logs: string;
}

export function dataDirectoryOf(root: string): DataDirectory {
  return {
    root,
    lockFile: join(root, "lock.db"),
    stateFile: join(root, "state.db"),
    reserveFile: join(root, "reserve"),
    startReserveFile: join(root, "reserve-start"),
    logs: join(root, "logs"),
  };
}

/** Creates the directory for its owner alone when there is none. An existing one keeps its mode. */
export async function createDataDirectory(root: string): Promise<void> {
  try {
    await makeDirectories(root);
  } catch (error) {
    if (codeOfFailedWrite(error) === "disk_full") throw error;
    throw new BrokerError(
      "invalid_config",
      `the data directory ${root} cannot be created (${systemErrorCode(error) ?? "unknown"}); ` +
        "choose another with --data-dir",
      { cause: error },
    );
  }
}

/** Refuses a directory that a later version wrote, before anything in it is touched. */
export async function assertKnownFormat(root: string): Promise<void> {
  const text = await readFormat(root);
  if (text === undefined) return;
  const format = formatOf(text);
  if (format === undefined) {
    throw new BrokerError(
      "data_corrupt",
      `${join(root, formatFile)} is not {"format": <number>}; restore it from a copy`,
    );
  }
  if (format <= dataDirectoryFormat) return;
  throw new BrokerError(
    "data_dir_too_new",
    `the data directory ${root} has format ${format}, and this version knows formats up to ` +
      `${dataDirectoryFormat}; start the version that wrote it`,
  );
}

/** Marks the directory as one of this format, unless it is marked already. */
export async function writeFormat(root: string): Promise<void> {
  if ((await readFormat(root)) !== undefined) return;
  const file = join(root, formatFile);
  // A half-written marker would lock the owner out: it gets its name only when it is whole.
  const handle = await open(`${file}.tmp`, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ format: dataDirectoryFormat })}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.tmp`, file);
  await syncDirectory(root);
}

async function readFormat(root: string): Promise<string | undefined> {
  try {
    return await readFile(join(root, formatFile), "utf8");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function formatOf(text: string): number | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What is no JSON has no format either; the caller says so.
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("format" in value)) return undefined;
  const { format } = value;
  return typeof format === "number" && Number.isInteger(format) && format >= 1 ? format : undefined;
}
