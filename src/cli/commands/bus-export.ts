import type { Command } from "../command.ts";
import { jsonFlag, textFlag } from "../command.ts";
import { busArgument } from "./bus-view.ts";
import { copyLines } from "./copy-lines.ts";
import { filterFlag, filterList, fromFlag } from "./read-flags.ts";

export const busExport: Command = {
  noun: "bus",
  verb: "export",
  summary: "Write the events of a bus to standard output as JSON lines.",
  arguments: [busArgument],
  flags: [
    fromFlag,
    { flag: "--to <position>", summary: "where to end, exclusive: an offset, latest or a time" },
    filterFlag,
  ],
  examples: [
    "millrace bus export orders > orders.ndjson",
    "millrace bus export orders --from 2026-01-01T00:00:00Z | gzip > orders.ndjson.gz",
  ],
  async run(context, [bus = ""], flags) {
    const from = textFlag(flags, "from");
    const to = textFlag(flags, "to");
    const filters = filterList(await jsonFlag(context, flags, "filter"));
    const answer = await context.client.exportBus(bus, {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(filters === undefined ? {} : { filters }),
    });
    await copyLines(answer.lines, context, "events");
    const gaps = await answer.gaps();
    if (gaps !== undefined) context.notice(`these offsets hold no event any more: ${gaps}`);
    return undefined;
  },
};
