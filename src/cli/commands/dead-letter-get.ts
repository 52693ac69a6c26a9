import type { Command } from "../command.ts";
import { letterArgument } from "./dead-letter-view.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const deadLetterGet: Command = {
  noun: "dead-letter",
  verb: "get",
  summary: "Show one dead letter with its event, its request and its attempts.",
  arguments: [subscriptionArgument, letterArgument],
  examples: ["millrace dead-letter get star-to-slack 6f0c2a9e-51d0-4c5c-8a54-6f1f3d3f9a10"],
  async run({ client }, [key = "", letter = ""]) {
    const { id } = await findSubscription(client, key);
    return { data: await client.deadLetter(id, letter), view: { as: "json" } };
  },
};
