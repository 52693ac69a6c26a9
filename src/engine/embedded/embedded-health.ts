import type { Disposable } from "../../kernel/clock.ts";
import type { BrokerError } from "../../kernel/errors.ts";
import type { BusName } from "../../kernel/ids.ts";
import type { EngineHealth } from "../engine.ts";

/** Adds up the health of the parts: writable while every log and the state database are. */
export class EmbeddedHealth {
  readonly #durability: EngineHealth["durability"];
  readonly #listeners = new Set<(health: EngineHealth) => void>();
  readonly #refusals = new Map<BusName, BrokerError>();
  #stateDatabaseDeath: BrokerError | undefined;
  #freeBytes: number | undefined;
  #isWritable = true;
  #freeBytesTold: number | undefined;

  constructor(durability: EngineHealth["durability"]) {
    this.#durability = durability;
  }

  get health(): EngineHealth {
    const reason = this.#reason();
    return {
      engine: "embedded",
      durability: this.#durability,
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

  setStateDatabaseDeath(cause: BrokerError): void {
    this.#stateDatabaseDeath = cause;
    this.#tellIfChanged();
  }

  /** Every write changes it a little: the listeners are called when it moved by a hundredth. */
  setFreeBytes(bytes: number): void {
    this.#freeBytes = bytes;
    this.#freeBytesTold ??= bytes;
    if (Math.abs(bytes - this.#freeBytesTold) > this.#freeBytesTold / 100) this.#tell();
  }

  #reason(): string | undefined {
    if (this.#stateDatabaseDeath !== undefined) return this.#stateDatabaseDeath.message;
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
