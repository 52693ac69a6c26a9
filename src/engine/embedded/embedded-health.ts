import type { Disposable } from "../../kernel/clock.ts";
import type { BrokerError } from "../../kernel/errors.ts";
import type { BusName } from "../../kernel/ids.ts";
import type { EngineHealth, FsyncMode } from "../engine.ts";

/** Adds up the health of the parts: writable while the disk has room and every part works. */
export class EmbeddedHealth {
  readonly #fsync: FsyncMode;
  readonly #listeners = new Set<(health: EngineHealth) => void>();
  readonly #refusals = new Map<BusName, BrokerError>();
  #stateDatabaseDeath: BrokerError | undefined;
  #spaceRefusal: BrokerError | undefined;
  #freeBytes: number | undefined;
  #isWritable = true;
  #freeBytesTold: number | undefined;

  constructor(fsync: FsyncMode) {
    this.#fsync = fsync;
  }

  get health(): EngineHealth {
    const reason = this.#reason();
    return {
      engine: "embedded",
      durability: this.#fsync === "always" ? "disk" : "os",
      fsync: this.#fsync,
      writable: reason === undefined,
      reason,
      freeBytes: this.#freeBytes,
    };
  }

  listen(listener: (health: EngineHealth) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  setLog(bus: BusName, refusal: BrokerError | undefined): void {
    if (refusal === undefined) this.#refusals.delete(bus);
    else this.#refusals.set(bus, refusal);
    this.#tellIfChanged();
  }

  /** Undefined: it works again. */
  setStateDatabaseDeath(cause: BrokerError | undefined): void {
    this.#stateDatabaseDeath = cause;
    this.#tellIfChanged();
  }

  /**
   * Every write changes the free space a little: the listeners are called when it moved by a
   * hundredth, or when appends begin or end to be refused for it.
   */
  setSpace(freeBytes: number, refusal: BrokerError | undefined): void {
    this.#freeBytes = freeBytes;
    this.#spaceRefusal = refusal;
    this.#freeBytesTold ??= freeBytes;
    if (Math.abs(freeBytes - this.#freeBytesTold) > this.#freeBytesTold / 100) this.#tell();
    else this.#tellIfChanged();
  }

  #reason(): string | undefined {
    if (this.#stateDatabaseDeath !== undefined) return this.#stateDatabaseDeath.message;
    if (this.#spaceRefusal !== undefined) return this.#spaceRefusal.message;
    for (const [bus, refusal] of this.#refusals) return `bus '${bus}': ${refusal.message}`;
    return undefined;
  }

  #tellIfChanged(): void {
    if (this.health.writable !== this.#isWritable) this.#tell();
  }

  #tell(): void {
    const { health } = this;
    this.#isWritable = health.writable;
    this.#freeBytesTold = health.freeBytes;
    for (const listener of this.#listeners) listener(health);
  }
}
