/** Wall clocks of time zones, by the data that Node brings along. */
import { CommandRefusal } from "./command-failure.ts";

/** What a wall clock shows. */
export interface WallTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

/** One zone; made when a subscription is compiled, because making it is slow. */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat;

  /** Throws a CommandRefusal for a zone that nobody knows. */
  constructor(name: string, argument: number) {
    try {
      this.#format = new Intl.DateTimeFormat("en-US", {
        timeZone: name,
        calendar: "gregory",
        numberingSystem: "latn",
        era: "short",
        year: "numeric",
        month: "numeric",
        day: "numeric",
        hour: "numeric",
        minute: "numeric",
        second: "numeric",
        hourCycle: "h23",
      });
    } catch {
      const shown = JSON.stringify(name.slice(0, 60));
      throw new CommandRefusal(`${shown} is no time zone; write UTC or Asia/Kolkata`, argument);
    }
  }

  /** What the clocks of the zone show at a moment, in ms since 1970. */
  wallTime(moment: number): WallTime {
    const parts = new Map(
      this.#format.formatToParts(moment).map(({ type, value }) => [type, value]),
    );
    const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
    const year = part("year");
    return {
      year: parts.get("era") === "BC" ? 1 - year : year,
      month: part("month"),
      day: part("day"),
      hour: part("hour"),
      minute: part("minute"),
      second: part("second"),
    };
  }

  /**
   * The moment at which the clocks show this. Of the two when clocks are put back it is the earlier
   * one; a time that clocks skip is read with the offset from before.
   */
  momentOf(wall: WallTime): number {
    const asUtc = utcMoment(wall);
    const before = asUtc - this.#offset(asUtc - DAY_MS);
    const after = asUtc - this.#offset(asUtc + DAY_MS);
    const candidates = [before, after].filter(
      (moment) => utcMoment(this.wallTime(moment)) === asUtc,
    );
    return candidates.length === 0 ? before : Math.min(...candidates);
  }

  #offset(moment: number): number {
    return utcMoment(this.wallTime(moment)) - Math.floor(moment / 1000) * 1000;
  }
}

const DAY_MS = 86_400_000;

export function utcMoment({ year, month, day, hour, minute, second }: WallTime): number {
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1, day);
  moment.setUTCHours(hour, minute, second, 0);
  return moment.getTime();
}
