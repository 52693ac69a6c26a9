import type { EpochMs } from "../kernel/clock.ts";
import type { Random } from "../kernel/random.ts";

/** Where an event stands in the order in which delayed events are appended. */
export interface DelayedPlace {
  readonly dueAt: EpochMs;
  readonly id: string;
}

const SHAPE = /^([0-9a-f]{11})-[0-9a-f]{17}-[0-9a-f]{8}$/;
const SEQUENCE_MAX = 0xff_ffff;

/**
 * Ids of delayed events. An id sorts as its event does: due time first, then when it was published,
 * so that events due at one instant keep their order, in one batch too. And it tells its place, so
 * that a list can go on after an event that has been appended meanwhile.
 *
 *       due time (11 hex digits) - publish time (11), count (6) - chance of this process (8)
 */
export class DelayedIds {
  readonly #chance: string;
  #time: EpochMs = 0;
  #sequence = 0;

  constructor(random: Random) {
    this.#chance = Buffer.from(random.bytes(4)).toString("hex");
  }

  next(dueAt: EpochMs, now: EpochMs): string {
    // A clock that is set back must not bring the order of publishing into disorder.
    if (now > this.#time || this.#sequence === SEQUENCE_MAX) {
      this.#time = Math.max(now, this.#time + 1);
      this.#sequence = 0;
    } else {
      this.#sequence += 1;
    }
    return `${hex(dueAt, 11)}-${hex(this.#time, 11)}${hex(this.#sequence, 6)}-${this.#chance}`;
  }
}

/** Undefined for what is no id of a delayed event. */
export function placeOfDelayed(id: string): DelayedPlace | undefined {
  const match = SHAPE.exec(id);
  return match === null ? undefined : { dueAt: Number.parseInt(match[1] ?? "", 16), id };
}

export function comparePlaces(left: DelayedPlace, right: DelayedPlace): number {
  if (left.dueAt !== right.dueAt) return left.dueAt - right.dueAt;
  if (left.id === right.id) return 0;
  return left.id < right.id ? -1 : 1;
}

function hex(value: number, digits: number): string {
  return Math.max(0, Math.floor(value)).toString(16).padStart(digits, "0");
}
