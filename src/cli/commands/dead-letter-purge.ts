import type { Command } from "../command.ts";
import { UsageError } from "../command.ts";
import { isEmptyFilter, letterFilter, letterFilterFlags } from "./dead-letter-view.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

/** Deleted with one request, so that a long purge can tell how far it is. */
const lettersPerRequest = 5000;

export const deadLetterPurge: Command = {
  noun: "dead-letter",
  verb: "purge",
  summary: "Delete dead letters for good; their events count as discarded.",
  arguments: [subscriptionArgument],
  flags: [...letterFilterFlags, { flag: "--all", summary: "every letter there is" }],
  examples: [
    "millrace dead-letter purge star-to-slack --to 2026-01-01T00:00:00Z",
    "millrace dead-letter purge star-to-slack --all",
  ],
  async run(context, [key = ""], flags) {
    const filter = letterFilter(flags);
    if (isEmptyFilter(filter) !== (flags["all"] === true)) {
      throw new UsageError("say which letters: either --all, or at least one of the filters");
    }
    const { id, name } = await findSubscription(context.client, key);
    let purged = 0;
    for (;;) {
      const more = await context.client.purgeDeadLetters(id, {
        ...filter,
        limit: lettersPerRequest,
      });
      purged += more;
      if (more < lettersPerRequest) break;
      context.notice(`${purged} dead letters deleted so far`);
    }
    const facts: [string, string][] = [
      ["subscription", name],
      ["deleted", `${purged} dead letters`],
    ];
    return { data: { purged }, view: { as: "facts", facts } };
  },
};
