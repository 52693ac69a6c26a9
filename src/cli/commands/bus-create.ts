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
  ],
  examples: ["millrace bus create orders", "millrace bus create audit --max-age forever"],
  async run({ client }, [name = ""], flags) {
    const settings: Record<string, unknown> = {};
    const description = textFlag(flags, "description");
    if (description !== undefined) settings["description"] = description;
    const maxAge = textFlag(flags, "maxAge");
    const maxBytes = integerFlag(flags, "maxBytes");
    if (maxAge !== undefined || maxBytes !== undefined) {
      const retention: Record<string, unknown> = {};
      if (maxAge !== undefined) retention["maxAge"] = maxAge === "forever" ? null : maxAge;
      if (maxBytes !== undefined) retention["maxBytes"] = maxBytes;
      settings["retention"] = retention;
    }
    return busResult(await client.createBus(name, settings), "created");
  },
};
