import type { Disposable } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { BusName } from "../../kernel/ids.ts";
import type { EventLog } from "../engine.ts";
import type { LogDirectories } from "./log-directories.ts";

/** The log as its engine sees it: it can be closed, and it says when the disk takes nothing. */
export interface BusLog extends EventLog {
  /** Called with the reason when appends are refused from now on, with undefined when not. */
  onHealth(listener: (refusal: BrokerError | undefined) => void): Disposable;
  close(): Promise<void>;
}

export interface BusLogsOptions {
  readonly directories: LogDirectories;
  readonly open: (bus: BusName, directory: string) => Promise<BusLog>;
  /** The log of the bus, or its absence, takes appends or refuses them. */
  readonly onHealth: (bus: BusName, refusal: BrokerError | undefined) => void;
}

/**
 * The open logs by bus. Opening and deleting the log of one bus take turns, so that a bus deleted
 * and asked for again at once is a new one and never half of each.
 */
export class BusLogs {
  readonly #options: BusLogsOptions;
  readonly #logs = new Map<BusName, Promise<BusLog>>();
  readonly #deletions = new Map<BusName, Promise<void>>();
  #isClosed = false;

  constructor(options: BusLogsOptions) {
    this.#options = options;
  }

  log(bus: BusName): Promise<BusLog> {
    if (this.#isClosed) {
      return Promise.reject(new BrokerError("stopping", "the engine is closed"));
    }
    const present = this.#logs.get(bus);
    if (present !== undefined) return present;
    const opening = this.#open(bus);
    this.#logs.set(bus, opening);
    // A failed opening is not kept: the next one to ask tries again.
    opening.catch(() => {
      if (this.#logs.get(bus) === opening) this.#logs.delete(bus);
    });
    return opening;
  }

  delete(bus: BusName): Promise<void> {
    const opened = this.#logs.get(bus);
    this.#logs.delete(bus);
    const deletion = this.#delete(bus, opened);
    const noted = deletion.catch(() => undefined);
    this.#deletions.set(bus, noted);
    void noted.then(() => {
      if (this.#deletions.get(bus) === noted) this.#deletions.delete(bus);
    });
    return deletion;
  }

  /** The logs that are open by now. */
  async opened(): Promise<ReadonlyMap<BusName, BusLog>> {
    const opened = new Map<BusName, BusLog>();
    for (const [bus, opening] of this.#logs) {
      const [result] = await Promise.allSettled([opening]);
      if (result.status === "fulfilled") opened.set(bus, result.value);
    }
    return opened;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#deletions.values());
    const opened = await Promise.allSettled(this.#logs.values());
    const logs = opened.filter((result) => result.status === "fulfilled");
    const closings = await Promise.allSettled(logs.map((result) => result.value.close()));
    const failed = closings.filter((result) => result.status === "rejected");
    if (failed.length === 0) return;
    throw new AggregateError(
      failed.map((result): unknown => result.reason),
      "not every log could be closed",
    );
  }

  async #open(bus: BusName): Promise<BusLog> {
    const { directories, open, onHealth } = this.#options;
    await this.#deletions.get(bus);
    const directory = await directories.find(bus);
    const log =
      directory === undefined
        ? await directories.create(bus, (fresh) => open(bus, fresh))
        : await open(bus, directory);
    log.onHealth((refusal) => onHealth(bus, refusal));
    return log;
  }

  async #delete(bus: BusName, opened: Promise<BusLog> | undefined): Promise<void> {
    await this.#deletions.get(bus);
    // A log that could not be opened can be deleted all the same.
    const log = await opened?.catch(() => undefined);
    await log?.close();
    this.#options.onHealth(bus, undefined);
    await this.#options.directories.delete(bus);
  }
}
