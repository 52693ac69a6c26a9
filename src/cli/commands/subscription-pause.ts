import type { Command } from "../command.ts";
import { findSubscription, subscriptionArgument, subscriptionResult } from "./subscription-view.ts";

export const subscriptionPause: Command = {
  noun: "subscription",
  verb: "pause",
  summary: "Stop pushing; events wait on the bus.",
  arguments: [subscriptionArgument],
  examples: ["millrace subscription pause star-to-slack"],
  async run({ client }, [key = ""]) {
    const { id } = await findSubscription(client, key);
    return subscriptionResult(await client.pauseSubscription(id), "paused");
  },
};
