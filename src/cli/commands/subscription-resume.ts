import type { Command } from "../command.ts";
import { findSubscription, subscriptionArgument, subscriptionResult } from "./subscription-view.ts";

export const subscriptionResume: Command = {
  noun: "subscription",
  verb: "resume",
  summary: "Push again, beginning with what has waited.",
  arguments: [subscriptionArgument],
  examples: ["millrace subscription resume star-to-slack"],
  async run({ client }, [key = ""]) {
    const { id } = await findSubscription(client, key);
    return subscriptionResult(await client.resumeSubscription(id), "resumed");
  },
};
