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

export function statusFacts(name: string, status: SubscriptionStatus): [string, string][] {
  const facts: [string, string][] = [
    ["subscription", name],
    ["state", status.reason === null ? status.state : `${status.state}: ${status.reason}`],
    ["generation", `${status.generation}, from offset ${status.start}`],
    ["position", `${status.position} of ${status.next}`],
    ["lag", `${status.lag.events} events, ${Math.round(status.lag.seconds)} s`],
    ...Object.entries(status.counters).map(([counter, count]): [string, string] => [
      counter,
      String(count),
    ]),
  ];
  if (status.circuit.state !== "closed") facts.splice(2, 0, ["circuit", circuitText(status)]);
  for (const warning of status.warnings) facts.push(["warning", warning]);
  for (const head of status.blocked.heads.slice(0, 3)) {
    const { key, offset, behind, reason, since } = head;
    facts.push([
      "blocked key",
      `${key} by offset ${offset} since ${since}: ${reason}, ${behind} behind it`,
    ]);
  }
  for (const { from, to, reason } of status.expiredRanges.slice(-3)) {
    facts.push(["expired range", `${from} to ${to}: ${reason}`]);
  }
  for (const failed of status.lastErrors.slice(-3)) {
    const what = failed.error ?? `status ${failed.status ?? "unknown"}`;
    facts.push([
      "last error",
      `${failed.time} offset ${failed.offset}, attempt ${failed.attempt}: ${what}`,
    ]);
  }
  return facts;
}

/** The reason stands beside the state already. */
function circuitText({ circuit }: SubscriptionStatus): string {
  if (circuit.state === "half-open") return "half-open, a probe is under way";
  return `${circuit.state}, next probe at ${circuit.nextProbeAt ?? "once"}`;
}
