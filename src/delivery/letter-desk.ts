import type { DeadLetterState, LetterFilter } from "../engine/engine.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Consumer } from "./consumer.ts";
import { countLetter } from "./generations.ts";
import type { LetterDeskParts } from "./letter-desk-parts.ts";
import { LetterLimits } from "./letter-limits.ts";
import type {
  LetterStock,
  LetterTotals,
  LetterWork,
  RedriveRequest,
  ReplayView,
} from "./letter-work.ts";
import { Redriver } from "./redriver.ts";
import { createReplay, replayAbandoned } from "./replay.ts";
import type { LetterSelection, Replay } from "./replay.ts";

/**
 * Everything that is done with dead letters after they were made, for one bus. Letters are looked up
 * in the store and moved in the turn in which the answer comes; what another piece of work has taken
 * away meanwhile, the committer knows (`isLetterDeleted`). So each letter is moved once.
 */
export class LetterDesk implements LetterWork {
  readonly #parts: LetterDeskParts;
  readonly #limits: LetterLimits;
  readonly #redrivers: Map<Replay, Redriver> = new Map();
  #isStopped = false;

  constructor(parts: LetterDeskParts) {
    this.#parts = parts;
    this.#limits = new LetterLimits(parts, (consumer, letters) => this.#discard(consumer, letters));
  }

  /** Goes on with the replays that a stop has interrupted. */
  start(): void {
    for (const consumer of this.#parts.consumers()) {
      for (const replay of consumer.replays.values()) {
        if (replay.end === undefined) this.#run(replay);
      }
    }
    this.#limits.start();
  }

