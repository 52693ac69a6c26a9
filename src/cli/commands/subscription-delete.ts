import type { Command } from "../command.ts";
import { findSubscription, subscriptionArgument, subscriptionResult } from "./subscription-view.ts";

export const subscriptionDelete: Command = {
  noun: "subscription",
  verb: "delete",
  summary: "Delete a subscription; its pending events are no longer pushed.",
  arguments: [subscriptionArgument],
  examples: ["millrace subscription delete star-to-slack"],
  async run({ client }, [key = ""]) {
    const { id } = await findSubscription(client, key);
    return subscriptionResult(await client.deleteSubscription(id), "deleted");
  },
};
