import type { LetterFilter } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { SubscriptionId } from "../kernel/ids.ts";
import type { LetterSelection, Replay } from "./replay.ts";

export interface RedriveRequest {
  readonly selection: LetterSelection;
  readonly ratePerSecond: number | undefined;
  /** Another sink, as BusDeliveryOptions.openSink understands it; undefined = the subscription's. */
  readonly sink: unknown;
}

/** A replay, and why it does nothing at the moment although it is not at its end. */
export interface ReplayView {
  readonly replay: Replay;
  readonly paused: string | null;
}

/** How many dead letters a subscription has, and what stands before their limits. */
export interface LetterStock {
  readonly count: number;
  /** When the oldest was made; undefined without letters, or before it was looked up. */
  readonly oldest: EpochMs | undefined;
  /** In words, from 80 % of a limit on. */
  readonly warnings: readonly string[];
}

/** What can be done with the dead letters of a bus; each throws subscription_not_found. */
/** Of all subscriptions of a bus together. */
export interface LetterTotals {
  readonly letters: number;
  /** Subscriptions with a warning about them. */
  readonly warned: number;
}

export interface LetterWork {
  /** A sum for each subscription, so that it may be asked now and then of ten thousand. */
  totals(): LetterTotals;
  /**
   * Deletes one dead letter; its event then counts as discarded (P2), in the generation that made
   * it, in the same commit. False when there is none of that id. Durable when it resolves.
   */
  discard(subscription: SubscriptionId, letter: string): Promise<boolean>;
  /**
   * Deletes letters that pass the filter and were made before the call, at most `max` of them,
   * oldest first, in commits of a few hundred each. Answers how many; durable when it resolves.
   */
  purge(subscription: SubscriptionId, filter: LetterFilter, max: number): Promise<number>;
  /** Begins a replay of dead letters; it is stored when this resolves. */
  redrive(subscription: SubscriptionId, request: RedriveRequest): Promise<ReplayView>;
  /** The latest first. */
  replays(subscription: SubscriptionId): readonly ReplayView[];
  /** What it has parked stays parked. One that has ended already stays as it is. */
  cancel(subscription: SubscriptionId, replay: string): Promise<ReplayView | undefined>;
  stock(subscription: SubscriptionId): LetterStock;
}
