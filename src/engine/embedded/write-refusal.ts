import type { Clock, Disposable } from "../../kernel/clock.ts";
import type { BrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/logger.ts";

export type RefusalListener = (refusal: BrokerError | undefined) => void;

export interface WriteRefusalOptions {
  readonly bus: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time to find out whether the disk takes events again. */
  readonly probe: () => void;
}

/** Why a log takes nothing at the moment, whom it tells, and when it tries again. */
export class WriteRefusal {
  readonly #options: WriteRefusalOptions;
  readonly #listeners = new Set<RefusalListener>();
  #refusal: BrokerError | undefined;
  #probeTimer: Disposable | undefined;

  constructor(options: WriteRefusalOptions) {
    this.#options = options;
  }

  /** Undefined while the disk takes events. */
  get current(): BrokerError | undefined {
    return this.#refusal;
  }

  begin(refusal: BrokerError): void {
    const { bus, clock, logger, probe } = this.#options;
    if (this.#refusal === undefined) logger.error({ bus, code: refusal.code }, refusal.message);
    this.#refusal = refusal;
    this.#probeTimer?.dispose();
    this.#probeTimer = clock.after(limits.diskRetryMs, probe);
  }

  end(): void {
    if (this.#refusal === undefined) return;
    this.#refusal = undefined;
    this.#options.logger.info({ bus: this.#options.bus }, "the disk takes events again");
    this.tell();
  }

  tell(): void {
    for (const listener of this.#listeners) listener(this.#refusal);
  }

  listen(listener: RefusalListener): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  /** Tries no more. */
  stop(): void {
    this.#probeTimer?.dispose();
  }
}
