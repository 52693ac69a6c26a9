import type { Command } from "../command.ts";
import { integerFlag, textFlag } from "../command.ts";
import { letterFilter, letterFilterFlags, letterRow } from "./dead-letter-view.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const deadLetterList: Command = {
  noun: "dead-letter",
  verb: "list",
  summary: "List the dead letters of a subscription, oldest first.",
  arguments: [subscriptionArgument],
  flags: [
    ...letterFilterFlags,
    { flag: "--limit <count>", summary: "how many, up to 1000", default: "100" },
    { flag: "--after <letter>", summary: "go on after this one" },
  ],
  examples: [
    "millrace dead-letter list star-to-slack",
    "millrace dead-letter list star-to-slack --reason rejected --from 2026-01-31T00:00:00Z",
  ],
  async run({ client }, [key = ""], flags) {
    const { id } = await findSubscription(client, key);
    const letters = await client.deadLetters(id, {
      ...letterFilter(flags),
      limit: integerFlag(flags, "limit"),
      after: textFlag(flags, "after"),
    });
    return {
      data: letters,
      view: {
        as: "table",
        columns: ["ID", "TIME", "OFFSET", "REASON", "TYPE", "EVENT ID", "LAST ERROR"],
        rows: letters.map(letterRow),
      },
    };
  },
};
