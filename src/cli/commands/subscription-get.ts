import type { Command } from "../command.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const subscriptionGet: Command = {
  noun: "subscription",
  verb: "get",
  summary: "Show one subscription as the broker holds it.",
  arguments: [subscriptionArgument],
  examples: ["millrace subscription get star-to-slack"],
  async run({ client }, [key = ""]) {
    return { data: await findSubscription(client, key), view: { as: "json" } };
  },
};
