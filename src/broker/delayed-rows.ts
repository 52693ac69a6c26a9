import type { DelayedEvent, DelayedStore } from "../engine/engine.ts";
import type { BrokerError } from "../kernel/errors.ts";
import { toBrokerError } from "../kernel/errors.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import type { Logger } from "../kernel/logger.ts";
import { bytesOf } from "./delayed-append.ts";
import { DelayedWindow } from "./delayed-window.ts";
import { ChangeQueue } from "./resource-table.ts";

export interface DelayedRowsOptions {
  readonly bus: BusName;
  readonly store: DelayedStore;
  readonly logger: Logger;
  /** What waits has changed: the next due event may be another one. */
  readonly onChange: () => void;
}

/**
 * The delayed events of one bus in the store, and the next of them in memory. An event is
 *
 *   waiting    in the store, and in the window if it is among the next
 *   held       in the store; its publish is not answered yet, or it is on its way to the log, or in
 *              the log while its row still exists: only who holds it touches it
 *   gone       its row is deleted: it was cancelled, or its record is durable
 *
 * Requests to the store go one at a time (`#turns`): so what a load brings is what is stored, and
 * of a cancellation and the firing of the same event one wins.
 */
export class DelayedRows {
  readonly #options: DelayedRowsOptions;
  readonly #turns = new ChangeQueue();
  readonly #held = new Set<string>();
  readonly window: DelayedWindow = new DelayedWindow();
  #count = 0;
  #bytes = 0;
  #firedTo: Offset = 0;

  constructor(options: DelayedRowsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Stored: no record below it carries the id of a row. */
  get firedTo(): Offset {
    return this.#firedTo;
  }

  async open(): Promise<void> {
    const { store, bus } = this.#options;
    const { count, bytes, firedTo } = await store.summary(bus);
    this.#count = count;
    this.#bytes = bytes;
    this.#firedTo = firedTo;
  }

  isHeld(id: string): boolean {
    return this.#held.has(id);
  }

  hold(events: readonly DelayedEvent[]): void {
    for (const { id } of events) this.#held.add(id);
  }

  /** They wait again. */
  release(events: readonly DelayedEvent[]): void {
    for (const event of events) {
      this.#held.delete(event.id);
      this.window.insert(event);
    }
    this.#options.onChange();
  }

  /** All or none; resolves with why not. Those that are held stay so. */
  add(events: readonly DelayedEvent[]): Promise<BrokerError | undefined> {
    return this.#turns.run(async () => {
      const failure = await this.#try(({ store, bus }) => store.add(bus, events));
      if (failure === undefined) {
        this.#count += events.length;
        this.#bytes += bytesOf(events);
        for (const event of events) if (!this.#held.has(event.id)) this.window.insert(event);
      } else {
        for (const { id } of events) this.#held.delete(id);
      }
      this.#options.onChange();
      return failure;
    });
  }

  /** Takes back events that are held and nowhere but in the store; resolves with why not. */
  takeBack(events: readonly DelayedEvent[]): Promise<BrokerError | undefined> {
    const ids = events.map(({ id }) => id);
    return this.#turns.run(async () => {
      const failure = await this.#try(({ store, bus }) => store.remove(bus, ids, undefined));
      for (const id of ids) this.#held.delete(id);
      if (failure === undefined) this.#forget(events);
      else await this.#resync();
      return failure;
    });
  }

  /** Fills the window; false when the store does not answer. */
  load(): Promise<boolean> {
    return this.#turns.run(async () => {
      const { store, bus, logger } = this.#options;
      const after = this.window.loadedTo;
      try {
        const rows = await store.list(bus, { after, ...this.window.room });
        // The window may have become smaller while the store was reading.
        if (this.window.loadedTo !== after) return true;
        const free = rows.filter(({ id }) => !this.#held.has(id));
        this.window.load(free, rows.at(-1));
        return true;
      } catch (error) {
        logger.warn({ bus, error: String(error) }, "delayed events cannot be read; tried again");
        return false;
      }
    });
  }

  /**
   * Undefined when there is none, or it is in the log. `decided` resolves when what is on its way to
   * the log has arrived or come back.
   */
  cancel(id: string, decided: () => Promise<void>): Promise<DelayedEvent | undefined> {
    return this.#turns.run(async () => {
      const { store, bus } = this.#options;
      if (this.#held.has(id)) await decided();
      if (this.#held.has(id)) return undefined;
      const own = this.window.remove(id);
      try {
        const event = own ?? (await store.get(bus, id));
        if (event === undefined) return undefined;
        const removed = await store.remove(bus, [id], undefined);
        if (removed.length === 0) return undefined;
        this.#forget([event]);
        return event;
      } catch (thrown) {
        const failure = toBrokerError(thrown);
        if (failure.code === "outcome_unknown") await this.#resync();
        else if (own !== undefined) this.window.insert(own);
        throw failure;
      } finally {
        this.#options.onChange();
      }
    });
  }

  /** Their records are durable below `firedTo`, as are those of all that were removed before. */
  removeFired(events: readonly DelayedEvent[], firedTo: Offset): Promise<boolean> {
    const ids = events.map(({ id }) => id);
    return this.#turns.run(async () => {
      const removed = new Set<string>();
      const failure = await this.#try(async ({ store, bus }) => {
        for (const id of await store.remove(bus, ids, firedTo)) removed.add(id);
      });
      if (failure !== undefined) return false;
      this.#firedTo = Math.max(this.#firedTo, firedTo);
      for (const id of ids) this.#held.delete(id);
      this.#forget(events.filter(({ id }) => removed.has(id)));
      return true;
    });
  }

  /** The same for what an earlier process fired. Rejects when the store does not answer. */
  async removeFound(ids: readonly string[], firedTo: Offset): Promise<void> {
    const { store, bus, logger } = this.#options;
    await this.#turns.run(async () => {
      const removed = await store.remove(bus, ids, firedTo);
      await this.open();
      if (removed.length === 0) return;
      const fields = { bus, events: removed.length };
      logger.info(fields, "delayed events had been appended before the restart");
    });
  }

  /** Stores that no record below `next` belongs to a row. */
  mark(next: Offset): Promise<void> {
    return this.#turns.run(async () => {
      // A failed mark costs the next start some reading; the next mark covers this one too.
      const failure = await this.#try(({ store, bus }) => store.remove(bus, [], next));
      if (failure === undefined) this.#firedTo = Math.max(this.#firedTo, next);
    });
  }

  /** Resolves when every request made so far is answered. */
  whenIdle(): Promise<void> {
    return this.#turns.run(() => Promise.resolve());
  }

  async #try(
    request: (options: DelayedRowsOptions) => Promise<unknown>,
  ): Promise<BrokerError | undefined> {
    try {
      await request(this.#options);
      return undefined;
    } catch (thrown) {
      const failure = toBrokerError(thrown);
      const { bus, logger } = this.#options;
      logger.warn({ bus, code: failure.code }, `delayed events: ${failure.message}`);
      if (failure.code === "outcome_unknown") await this.#resync();
      return failure;
    }
  }

  /** Nobody knows what the store has, so it is asked, and the window is filled anew. */
  async #resync(): Promise<void> {
    this.window.reset();
    try {
      await this.open();
    } catch {
      // The counts only guard a limit; the rows come with the next load that succeeds.
    }
    this.#options.onChange();
  }

  #forget(events: readonly DelayedEvent[]): void {
    this.#count = Math.max(0, this.#count - events.length);
    this.#bytes = Math.max(0, this.#bytes - bytesOf(events));
  }
}
