import type { Clock, EpochMs } from "../../kernel/clock.ts";
import { sleep } from "../../kernel/clock.ts";
import type { BusName } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { EventLog, ScrubFacts } from "../engine.ts";
import type { StateDatabase } from "./state-database.ts";

export interface ScrubOptions {
  /** The logs there are, opened, whenever a pass asks. */
  readonly logs: () => Promise<ReadonlyMap<BusName, Pick<EventLog, "verify">>>;
  readonly store: ScrubStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bytesPerSecond?: number;
  readonly intervalMs?: number;
}

/** Where it is remembered between starts how far a pass has come. */
export interface ScrubStore {
  load(): Promise<ScrubProgress | undefined>;
  save(progress: ScrubProgress): Promise<void>;
}

export interface ScrubProgress {
  readonly startedAt: EpochMs;
  /** Buses up to this one, by name, are done. */
  readonly doneTo: string;
  readonly finishedAt: EpochMs | undefined;
}

/** A broker that has just started has better things to do. */
const FIRST_PASS_DELAY_MS = 60_000;
const UNREADABLE_TRIES = 3;

/**
 * Reads everything again at low speed, so that damage is found while a copy may still exist, and
 * not when the event is needed. One bus after the other, by name; a pass that a stop cut short goes
 * on where it was.
 *
 * States: `idle` until start(), then `waiting` for its time or `reading`; `stopped` by stop(), for
 * good. Its reads are small and wait their turn behind those of consumers.
 */
export class Scrub {
  readonly #options: ScrubOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Bytes since the start, damages of the pass that runs or ran last. */
  readonly #state = { bytes: 0, damages: 0, finishedAt: undefined as EpochMs | undefined };

  constructor(options: ScrubOptions) {
    this.#options = options;
  }

  get facts(): ScrubFacts {
    const { bytes, damages, finishedAt } = this.#state;
    return { bytes, damages, finishedAt };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the pass where it is; resolves when nothing is read any more. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the scrub was stopped"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#wait();
        await this.#pass();
      } catch (thrown) {
        if (signal.aborted) return;
        const failure = thrown instanceof Error ? thrown.message : String(thrown);
        logger.warn({ failure }, "the scrub could not finish; it tries again");
      }
    }
  }

  async #wait(): Promise<void> {
    const { clock, store, intervalMs = limits.scrubIntervalMs } = this.#options;
    const { signal } = this.#stopping;
    await sleep(clock, FIRST_PASS_DELAY_MS, signal);
    const last = await store.load();
    if (last?.finishedAt === undefined) return;
    this.#state.finishedAt = last.finishedAt;
    const leftMs = Math.min(intervalMs, last.startedAt + intervalMs - clock.now());
    if (leftMs > 0) await sleep(clock, leftMs, signal);
  }

  async #pass(): Promise<void> {
    const { clock, store, logger, logs } = this.#options;
    const last = await store.load();
    const isResumed = last !== undefined && last.finishedAt === undefined;
    const startedAt = isResumed ? last.startedAt : clock.now();
    const doneTo = isResumed ? last.doneTo : "";
    const all = [...(await logs())].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const bytesBefore = this.#state.bytes;
    this.#state.damages = 0;
    for (const [bus, log] of all) {
      if (bus <= doneTo) continue;
      await this.#read(bus, log);
      await store.save({ startedAt, doneTo: bus, finishedAt: undefined });
    }
    const finishedAt = clock.now();
    await store.save({ startedAt, doneTo: "", finishedAt });
    this.#state.finishedAt = finishedAt;
    const { bytes, damages } = this.#state;
    logger.info({ bytes: bytes - bytesBefore, damages, buses: all.length }, PASS_ENDED);
  }

  /** What the disk refuses to read is tried again later: by then it is known whether it lasts. */
  async #read(bus: BusName, log: Pick<EventLog, "verify">): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#verify(log);
      } catch (thrown) {
        signal.throwIfAborted();
        const failure = thrown instanceof Error ? thrown.message : String(thrown);
        logger.warn({ bus, failure }, "the scrub cannot read a log");
        if (attempt === UNREADABLE_TRIES) return;
      }
      await sleep(clock, limits.unreadableMsMin, signal);
    }
  }

  async #verify(log: Pick<EventLog, "verify">): Promise<void> {
    const { bytesPerSecond = limits.scrubBytesPerSecond } = this.#options;
    const onRead = (bytes: number): void => {
      this.#state.bytes += bytes;
    };
    const options = { bytesPerSecond, signal: this.#stopping.signal, onRead };
    // The log itself tells the operator what it meets for the first time; here it is counted.
    for await (const _ of log.verify(options)) this.#state.damages += 1;
  }
}

const PASS_ENDED = "the scrub has read every log again";

/** Progress as a setting in the state database. */
export function scrubStore(database: Pick<StateDatabase, "request">): ScrubStore {
  const place = { kind: "setting", id: "scrub" } as const;
  return {
    async load() {
      const stored = await database.request("getResource", place);
      return stored === undefined ? undefined : progressOf(stored.value);
    },
    async save(progress) {
      await database.request("putResource", { ...place, value: JSON.stringify(progress) });
    },
  };
}

/** Undefined for what an earlier or later version may have meant by it: then a pass begins anew. */
function progressOf(text: string): ScrubProgress | undefined {
  const value = JSON.parse(text) as Partial<ScrubProgress>;
  const { startedAt, doneTo, finishedAt } = value;
  if (typeof startedAt !== "number" || typeof doneTo !== "string") return undefined;
  return { startedAt, doneTo, finishedAt };
}
