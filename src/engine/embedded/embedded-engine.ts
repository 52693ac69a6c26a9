import { resolve } from "node:path";
import { assert } from "../../kernel/assert.ts";
import type { Clock, Disposable } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { BusName } from "../../kernel/ids.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { Random } from "../../kernel/random.ts";
import { systemRandom } from "../../kernel/random.ts";
import type {
  ConsumerStateStore,
  DelayedStore,
  Engine,
  EngineHealth,
  EventLog,
  FsyncMode,
  Leases,
  ResourceStore,
  ScrubFacts,
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
import { EmbeddedDelayed } from "./delayed-state.ts";
import type { Disk } from "./disk.ts";
import { nodeDisk } from "./disk.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { DiskSpace } from "./disk-space.ts";
import { EmbeddedHealth } from "./embedded-health.ts";
import { EmbeddedResources } from "./embedded-resources.ts";
import { EmbeddedState } from "./embedded-state.ts";
import { openLog } from "./log.ts";
import { LogShare } from "./log-share.ts";
import { LogDirectories } from "./log-directories.ts";
import type { Ownership } from "./ownership.ts";
import { takeOwnership } from "./ownership.ts";
import { Scrub, scrubStore } from "./scrub.ts";
import { StateDatabase } from "./state-database.ts";
import { storageError } from "./storage-error.ts";
import { withRelief } from "./write-failure.ts";

export interface EmbeddedEngineOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default `always`. */
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
  readonly scrub: Scrub;
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
  readonly #space: DiskSpace;
  readonly #leases: LocalLeases;
  readonly resources: ResourceStore;
  readonly consumerState: ConsumerStateStore;
  readonly delayed: DelayedStore;
  readonly leases: Leases;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;
  #wasOpened = false;

  constructor(options: EmbeddedEngineOptions) {
    const { dataDir, fsync = "always", disk = nodeDisk } = options;
    this.#options = options;
    this.#disk = disk;
    this.#directory = dataDirectoryOf(resolve(dataDir));
    this.#health = new EmbeddedHealth(fsync);
    this.#space = new DiskSpace({
      ...options,
      disk,
      root: this.#directory.root,
      reserve: new DiskReserve(disk, this.#directory.reserveFile),
      startReserve: new DiskReserve(disk, this.#directory.startReserveFile),
      onMeasured: (freeBytes, refusal) => this.#health.setSpace(freeBytes, refusal),
    });
    const state = new EmbeddedState(() => this.#parts().database);
    this.#leases = new LocalLeases(state);
    this.consumerState = state;
    this.delayed = new EmbeddedDelayed(() => this.#parts().database);
    this.leases = this.#leases;
    this.resources = new EmbeddedResources(() => this.#parts().database);
  }

  async open(): Promise<EngineHealth> {
    assert(!this.#wasOpened, "an engine is opened once");
    this.#wasOpened = true;
    const { root } = this.#directory;
    const ownership = await this.#takeDirectory();
    try {
      await writeFormat(root);
      await this.#space.start();
      const database = await this.#openDatabase();
      const logs = await this.#openLogs(database);
      const scrub = this.#startScrub(database, logs);
      this.#opened = { ownership, database, logs, scrub };
    } catch (error) {
      await this.#space.stop();
      ownership.release();
      throw storageError(`the data directory ${root} cannot be opened`, error);
    }
    return this.#health.health;
  }

  get scrub(): ScrubFacts | undefined {
    return this.#opened?.scrub.facts;
  }

  #startScrub(database: StateDatabase, logs: BusLogs): Scrub {
    const { clock, logger } = this.#options;
    const store = scrubStore(database);
    const scrub = new Scrub({ clock, logger, store, logs: () => logs.opened() });
    scrub.start();
    return scrub;
  }

  async #takeDirectory(): Promise<Ownership> {
    const { root } = this.#directory;
    try {
      await createDataDirectory(root);
      await assertKnownFormat(root);
    } catch (error) {
      throw storageError(`the data directory ${root} cannot be opened`, error);
    }
    return takeOwnership(this.#directory);
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
    this.#leases.close();
    if (opened === undefined) return;
    // The directory is given up last and always: until then another broker would find it in motion.
    try {
      await opened.scrub.stop();
      await opened.logs.close();
    } finally {
      await opened.database.close();
      await this.#space.stop();
      opened.ownership.release();
    }
  }

  #parts(): Opened {
    assert(this.#wasOpened, "an engine is used after it was opened");
    if (this.#opened !== undefined && this.#closing === undefined) return this.#opened;
    throw new BrokerError("stopping", "the engine is closed");
  }

  #openDatabase(): Promise<StateDatabase> {
    const { logger, clock } = this.#options;
    const { stateFile, reserveFile, startReserveFile } = this.#directory;
    return StateDatabase.open({
      file: stateFile,
      reserves: { reserveFile, startReserveFile },
      clock,
      onDeath: (cause) => {
        logger.error({ code: cause.code, cause: cause.cause }, cause.message);
        this.#health.setStateDatabaseDeath(cause);
      },
      onRevival: () => {
        logger.info({}, "the state database works again");
        this.#health.setStateDatabaseDeath(undefined);
      },
    });
  }

  async #openLogs(database: StateDatabase): Promise<BusLogs> {
    const { clock, logger, random = systemRandom, segmentBytesMax, fsync } = this.#options;
    const disk = this.#disk;
    const share = new LogShare(this.#space);
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
      fsync: fsync ?? "always",
    };
    return new BusLogs({
      directories,
      open: (bus, directory) =>
        withRelief(this.#space.relieveStart, () => openLog({ ...shared, directory, bus })),
      onHealth: (bus, refusal) => this.#health.setLog(bus, refusal),
    });
  }
}
