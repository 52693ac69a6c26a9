import type { Command } from "../command.ts";
import { letterFilter, letterFilterFlags } from "./dead-letter-view.ts";
import { copyLines } from "./copy-lines.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const deadLetterExport: Command = {
  noun: "dead-letter",
  verb: "export",
  summary: "Write the dead letters of a subscription to standard output as JSON lines.",
  arguments: [subscriptionArgument],
  flags: letterFilterFlags,
  examples: ["millrace dead-letter export star-to-slack > letters.ndjson"],
  async run(context, [key = ""], flags) {
    const { id } = await findSubscription(context.client, key);
    const lines = await context.client.exportDeadLetters(id, letterFilter(flags));
    await copyLines(lines, context, "dead letters");
    return undefined;
  },
};
