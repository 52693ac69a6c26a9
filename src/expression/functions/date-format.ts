import { isTimestampText } from "./timestamp-text.ts";
import type { Command } from "./command.ts";
import { CommandFailure } from "./command-failure.ts";
import { editText } from "./helpers.ts";
import { formatTime, parseLetterPattern } from "./time-pattern.ts";
import { TimeZone } from "./time-zone.ts";

export const dateFormat: Command = {
  name: "date_format",
  group: "date",
  summary: "Writes an RFC 3339 time in another form.",
  parameters: [
    { name: "path", kind: "place", summary: "the time, RFC 3339" },
    {
      name: "format",
      kind: "constant",
      summary: "letters Y y m d H h i s; \\ before one keeps it",
    },
    { name: "zone", kind: "constant", summary: "time zone, default UTC", isOptional: true },
  ],
  examples: [
    {
      command: ["date_format", "$.data.d", "Y-m-d H:i:s"],
      data: { d: "2022-11-15T15:41:25+08:00" },
      result: { data: { d: "2022-11-15 07:41:25" } },
    },
    {
      command: ["date_format", "$.data.d", "d/m/y h:i", "America/New_York"],
      data: { d: "2022-11-15T15:41:25.5Z" },
      result: { data: { d: "15/11/22 10:41" } },
    },
    { command: ["date_format", "$.data.d", "Y"], data: { d: "tomorrow" }, failure: "RFC 3339" },
  ],
  compile(args) {
    const pattern = parseLetterPattern(args.text(1));
    const zone = new TimeZone(args.optionalText(2) ?? "UTC", 2);
    return editText(args, (text) => {
      const moment = isTimestampText(text) ? Date.parse(text) : Number.NaN;
      if (!Number.isNaN(moment)) return formatTime(pattern, zone.wallTime(moment));
      const shown = JSON.stringify(text.slice(0, 60));
      throw new CommandFailure(`${shown} is no RFC 3339 time such as 2022-11-15T15:41:25Z`);
    });
  },
};
