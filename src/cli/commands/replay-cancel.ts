import type { Command } from "../command.ts";
import { replayFacts } from "./dead-letter-view.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const replayCancel: Command = {
  noun: "replay",
  verb: "cancel",
  summary: "Stop a replay; what it has taken up already goes on.",
  arguments: [subscriptionArgument, { argument: "<replay>", summary: "its id" }],
  examples: ["millrace replay cancel star-to-slack 1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"],
  async run({ client }, [key = "", replay = ""]) {
    const { id } = await findSubscription(client, key);
    const found = await client.cancelReplay(id, replay);
    return { data: found, view: { as: "facts", facts: replayFacts(found) } };
  },
};
