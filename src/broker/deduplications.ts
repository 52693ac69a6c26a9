import type { Deduplication } from "../api/api.ts";
import type { EventLog } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { DeduplicationSettings, KeyBudget } from "./deduplicator.ts";
import { Deduplicator } from "./deduplicator.ts";
import { parseDuration } from "./durations.ts";

export interface DeduplicationsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A running bus as far as deduplication goes. */
export interface DeduplicatedBus {
  readonly name: string;
  readonly log: EventLog;
  deduplicator: Deduplicator | undefined;
}

/** Switches deduplication of buses on and off as their settings say. */
export class Deduplications {
  readonly #options: DeduplicationsOptions;
  readonly #budget: KeyBudget = { keys: 0, keysMax: limits.deduplicationKeysTotalMax };

  constructor({ clock, random, logger }: DeduplicationsOptions) {
    this.#options = { clock, random, logger };
  }

  /** The door of a bus that is opened, with what its log knows; undefined while it is off. */
  async open(
    name: string,
    log: EventLog,
    wanted: Deduplication | null,
  ): Promise<Deduplicator | undefined> {
    if (wanted === null) return undefined;
    const deduplicator = this.#create(name, log);
    try {
      await deduplicator.change(settingsOf(wanted), () => Promise.resolve());
      return deduplicator;
    } catch (error) {
      deduplicator.close();
      throw error;
    }
  }

  /**
   * Persists what is wanted of a bus and puts it into force; rejects with nothing changed. Without
   * a bus it is only persisted.
   */
  async change<Result>(
    bus: DeduplicatedBus | undefined,
    wanted: Deduplication | null,
    persist: () => Promise<Result>,
  ): Promise<Result> {
    if (bus === undefined) return persist();
    const current = bus.deduplicator;
    if (wanted === null) {
      const result = await persist();
      bus.deduplicator = undefined;
      // What is on its way carries keys: whoever switches on again must find them in the log.
      await current?.idle();
      current?.close();
      return result;
    }
    const settings = settingsOf(wanted);
    if (current === undefined) return this.#switchOn(bus, settings, persist);
    if (areEqual(current.settings, settings)) return persist();
    return current.change(settings, persist);
  }

  async #switchOn<Result>(
    bus: DeduplicatedBus,
    settings: DeduplicationSettings,
    persist: () => Promise<Result>,
  ): Promise<Result> {
    const deduplicator = this.#create(bus.name, bus.log);
    try {
      const result = await deduplicator.change(settings, persist);
      bus.deduplicator = deduplicator;
      return result;
    } catch (error) {
      deduplicator.close();
      throw error;
    }
  }

  #create(bus: string, log: EventLog): Deduplicator {
    return new Deduplicator({ ...this.#options, bus, log, budget: this.#budget });
  }
}

function settingsOf({ window, maxKeys }: Deduplication): DeduplicationSettings {
  const windowMs = parseDuration(window);
  assert(windowMs !== undefined, "the window was read before it was stored");
  return { windowMs, maxKeys };
}

function areEqual(one: DeduplicationSettings, other: DeduplicationSettings): boolean {
  return one.windowMs === other.windowMs && one.maxKeys === other.maxKeys;
}
