import type { SegmentFacts } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { expiredByTime } from "./retention-rules.ts";

/** Time as retention reads it: both clocks at one moment. */
export interface Moment {
  readonly wall: EpochMs;
  /** Never jumps; only differences mean something. */
  readonly monotonic: number;
}

/** When a bus was opened, and what its append times said then. */
export interface OpeningMoment extends Moment {
  /**
   * The longest time without an event, up to the opening. Nobody can tell from outside whether the
   * bus was idle, the broker down, or the clock set.
   */
  readonly unexplainedMs: number;
}

export function openingMoment(segments: readonly SegmentFacts[], now: Moment): OpeningMoment {
  let unexplainedMs = 0;
  let before: EpochMs | undefined;
  for (const { firstTime, lastTime = firstTime } of [
    ...segments,
    { ...noTimes, lastTime: now.wall },
  ]) {
    if (lastTime === undefined) continue;
    // Within a segment there are at most maxAge/8, unless the clock was set.
    unexplainedMs = Math.max(unexplainedMs, lastTime - (before ?? firstTime ?? lastTime));
    before = lastTime;
  }
  return { ...now, unexplainedMs };
}

const noTimes = { firstTime: undefined };

/**
 * How old the events of one bus are, judged so that a clock that was set or goes wild neither
 * deletes them all at once nor keeps them for ever. There are three ways to be older than maxAge:
 *
 * - by append time, as long as the clocks can be trusted;
 * - by witness: the broker saw the event maxAge ago on the clock that never jumps. That holds
 *   whatever the wall clock says, so a bus whose append times lie in the future goes on too;
 * - by append time while the clocks cannot be trusted, one segment a minute.
 *
 * Wall time is not trusted once it has disagreed with the monotonic clock by more than
 * clockDisagreementMsMax, nor for a bus that had been without events for longer when it was opened:
 * the clock may have jumped while nobody was watching, and to wait costs less than to delete.
 */
export class AgeJudge {
  readonly #unexplainedMs: number;
  readonly #witness: Witness = new Witness();
  /** When append times deleted something last while the clocks were not trusted. */
  #slowAt: number;

  constructor({ monotonic, unexplainedMs }: OpeningMoment) {
    this.#unexplainedMs = unexplainedMs;
    this.#slowAt = monotonic;
  }

  /** The offset below which events are too old. Call it each round, also while nothing is. */
  tooOldBefore(
    segments: readonly SegmentFacts[],
    input: Moment & { readonly maxAgeMs: number; readonly areClocksTrusted: boolean },
  ): Offset {
    const { maxAgeMs, monotonic } = input;
    this.#witness.see(segments.at(-1)?.next ?? 0, { monotonic, maxAgeMs });
    const byTime = expiredByTime(segments, input.wall - maxAgeMs);
    const witnessed = this.#witness.before(monotonic - maxAgeMs);
    const harmlessMs = Math.max(limits.clockDisagreementMsMax, maxAgeMs / 8);
    const isTrusted = input.areClocksTrusted && this.#unexplainedMs <= harmlessMs;
    return Math.max(witnessed, isTrusted ? byTime : this.#slowly(segments, byTime, monotonic));
  }

  /** Something was deleted while the clocks were not trusted: the next segment waits its minute. */
  deleted(monotonic: number): void {
    this.#slowAt = monotonic;
  }

  #slowly(segments: readonly SegmentFacts[], byTime: Offset, monotonic: number): Offset {
    const oldest = segments[0];
    if (oldest === undefined || monotonic - this.#slowAt < limits.clockDisagreementMsMax) return 0;
    return Math.min(byTime, oldest.next);
  }
}

interface Sighting {
  readonly monotonic: number;
  readonly next: Offset;
}

/** Sightings of a bus are this part of maxAge apart, so that few are kept. */
const SIGHTINGS_MAX = 64;

/** Remembers up to which offset a bus reached when. */
class Witness {
  #sightings: Sighting[] = [];

  see(next: Offset, now: { readonly monotonic: number; readonly maxAgeMs: number }): void {
    const { monotonic, maxAgeMs } = now;
    const last = this.#sightings.at(-1);
    if (last !== undefined && monotonic - last.monotonic < maxAgeMs / SIGHTINGS_MAX) return;
    this.#sightings.push({ monotonic, next });
    // Of those that are old enough the newest says all.
    const index = this.#sightings.findLastIndex((one) => one.monotonic <= monotonic - maxAgeMs);
    if (index > 0) this.#sightings.splice(0, index);
  }

  before(monotonic: number): Offset {
    return this.#sightings.findLast((one) => one.monotonic <= monotonic)?.next ?? 0;
  }
}
