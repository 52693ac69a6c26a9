import type { Command } from "./command.ts";
import { editText } from "./helpers.ts";
import { formatTime, parseTime, parseWordPattern } from "./time-pattern.ts";
import { TimeZone } from "./time-zone.ts";

const DEFAULT_FORMAT = "yyyy-mm-dd HH:MM:SS";

export const convertTimezone: Command = {
  name: "convert_timezone",
  group: "date",
  summary: "Rewrites a wall-clock time of one zone as that of another.",
  parameters: [
    { name: "path", kind: "place", summary: "the time, in the given format" },
    { name: "from", kind: "constant", summary: "the zone it is from, as Europe/Berlin" },
    { name: "to", kind: "constant", summary: "the zone it shall be in" },
    {
      name: "format",
      kind: "constant",
      summary: `yyyy yy mm dd HH MM (minutes) SS, or Go's 2006-01-02 15:04:05; default ${DEFAULT_FORMAT}`,
      isOptional: true,
    },
  ],
  examples: [
    {
      command: ["convert_timezone", "$.data.t", "CET", "Asia/Kolkata"],
      data: { t: "2021-08-29 12:01:10" },
      result: { data: { t: "2021-08-29 15:31:10" } },
    },
    {
      command: ["convert_timezone", "$.data.t", "CET", "UTC"],
      data: { t: "noon" },
      failure: "no time",
    },
  ],
  compile(args) {
    const from = new TimeZone(args.text(1), 1);
    const to = new TimeZone(args.text(2), 2);
    const pattern = parseWordPattern(args.optionalText(3) ?? DEFAULT_FORMAT);
    return editText(args, (text) => {
      const moment = from.momentOf(parseTime(pattern, text));
      return formatTime(pattern, to.wallTime(moment));
    });
  },
};
