import type { Command } from "../command.ts";
import { integerFlag, textFlag } from "../command.ts";
import { busArgument, busResult } from "./bus-view.ts";

export const busCreate: Command = {
  noun: "bus",
  verb: "create",
  summary: "Create a bus.",
  arguments: [busArgument],
  flags: [
    { flag: "--description <text>", summary: "what it is for" },
    { flag: "--max-age <duration>", summary: "how long events are kept: 12h, 7d, or 'forever'" },
    { flag: "--max-bytes <count>", summary: "how much is kept, in bytes" },
    {
      flag: "--keep-unread",
      summary: "refuse events rather than expire what a subscription has not read",
    },
    {
      flag: "--dedup-window <duration>",
      summary: "store an event that comes again within so long only once: 10m, 1h",
    },
    {
      flag: "--dedup-max-keys <count>",
      summary: "how many events at most are recognised when they come again",
    },
  ],
  examples: [
    "millrace bus create orders",
    "millrace bus create audit --max-age forever",
    "millrace bus create payments --dedup-window 1h",
  ],
  async run({ client }, [name = ""], flags) {
    const settings: Record<string, unknown> = {};
    const description = textFlag(flags, "description");
    if (description !== undefined) settings["description"] = description;
    const maxAge = textFlag(flags, "maxAge");
    const maxBytes = integerFlag(flags, "maxBytes");
    const keepUnread = flags["keepUnread"] === true;
    if (maxAge !== undefined || maxBytes !== undefined || keepUnread) {
      const retention: Record<string, unknown> = {};
      if (keepUnread) retention["keepUnread"] = true;
      if (maxAge !== undefined) retention["maxAge"] = maxAge === "forever" ? null : maxAge;
      if (maxBytes !== undefined) retention["maxBytes"] = maxBytes;
      settings["retention"] = retention;
    }
    const window = textFlag(flags, "dedupWindow");
    const maxKeys = integerFlag(flags, "dedupMaxKeys");
    if (window !== undefined || maxKeys !== undefined) {
      settings["deduplication"] = { window, maxKeys };
    }
    return busResult(await client.createBus(name, settings), "created");
  },
};
