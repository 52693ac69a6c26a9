import type { Command } from "../command.ts";
import { replayFacts } from "./dead-letter-view.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const replayGet: Command = {
  noun: "replay",
  verb: "get",
  summary: "Show how far a replay is.",
  arguments: [subscriptionArgument, { argument: "<replay>", summary: "its id" }],
  examples: ["millrace replay get star-to-slack 1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"],
  async run({ client }, [key = "", replay = ""]) {
    const { id } = await findSubscription(client, key);
    const found = await client.replay(id, replay);
    return { data: found, view: { as: "facts", facts: replayFacts(found) } };
  },
};