  stop(): void {
    this.#isStopped = true;
    this.#limits.stop();
    for (const redriver of this.#redrivers.values()) redriver.stop();
    this.#redrivers.clear();
  }

  /** A letter was made. */
  added(subscription: SubscriptionId): void {
    this.#limits.added(subscription);
  }

  totals(): LetterTotals {
    return this.#limits.totals();
  }

  stock(subscription: SubscriptionId): LetterStock {
    return this.#limits.stock(this.#parts.consumer(subscription));
  }

  async discard(subscription: SubscriptionId, letter: string): Promise<boolean> {
    const { bus, store } = this.#parts;
    this.#parts.consumer(subscription);
    await this.#parts.committer().flush();
    const state = await store.deadLetter(bus, subscription, letter);
    if (state === undefined) return false;
    const discarded = this.#discard(this.#parts.consumer(subscription), [state]);
    await this.#parts.committer().flush();
    return discarded > 0;
  }

  async purge(subscription: SubscriptionId, filter: LetterFilter, max: number): Promise<number> {
    const { bus, store, clock } = this.#parts;
    this.#parts.consumer(subscription);
    await this.#parts.committer().flush();
    const until = untilNow(filter, clock.now());
    let purged = 0;
    while (purged < max) {
      const limit = Math.min(limits.deadLetterStepLetters, max - purged);
      const letters = await store.deadLetters(bus, { subscription, filter: until, limit });
      if (letters.length === 0) break;
      purged += this.#discard(this.#parts.consumer(subscription), letters);
      await this.#parts.committer().flush();
    }
    return purged;
  }

  async redrive(subscription: SubscriptionId, request: RedriveRequest): Promise<ReplayView> {
    const { clock, random } = this.#parts;
    const consumer = this.#parts.consumer(subscription);
    this.#refuseTooMany(consumer);
    await this.#parts.committer().flush();
    const created = clock.now();
    const selection = boundSelection(request.selection, created);
    const total = await this.#count(subscription, selection);
    const current = this.#parts.consumer(subscription);
    this.#refuseTooMany(current);
    const replay = createReplay({
      ...request,
      id: random.id(),
      subscription,
      created,
      selection,
      total,
    });
    this.#makeRoom(current);
    current.replays.set(replay.id, replay);
    this.#parts.committer().changed(current);
    await this.#parts.committer().flush();
    this.#run(replay);
    return { replay, paused: this.#pausedReason(replay) };
  }

  replays(subscription: SubscriptionId): readonly ReplayView[] {
    const { replays } = this.#parts.consumer(subscription);
    const views = [...replays.values()].map((replay) => ({
      replay,
      paused: this.#pausedReason(replay),
    }));
    return views.toReversed();
  }

  async cancel(subscription: SubscriptionId, id: string): Promise<ReplayView | undefined> {
    const replay = this.#parts.consumer(subscription).replays.get(id);
    if (replay === undefined) return undefined;
    if (replay.end === undefined) {
      const redriver = this.#redrivers.get(replay) ?? new Redriver(replay, this.#parts);
      await redriver.end("cancelled", null);
    }
    return { replay, paused: null };
  }

  #run(replay: Replay): void {
    if (this.#isStopped) return;
    for (const [one, redriver] of this.#redrivers) {
      if (one.end === undefined) continue;
      redriver.stop();
      this.#redrivers.delete(one);
    }
    const redriver = new Redriver(replay, this.#parts);
    this.#redrivers.set(replay, redriver);
    redriver.start();
  }

  #discard(consumer: Consumer, letters: readonly DeadLetterState[]): number {
    const committer = this.#parts.committer();
    let discarded = 0;
    for (const letter of letters) {
      if (committer.isLetterDeleted(letter)) continue;
      countLetter(consumer, letter, "discarded");
      committer.deleteLetter(letter);
      discarded += 1;
    }
    if (discarded > 0) committer.changed(consumer);
    return discarded;
  }

  async #count(subscription: SubscriptionId, selection: LetterSelection): Promise<number> {
    const { bus, store } = this.#parts;
    if ("filter" in selection) {
      return store.countDeadLetters(bus, subscription, selection.filter);
    }
    for (const [index, letter] of selection.letters.entries()) {
      const found = await store.deadLetter(bus, subscription, letter);
      if (found !== undefined) continue;
      const shown = letter.slice(0, limits.labelLengthMax);
      const message = `subscription '${subscription}' has no dead letter '${shown}'`;
      const violations = [{ path: `letters[${index}]`, code: "dead_letter_not_found", message }];
      throw new BrokerError("dead_letter_not_found", message, { violations });
    }
    return selection.letters.length;
  }

  #refuseTooMany(consumer: Consumer): void {
    const running = [...consumer.replays.values()].filter(({ end }) => end === undefined);
    if (running.length < limits.replaysRunningMax) return;
    const detail = `${running.length} replays of subscription '${consumer.plan.id}' are running already (replaysRunningMax)`;
    throw new BrokerError("overloaded", detail);
  }

  /** The oldest that has ended gives way. */
  #makeRoom(consumer: Consumer): void {
    const { replays, plan } = consumer;
    for (const replay of replays.values()) {
      if (replays.size < limits.replaysKeptMax) return;
      if (replay.end === undefined) continue;
      replays.delete(replay.id);
      replayAbandoned(replay);
      this.#parts.committer().deleteReplay({ subscription: plan.id, replay: replay.id });
    }
  }

  #pausedReason(replay: Replay): string | null {
    if (replay.end !== undefined || replay.sink !== undefined) return null;
    const consumer = this.#parts.consumer(replay.subscription);
    if (!consumer.isPaused && !consumer.isCut) return null;
    return consumer.isPaused
      ? "the subscription is paused"
      : `the circuit of the subscription is ${consumer.circuit.state}`;
  }
}

/** What is made from now on is not meant. */
function untilNow(filter: LetterFilter, now: number): LetterFilter {
  return { ...filter, before: Math.min(filter.before ?? now + 1, now + 1) };
}

function boundSelection(selection: LetterSelection, now: number): LetterSelection {
  return "filter" in selection ? { filter: untilNow(selection.filter, now) } : selection;
}
