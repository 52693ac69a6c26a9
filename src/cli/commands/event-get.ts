import type { Command } from "../command.ts";
import { integerFlag, UsageError } from "../command.ts";
import { busArgument } from "./bus-view.ts";

export const eventGet: Command = {
  noun: "event",
  verb: "get",
  summary: "Show the event at an offset, or the next few from there.",
  arguments: [busArgument, { argument: "[offset]", summary: "its offset, or earliest" }],
  flags: [{ flag: "--limit <count>", summary: "how many events, up to 1000" }],
  examples: ["millrace event get default 0", "millrace event get default earliest --limit 10"],
  async run({ client }, [bus = "", from = "earliest"], flags) {
    const limit = integerFlag(flags, "limit");
    if (limit === undefined && from !== "earliest") {
      return { data: await client.event(bus, offsetOf(from)), view: { as: "json" } };
    }
    const { events, offsets } = await client.read(bus, { from, limit: limit ?? 1 });
    const data = events.map((event, index) => ({ offset: offsets[index], event }));
    return { data, view: { as: "json" } };
  },
};

function offsetOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`an offset is a whole number, not '${text}'`);
  return Number(text);
}
