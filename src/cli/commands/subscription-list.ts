import type { Command } from "../command.ts";
import { textFlag } from "../command.ts";

export const subscriptionList: Command = {
  noun: "subscription",
  verb: "list",
  summary: "List all subscriptions.",
  flags: [{ flag: "--bus <bus>", summary: "only those of this bus" }],
  examples: ["millrace subscription list", "millrace subscription list --bus default"],
  async run({ client }, _args, flags) {
    const bus = textFlag(flags, "bus");
    const all = await client.subscriptions();
    const subscriptions = bus === undefined ? all : all.filter((each) => each.bus === bus);
    return {
      data: subscriptions,
      view: {
        as: "table",
        columns: ["ID", "NAME", "BUS", "PROTOCOL", "SINK", "PAUSED"],
        rows: subscriptions.map((each) => [
          each.id,
          each.name,
          each.bus,
          each.protocol,
          each.sink,
          each.config.paused ? "yes" : "no",
        ]),
      },
    };
  },
};
