import type { SubscriptionStatus } from "../../api/api.ts";
import type { Command } from "../command.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const subscriptionStatus: Command = {
  noun: "subscription",
  verb: "status",
  summary: "Show how far a subscription is and what became of its events.",
  arguments: [subscriptionArgument],
  examples: ["millrace subscription status star-to-slack"],
  async run({ client }, [key = ""]) {
    const { id, name } = await findSubscription(client, key);
    const status = await client.subscriptionStatus(id);
    return { data: status, view: { as: "facts", facts: statusFacts(name, status) } };
  },
};

function statusFacts(name: string, status: SubscriptionStatus): [string, string][] {
  const facts: [string, string][] = [
    ["subscription", name],
    ["state", status.reason === null ? status.state : `${status.state}: ${status.reason}`],
    ["position", `${status.position} of ${status.next}`],
    ["lag", `${status.lag.events} events, ${Math.round(status.lag.seconds)} s`],
    ...Object.entries(status.counters).map(([counter, count]): [string, string] => [
      counter,
      String(count),
    ]),
  ];
  for (const failed of status.lastErrors.slice(-3)) {
    const what = failed.error ?? `status ${failed.status ?? "unknown"}`;
    facts.push([
      "last error",
      `${failed.time} offset ${failed.offset}, attempt ${failed.attempt}: ${what}`,
    ]);
  }
  return facts;
}
