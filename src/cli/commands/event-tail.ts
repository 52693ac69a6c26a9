import type { Command } from "../command.ts";
import { integerFlag, jsonFlag, textFlag } from "../command.ts";
import { busArgument } from "./bus-view.ts";
import { filterFlag, filterList } from "./read-flags.ts";

export const eventTail: Command = {
  noun: "event",
  verb: "tail",
  summary: "Show events as they come, one JSON line each, until interrupted.",
  arguments: [busArgument],
  flags: [
    {
      flag: "--from <position>",
      summary: "where to begin: an offset, earliest, latest or a time",
      default: "latest",
    },
    filterFlag,
    { flag: "--limit <count>", summary: "end after so many events" },
  ],
  examples: [
    "millrace event tail default",
    `millrace event tail default --from earliest --filter '{"exact": {"type": "com.example.greeting"}}'`,
  ],
  async run(context, [bus = ""], flags) {
    const limit = integerFlag(flags, "limit") ?? Number.POSITIVE_INFINITY;
    const filters = filterList(await jsonFlag(context, flags, "filter"));
    const from = textFlag(flags, "from") ?? "latest";
    let shown = 0;
    if (limit === 0) return undefined;
    const items = context.client.stream(bus, {
      from,
      ...(filters === undefined ? {} : { filters }),
    });
    for await (const item of items) {
      if (item.kind === "gap") {
        context.notice(`these offsets hold no event any more: ${item.range}`);
      } else if (item.kind === "event") {
        await context.write(Buffer.from(`${item.text}\n`));
        shown += 1;
        if (shown >= limit) break;
      }
    }
    return undefined;
  },
};
