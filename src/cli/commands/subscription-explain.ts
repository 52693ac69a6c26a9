import type { EventExplanation } from "../../api/api.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../command.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const subscriptionExplain: Command = {
  noun: "subscription",
  verb: "explain",
  summary: "Say what became of an event for a subscription, and why.",
  arguments: [
    subscriptionArgument,
    { argument: "<offset>", summary: "where the event is on the subscription's bus" },
  ],
  examples: ["millrace subscription explain star-to-slack 4711"],
  async run({ client }, [key = "", offset = ""]) {
    if (!/^\d{1,15}$/.test(offset)) {
      throw new UsageError(`the offset is a whole number, not '${offset}'`);
    }
    const { id, bus } = await findSubscription(client, key);
    const told = await client.explain(bus, Number(offset), { subscription: id });
    return { data: told, view: { as: "facts", facts: explanationFacts(told) } };
  },
};

function explanationFacts(told: EventExplanation): [string, string][] {
  const [one] = told.subscriptions;
  const { event } = told;
  const facts: [string, string][] = [
    ["event", event === null ? told.kept : `${event.id} (${event.type}) of ${event.source}`],
    ["offset", `${told.offset} of bus ${told.bus}`],
  ];
  if (one === undefined) return facts;
  facts.push(["subscription", one.name], ["state", `${one.state}: ${one.reason}`]);
  if (one.until !== null) facts.push(["tried again", one.until]);
  if (one.deadLetter !== null) facts.push(["dead letter", one.deadLetter]);
  for (const { path, passed, reason } of one.filters ?? []) {
    facts.push([passed ? "passed" : "did not pass", `${path}: ${reason} (filters of today)`]);
  }
  for (const { time, attempt, outcome, counted, status, error } of one.attempts) {
    const what = [outcome, status, error].filter((part) => part !== null).join(", ");
    facts.push([
      `attempt ${attempt}`,
      `${time}: ${what}${counted === false ? " (not counted)" : ""}`,
    ]);
  }
  if (one.request !== null) facts.push(["request", `${one.request.method} ${one.request.url}`]);
  return facts;
}
