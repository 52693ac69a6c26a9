import type { LetterFilter, LetterPlace, ReplayState } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { SubscriptionId } from "../kernel/ids.ts";
import type { Step } from "./states.ts";

/** Which dead letters a redrive takes: these by name, or all that pass. */
export type LetterSelection =
  | { readonly letters: readonly string[] }
  | { readonly filter: LetterFilter };

export type ReplayEnd = "done" | "cancelled" | "failed";

/** How far a replay is. redriven = delivered + dead + other + waiting. */
export interface ReplayCounts {
  /** How many letters were selected when it began. */
  total: number;
  /** Letters that it has taken up. */
  redriven: number;
  delivered: number;
  /** They are dead letters again, or still. */
  dead: number;
  /** Filtered out, expired, discarded or skipped since. */
  other: number;
  /** Parked on its behalf, and not settled. */
  waiting: number;
}

/**
 * A redrive under way, as an object that people can watch. States: running → done (nothing left),
 * cancelled (asked to) or failed (it cannot go on); `paused` is running while nobody can be sent to.
 * It is stored in the commits that move its letters, so a crash repeats none of them.
 */
export interface Replay {
  readonly id: string;
  readonly subscription: SubscriptionId;
  readonly created: EpochMs;
  readonly selection: LetterSelection;
  readonly ratePerSecond: number | undefined;
  /** The other sink as the broker describes it, or undefined for the subscription's own. */
  readonly sink: unknown;
  readonly counts: ReplayCounts;
  end: ReplayEnd | undefined;
  reason: string | null;
  ended: EpochMs | undefined;
  /** Everything up to here has been taken up, by the order of letters or of the list of names. */
  place: LetterPlace | undefined;
  nextName: number;
  /** It differs from what is stored. */
  isChanged: boolean;
}

export type NewReplay = Pick<
  Replay,
  "id" | "subscription" | "created" | "selection" | "ratePerSecond" | "sink"
> & { readonly total: number };

export function createReplay({ total, ...facts }: NewReplay): Replay {
  return {
    ...facts,
    counts: { total, redriven: 0, delivered: 0, dead: 0, other: 0, waiting: 0 },
    end: undefined,
    reason: null,
    ended: undefined,
    place: undefined,
    nextName: 0,
    isChanged: true,
  };
}

/** One of its letters waits for a retry now. */
export function replayParked(replay: Replay): void {
  replay.counts.redriven += 1;
  replay.counts.waiting += 1;
  replay.isChanged = true;
}

/** One of those is settled. */
export function replaySettled(replay: Replay, step: Step): void {
  const { counts } = replay;
  assert(counts.waiting > 0, "a replay waits for what it has parked");
  counts.waiting -= 1;
  if (step === "succeed") counts.delivered += 1;
  else if (step === "bury" || step === "discard") counts.dead += 1;
  else counts.other += 1;
  replay.isChanged = true;
}

/** The circuit opened and took the end of one of them back: it waits again. */
export function replayReturned(replay: Replay): void {
  assert(replay.counts.dead > 0, "only what has ended comes back");
  replay.counts.dead -= 1;
  replay.counts.waiting += 1;
  replay.isChanged = true;
}

/** A seek has closed the generation that its letters were parked in: nothing comes of them. */
export function replayAbandoned(replay: Replay): void {
  const { counts } = replay;
  if (counts.waiting === 0) return;
  counts.other += counts.waiting;
  counts.waiting = 0;
  replay.isChanged = true;
}

/** It was sent by the replay itself. */
export function replaySent(replay: Replay, result: "delivered" | "dead" | "other"): void {
  replay.counts.redriven += 1;
  replay.counts[result] += 1;
  replay.isChanged = true;
}

export function endReplay(
  replay: Replay,
  end: { readonly as: ReplayEnd; readonly reason: string | null; readonly at: EpochMs },
): void {
  assert(replay.end === undefined, "a replay ends once");
  replay.end = end.as;
  replay.reason = end.reason;
  replay.ended = end.at;
  replay.isChanged = true;
}

type StoredReplay = Omit<Replay, "id" | "subscription" | "isChanged">;

export function replayRowOf(replay: Replay): ReplayState {
  const { id, subscription, isChanged: _, ...stored } = replay;
  return { subscription, replay: id, value: JSON.stringify(stored) };
}

export function loadReplay({ subscription, replay: id, value }: ReplayState): Replay {
  const stored = JSON.parse(value) as StoredReplay;
  return { ...emptyReplay, ...stored, id, subscription, isChanged: false };
}

/** JSON leaves out what is undefined. */
const emptyReplay = {
  ratePerSecond: undefined,
  sink: undefined,
  end: undefined,
  ended: undefined,
  place: undefined,
};

/** Letters it has not taken up. */
export function isReplayExhausted(replay: Replay): boolean {
  const { selection } = replay;
  return "letters" in selection && replay.nextName >= selection.letters.length;
}
