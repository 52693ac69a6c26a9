import { resolve } from "node:path";
import { assert } from "../../kernel/assert.ts";
import type { Clock, Disposable } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { BusName } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { Random } from "../../kernel/random.ts";
import { systemRandom } from "../../kernel/random.ts";
import type {
  ConsumerStateStore,
  Engine,
  EngineHealth,
  EventLog,
  Leases,
  ResourceStore,
} from "../engine.ts";
import { LocalLeases } from "../local-leases.ts";
import { BusLogs } from "./bus-logs.ts";
import type { DataDirectory } from "./data-directory.ts";
import {
  assertKnownFormat,
  createDataDirectory,
  dataDirectoryOf,
  writeFormat,
} from "./data-directory.ts";
import type { Disk } from "./disk.ts";
import { nodeDisk } from "./disk.ts";
import { EmbeddedHealth } from "./embedded-health.ts";
import { EmbeddedResources } from "./embedded-resources.ts";
import { EmbeddedState } from "./embedded-state.ts";
import { openLog } from "./log.ts";
import { LogShare } from "./log-share.ts";
import { LogDirectories } from "./log-directories.ts";
import type { Ownership } from "./ownership.ts";
import { takeOwnership } from "./ownership.ts";
import { StateDatabase } from "./state-database.ts";
import { storageError } from "./storage-error.ts";

/** When an event is synced: before its acknowledgement, every now and then, when the system likes. */
export type FsyncMode = "always" | "interval" | "never";

export interface EmbeddedEngineOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default `always`; the others are refused by open() with not_supported_yet. */
  readonly fsync?: FsyncMode;
  readonly disk?: Disk;
  readonly random?: Random;
  /** Smaller segments than limits.segmentBytesMax, for tests. */
  readonly segmentBytesMax?: number;
}

export function createEmbeddedEngine(options: EmbeddedEngineOptions): Engine {
  return new EmbeddedEngine(options);
}

/** An opened engine's parts; there are none before open and none after close. */
interface Opened {
  readonly ownership: Ownership;
  readonly database: StateDatabase;
  readonly logs: BusLogs;
}

/**
 * One machine, one process: a data directory with a segmented log per bus and a state database.
 *
 * States: created → open by open(), → closed by close(). Whatever open acquires, a failed open lets
 * go again.
 */
class EmbeddedEngine implements Engine {
  readonly #options: EmbeddedEngineOptions;
  readonly #disk: Disk;
  readonly #directory: DataDirectory;
  readonly #health: EmbeddedHealth;
  readonly #leases: LocalLeases;
  readonly resources: ResourceStore;
  readonly consumerState: ConsumerStateStore;
  readonly leases: Leases;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;
  #freeBytesTimer: Disposable | undefined;
  #wasOpened = false;

  constructor(options: EmbeddedEngineOptions) {
    const { dataDir, fsync = "always", disk = nodeDisk } = options;
    this.#options = options;
    this.#disk = disk;
    this.#directory = dataDirectoryOf(resolve(dataDir));
    this.#health = new EmbeddedHealth(fsync === "always" ? "disk" : "os");
    const state = new EmbeddedState(() => this.#parts().database);
    this.#leases = new LocalLeases(state);
    this.consumerState = state;
    this.leases = this.#leases;
    this.resources = new EmbeddedResources(() => this.#parts().database);
  }

  async open(): Promise<EngineHealth> {
    assert(!this.#wasOpened, "an engine is opened once");
    this.#wasOpened = true;
    const { root } = this.#directory;
    assertSupported(this.#options.fsync);
    await createDataDirectory(root);
    await assertKnownFormat(root);
    const ownership = takeOwnership(this.#directory);
    try {
      await writeFormat(root);
      const database = await this.#openDatabase();
      this.#opened = { ownership, database, logs: await this.#openLogs(database) };
    } catch (error) {
      ownership.release();
      throw storageError(`the data directory ${root} cannot be opened`, error);
    }
    await this.#measureFreeBytes();
    this.#freeBytesTimer = this.#options.clock.every(limits.freeBytesIntervalMs, () => {
      void this.#measureFreeBytes();
    });
    return this.#health.health;
  }

  async log(bus: BusName): Promise<EventLog> {
    try {
      return await this.#parts().logs.log(bus);
    } catch (error) {
      throw storageError(`the log of bus '${bus}' cannot be opened`, error);
    }
  }

  async deleteLog(bus: BusName): Promise<void> {
    const { logs } = this.#parts();
    this.#leases.drop(bus);
    try {
      await logs.delete(bus);
    } catch (error) {
      throw storageError(`the log of bus '${bus}' cannot be deleted`, error);
    }
  }

  onHealth(listener: (health: EngineHealth) => void): Disposable {
    return this.#health.listen(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    this.#freeBytesTimer?.dispose();
    this.#leases.close();
    if (opened === undefined) return;
    // The directory is given up last and always: until then another broker would find it in motion.
    try {
      await opened.logs.close();
    } finally {
      await opened.database.close();
      opened.ownership.release();
    }
  }

  #parts(): Opened {
    assert(this.#wasOpened, "an engine is used after it was opened");
    if (this.#opened !== undefined && this.#closing === undefined) return this.#opened;
    throw new BrokerError("stopping", "the engine is closed");
  }

  #openDatabase(): Promise<StateDatabase> {
    const { logger } = this.#options;
    return StateDatabase.open({
      file: this.#directory.stateFile,
      onDeath: (cause) => {
        logger.error({ cause }, "the state database stopped; restart the broker");
        this.#health.setStateDatabaseDeath(cause);
      },
    });
  }

  async #openLogs(database: StateDatabase): Promise<BusLogs> {
    const { clock, logger, random = systemRandom, segmentBytesMax } = this.#options;
    const disk = this.#disk;
    const share = new LogShare();
    const root = this.#directory.logs;
    const directories = new LogDirectories({ root, database, disk, logger, random });
    try {
      await directories.tidyUp();
    } catch (error) {
      await database.close();
      throw error;
    }
    const shared = {
      disk,
      clock,
      logger,
      random,
      share,
      ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
      fsync: "always" as const,
    };
    return new BusLogs({
      directories,
      open: (bus, directory) => openLog({ ...shared, directory, bus }),
      onHealth: (bus, refusal) => this.#health.setLog(bus, refusal),
    });
  }

  async #measureFreeBytes(): Promise<void> {
    try {
      this.#health.setFreeBytes(await this.#disk.freeBytes(this.#directory.root));
    } catch (error) {
      // Not every file system tells; nothing depends on the figure but the operator's knowledge.
      this.#options.logger.debug({ error }, "the free space of the data directory is unknown");
    }
  }
}

function assertSupported(fsync: FsyncMode = "always"): void {
  if (fsync === "always") return;
  throw new BrokerError(
    "not_supported_yet",
    `fsync '${fsync}' is not supported yet; leave it out or say 'always'`,
  );
}
