import type { Command } from "../command.ts";
import { textFlag } from "../command.ts";
import { statusFacts } from "./subscription-status.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const subscriptionSeek: Command = {
  noun: "subscription",
  verb: "seek",
  summary: "Read the bus again from another point, or pass over what lies before it.",
  arguments: [subscriptionArgument],
  flags: [
    {
      flag: "--to <position>",
      summary: "earliest, latest, an offset or an RFC 3339 time",
      required: true,
    },
  ],
  examples: [
    "millrace subscription seek star-to-slack --to earliest",
    "millrace subscription seek star-to-slack --to 2026-01-31T08:00:00Z",
  ],
  async run({ client }, [key = ""], flags) {
    const { id, name } = await findSubscription(client, key);
    const status = await client.seekSubscription(id, textFlag(flags, "to") ?? "");
    return { data: status, view: { as: "facts", facts: statusFacts(name, status) } };
  },
};
