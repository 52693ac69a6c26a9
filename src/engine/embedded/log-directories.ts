import { join } from "node:path";
import { assert } from "../../kernel/assert.ts";
import { BrokerError, systemErrorCode } from "../../kernel/errors.ts";
import type { BusName } from "../../kernel/ids.ts";
import { isName } from "../../kernel/ids.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { Random } from "../../kernel/random.ts";
import type { Disk } from "./disk.ts";
import type { StateDatabase } from "./state-database.ts";
import type { LogRow } from "./state-protocol.ts";

export interface LogDirectoriesOptions {
  /** The directory `logs/` of the data directory. */
  readonly root: string;
  readonly database: Pick<StateDatabase, "request">;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly random: Random;
}

interface Closable {
  close(): Promise<void>;
}

/**
 * Which directory holds the log of which bus. The name holds chance, so that a recreated bus never
 * meets files of its forerunner. The row in the state database is written first and removed last:
 * whatever a crash leaves is known by its row and tidied up by the next open.
 *
 * | crash after                       | found at the next open | done then                  |
 * |-----------------------------------|------------------------|----------------------------|
 * | the row `new` is inserted         | row, maybe a directory | both removed: no bus       |
 * | the log is made and row `ready`   | a bus                  | –                          |
 * | the row is `deleted`, state gone  | row and directory      | both removed               |
 * | the directory is renamed, emptied | row, `<name>.deleted`  | both removed               |
 */
export class LogDirectories {
  readonly #options: LogDirectoriesOptions;

  constructor(options: LogDirectoriesOptions) {
    this.#options = options;
  }

  /** Finishes what a crash interrupted, and refuses logs of which the database knows nothing. */
  async tidyUp(): Promise<void> {
    const { root, database, logger } = this.#options;
    const rows = await database.request("listLogs", {});
    for (const row of rows) {
      if (row.state !== "ready") await this.discard(row.directory);
    }
    const ready = new Set(rows.map((row) => row.directory));
    const unknown = (await this.#list()).filter((name) => !ready.has(name));
    if (unknown.length === 0) return;
    if (rows.length === 0) {
      throw new BrokerError(
        "data_corrupt",
        `the state database knows of no log, but ${root} holds ${unknown.join(", ")}; restore ` +
          "state.db from a copy, or move those directories away to start anew",
      );
    }
    // They may hold events, so nobody but the operator removes them.
    logger.warn({ root, directories: unknown }, "logs that belong to no bus are left alone");
  }

  /** The finished log of the bus, or undefined when it has none. */
  async find(bus: BusName): Promise<string | undefined> {
    const row = await this.#options.database.request("findLog", bus);
    if (row === undefined) return undefined;
    if (row.state === "new") {
      await this.discard(row.directory);
      return undefined;
    }
    await this.#assertPresent(row);
    return this.#path(row.directory);
  }

  /** Makes a directory for `fill` to make the log in; the bus has a log once that has succeeded. */
  async create<Log extends Closable>(
    bus: BusName,
    fill: (directory: string) => Promise<Log>,
  ): Promise<Log> {
    const { root, database, disk, random } = this.#options;
    assert(isName(bus), "a bus is named at the door so that it can name a directory");
    const suffix = Buffer.from(random.bytes(6)).toString("hex");
    const directory = `${bus}-${suffix}`;
    await database.request("insertLog", { bus, directory });
    await disk.makeDirectory(this.#path(directory));
    await disk.syncDirectory(root);
    const log = await fill(this.#path(directory));
    try {
      await database.request("finishLog", directory);
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  /** Deletes the consumer state and the log of the bus; durable when it resolves. */
  async delete(bus: BusName): Promise<void> {
    const { database, logger } = this.#options;
    const row = await database.request("findLog", bus);
    if (row === undefined) return;
    await database.request("markLogDeleted", bus);
    try {
      await this.discard(row.directory);
    } catch (cause) {
      // The bus is gone all the same; its row makes the next open try again.
      logger.warn({ bus, directory: row.directory, cause }, "the files of a deleted log remain");
    }
  }

  /** Removes the directory of a log that is new or deleted, and then its row. */
  async discard(directory: string): Promise<void> {
    const { root, database, disk } = this.#options;
    const doomed = `${directory}.deleted`;
    const present = await this.#list();
    if (present.includes(directory)) {
      // Renamed first, so that a half-emptied directory can never pass for a log.
      await disk.rename(this.#path(directory), this.#path(doomed));
      await disk.syncDirectory(root);
    }
    if (present.includes(directory) || present.includes(doomed)) {
      await removeTree(disk, this.#path(doomed));
      await disk.syncDirectory(root);
    }
    await database.request("forgetLog", directory);
  }

  async #assertPresent(row: LogRow): Promise<void> {
    const { disk } = this.#options;
    const isPresent = (await this.#list()).includes(row.directory);
    // An empty directory would pass for a fresh log and give its offsets a second time.
    if (isPresent && (await disk.list(this.#path(row.directory))).length > 0) return;
    throw new BrokerError(
      "data_corrupt",
      `the log of bus '${row.bus}' is missing: ${this.#path(row.directory)}; restore it from a ` +
        "copy, or delete the bus",
    );
  }

  async #list(): Promise<readonly string[]> {
    const { root, disk } = this.#options;
    try {
      return await disk.list(root);
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
      await disk.makeDirectory(root);
      await disk.syncDirectory(join(root, ".."));
      return [];
    }
  }

  #path(directory: string): string {
    return join(this.#options.root, directory);
  }
}

async function removeTree(disk: Disk, path: string): Promise<void> {
  for (const name of await disk.list(path)) {
    const entry = join(path, name);
    const { isDirectory } = await disk.stat(entry);
    if (isDirectory) await removeTree(disk, entry);
    else await disk.unlink(entry);
  }
  await disk.removeDirectory(path);
}
