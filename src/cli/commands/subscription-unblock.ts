import type { BlockedDecision } from "../../api/api.ts";
import type { Command } from "../command.ts";
import { integerFlag, UsageError } from "../command.ts";
import { statusFacts } from "./subscription-status.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const subscriptionUnblock: Command = {
  noun: "subscription",
  verb: "unblock",
  summary: "Move the event that blocks its key, so that those behind it go on.",
  arguments: [subscriptionArgument],
  flags: [
    { flag: "--offset <offset>", summary: "of the event, as status shows it", required: true },
    { flag: "--skip", summary: "pass over it" },
    { flag: "--retry", summary: "try it again, with all retries" },
    { flag: "--dead-letter", summary: "make a dead letter of it" },
  ],
  examples: [
    "millrace subscription unblock orders --offset 4711 --retry",
    "millrace subscription unblock orders --offset 4711 --dead-letter",
  ],
  async run({ client }, [key = ""], flags) {
    const decisions: BlockedDecision[] = [];
    if (flags["skip"] === true) decisions.push("skip");
    if (flags["retry"] === true) decisions.push("retry");
    if (flags["deadLetter"] === true) decisions.push("dead-letter");
    const [decision] = decisions;
    if (decision === undefined || decisions.length > 1) {
      throw new UsageError("say one of --skip, --retry and --dead-letter");
    }
    const { id, name } = await findSubscription(client, key);
    const offset = integerFlag(flags, "offset") ?? 0;
    const status = await client.unblockSubscription(id, offset, decision);
    return { data: status, view: { as: "facts", facts: statusFacts(name, status) } };
  },
};
