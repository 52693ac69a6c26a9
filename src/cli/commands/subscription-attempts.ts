import type { Command } from "../command.ts";
import { integerFlag, textFlag } from "../command.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const subscriptionAttempts: Command = {
  noun: "subscription",
  verb: "attempts",
  summary: "Search what was tried, newest first: every failure, and a sample of the successes.",
  arguments: [subscriptionArgument],
  flags: [
    { flag: "--event-id <id>", summary: "only with this event" },
    { flag: "--offset <offset>", summary: "only with the event at this offset" },
    { flag: "--outcome <outcome>", summary: "only delivered, retry, dead or discarded" },
    { flag: "--status <status>", summary: "only with this status: 503, or a class such as 5xx" },
    { flag: "--from <time>", summary: "only at or after this RFC 3339 time" },
    { flag: "--to <time>", summary: "only before this time" },
    { flag: "--limit <count>", summary: "how many, up to 1000", default: "100" },
  ],
  examples: [
    "millrace subscription attempts star-to-slack",
    "millrace subscription attempts star-to-slack --status 5xx --limit 20",
  ],
  async run({ client }, [key = ""], flags) {
    const { id } = await findSubscription(client, key);
    const attempts = await client.attempts(id, {
      eventId: textFlag(flags, "eventId"),
      offset: integerFlag(flags, "offset"),
      outcome: textFlag(flags, "outcome"),
      status: textFlag(flags, "status"),
      from: textFlag(flags, "from"),
      to: textFlag(flags, "to"),
      limit: integerFlag(flags, "limit"),
    });
    return {
      data: attempts,
      view: {
        as: "table",
        columns: ["TIME", "OFFSET", "EVENT ID", "ATTEMPT", "OUTCOME", "STATUS", "MS", "ERROR"],
        rows: attempts.map((each) => [
          each.time,
          String(each.offset),
          each.eventId,
          each.counted === false ? `${each.attempt} (not counted)` : String(each.attempt),
          each.outcome,
          each.status === null ? "" : String(each.status),
          each.latencyMs.toFixed(1),
          each.error ?? "",
        ]),
      },
    };
  },
};
