import { CommandFailure } from "./command-failure.ts";
import type { Command } from "./command.ts";
import { presentAt } from "./helpers.ts";
import { formatTime, parseLetterPattern } from "./time-pattern.ts";
import { TimeZone } from "./time-zone.ts";
import { describe, numberOf } from "./value.ts";

/** What a Date can hold: 100 million days around 1970. */
const SECONDS_MAX = 8_640_000_000_000;

export const unixTimeFormat: Command = {
  name: "unix_time_format",
  group: "date",
  summary: "Writes a Unix time in seconds as a date.",
  parameters: [
    { name: "path", kind: "place", summary: "seconds since 1970, a number or its text" },
    { name: "format", kind: "constant", summary: "as in date_format" },
    { name: "zone", kind: "constant", summary: "time zone, default UTC", isOptional: true },
  ],
  examples: [
    {
      command: ["unix_time_format", "$.data.t", "Y-m-d H:i:s"],
      data: { t: 1_668_498_285 },
      result: { data: { t: "2022-11-15 07:44:45" } },
    },
    { command: ["unix_time_format", "$.data.t", "Y"], data: { t: "now" }, failure: "no number" },
  ],
  compile(args) {
    const place = args.place(0);
    const pattern = parseLetterPattern(args.text(1));
    const zone = new TimeZone(args.optionalText(2) ?? "UTC", 2);
    return (work) => {
      const value = presentAt(place, work);
      const seconds = numberOf(value);
      if (Math.abs(seconds) > SECONDS_MAX) {
        throw new CommandFailure(`${describe(value)} is no time in seconds since 1970`);
      }
      place.write(work, formatTime(pattern, zone.wallTime(seconds * 1000)));
    };
  },
};
