import type { DeadLetterState } from "../engine/engine.ts";
import type { Disposable, EpochMs } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Consumer } from "./consumer.ts";
import { letterCount } from "./generations.ts";
import type { LetterDeskParts } from "./letter-desk-parts.ts";
import type { LetterStock, LetterTotals } from "./letter-work.ts";

/** From this share of a limit on people are warned. */
const limitWarningShare = 0.8;
const dayMs = 86_400_000;

/**
 * Keeps dead letters within deadLettersMax and deadLetterAgeMsMax of each subscription: the oldest
 * are discarded, which is counted (P2) and said, and warned of long before.
 */
export class LetterLimits {
  readonly #parts: LetterDeskParts;
  readonly #discard: (consumer: Consumer, letters: readonly DeadLetterState[]) => number;
  readonly #oldest: Map<SubscriptionId, EpochMs> = new Map();
  readonly #warned: Set<SubscriptionId> = new Set();
  readonly #over: Set<SubscriptionId> = new Set();
  readonly #wallAhead: number;
  #timer: Disposable | undefined;
  #sweeping: Promise<void> | undefined;
  #isStopped = false;

  constructor(
    parts: LetterDeskParts,
    discard: (consumer: Consumer, letters: readonly DeadLetterState[]) => number,
  ) {
    this.#parts = parts;
    this.#discard = discard;
    this.#wallAhead = parts.clock.now() - parts.clock.monotonic();
  }

  start(): void {
    this.#timer = this.#parts.clock.every(limits.deadLetterSweepMs, () => this.#sweep());
    this.#sweep();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.dispose();
  }

  /** Called for each letter that is made: no more than a sum. */
  added(subscription: SubscriptionId): void {
    const consumer = this.#parts.consumer(subscription);
    const count = letterCount(consumer);
    if (count < limits.deadLettersMax * limitWarningShare) return;
    this.#warn(consumer);
    if (count <= limits.deadLettersMax) return;
    this.#over.add(subscription);
    if (this.#sweeping === undefined) this.#sweep();
  }

  totals(): LetterTotals {
    let letters = 0;
    let warned = 0;
    for (const consumer of this.#parts.consumers()) {
      const count = letterCount(consumer);
      if (count === 0) continue;
      letters += count;
      if (this.stock(consumer).warnings.length > 0) warned += 1;
    }
    return { letters, warned };
  }

  stock(consumer: Consumer): LetterStock {
    const count = letterCount(consumer);
    const oldest = count === 0 ? undefined : this.#oldest.get(consumer.plan.id);
    return { count, oldest, warnings: this.#warnings(count, oldest) };
  }

  #warnings(count: number, oldest: EpochMs | undefined): string[] {
    const warnings: string[] = [];
    const { deadLettersMax, deadLetterAgeMsMax } = limits;
    if (count >= deadLettersMax * limitWarningShare) {
      warnings.push(
        `${count} dead letters: beyond ${deadLettersMax} (deadLettersMax) the oldest are discarded; ` +
          "redrive, export or purge them",
      );
    }
    const ageMs = oldest === undefined ? 0 : this.#parts.clock.now() - oldest;
    if (ageMs >= deadLetterAgeMsMax * limitWarningShare) {
      const days = Math.floor(ageMs / dayMs);
      warnings.push(
        `the oldest dead letter is ${days} days old: after ${deadLetterAgeMsMax / dayMs} ` +
          "(deadLetterAgeMsMax) it is discarded; redrive, export or purge it",
      );
    }
    return warnings;
  }

  /** Says it once, and again only after it has been better. */
  #warn(consumer: Consumer): void {
    const { id } = consumer.plan;
    const { warnings } = this.stock(consumer);
    if (warnings.length === 0) {
      this.#warned.delete(id);
      return;
    }
    if (this.#warned.has(id)) return;
    this.#warned.add(id);
    const { logger, bus } = this.#parts;
    for (const warning of warnings) logger.warn({ bus, subscription: id }, warning);
  }

  #sweep(): void {
    if (this.#sweeping !== undefined || this.#isStopped) return;
    this.#sweeping = this.#sweepAll().then(
      () => {
        this.#sweeping = undefined;
        if (this.#over.size > 0) this.#sweep();
      },
      (error: unknown) => {
        this.#sweeping = undefined;
        if (this.#isStopped) return;
        const { bus, logger } = this.#parts;
        logger.error({ bus, error: String(error) }, "dead letters could not be looked through");
      },
    );
  }

  async #sweepAll(): Promise<void> {
    this.#over.clear();
    for (const consumer of Array.from(this.#parts.consumers())) {
      if (this.#isStopped) return;
      if (letterCount(consumer) === 0) {
        this.#oldest.delete(consumer.plan.id);
        this.#warned.delete(consumer.plan.id);
      } else {
        await this.#sweepOne(consumer.plan.id);
      }
    }
  }

  async #sweepOne(subscription: SubscriptionId): Promise<void> {
    const { bus, store } = this.#parts;
    let discarded = 0;
    for (;;) {
      const letters = await store.deadLetters(bus, {
        subscription,
        limit: discarded === 0 ? 1 : limits.deadLetterStepLetters,
      });
      const consumer = this.#find(subscription);
      const [oldest] = letters;
      if (consumer === undefined || oldest === undefined) break;
      this.#oldest.set(subscription, oldest.time);
      const tooMany = letterCount(consumer) - limits.deadLettersMax;
      const cutoff = this.#parts.clock.now() - limits.deadLetterAgeMsMax;
      const going = letters.filter(({ time }, index) => index < tooMany || time < cutoff);
      if (going.length === 0) break;
      discarded += this.#discard(consumer, going);
      await this.#parts.committer().flush();
      if (this.#isClockDoubtful() && tooMany <= 0) break;
    }
    const consumer = this.#find(subscription);
    if (consumer !== undefined) this.#warn(consumer);
    if (discarded > 0) this.#sayDiscarded(subscription, discarded);
  }

  /** A clock that has jumped makes everything old: then little goes at a time (invariant I15). */
  #isClockDoubtful(): boolean {
    const { clock } = this.#parts;
    const ahead = clock.now() - clock.monotonic();
    return Math.abs(ahead - this.#wallAhead) > limits.clockDisagreementMsMax;
  }

  #sayDiscarded(subscription: SubscriptionId, discarded: number): void {
    const { bus, logger } = this.#parts;
    logger.warn(
      { bus, subscription, discarded },
      "dead letters beyond deadLettersMax or deadLetterAgeMsMax were discarded",
    );
  }

  /** Undefined when it was deleted meanwhile. */
  #find(subscription: SubscriptionId): Consumer | undefined {
    try {
      return this.#parts.consumer(subscription);
    } catch (error) {
      if (error instanceof BrokerError && error.code === "subscription_not_found") return undefined;
      throw error;
    }
  }
}
