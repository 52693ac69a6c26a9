import type { Subscription } from "../../api/api.ts";
import type { MillraceClient } from "../../client/client.ts";
import { ClientError } from "../../client/client.ts";
import type { Argument, CommandResult } from "../command.ts";
import { UsageError } from "../command.ts";

export const subscriptionArgument: Argument = {
  argument: "<subscription>",
  summary: "its id, or its name",
};

/** By id, else by name where only one has it: names are for people and need not be unique. */
export async function findSubscription(client: MillraceClient, key: string): Promise<Subscription> {
  try {
    return await client.subscription(key);
  } catch (thrown) {
    if (!(thrown instanceof ClientError) || thrown.problem.status !== 404) throw thrown;
    const named = (await client.subscriptions()).filter(({ name }) => name === key);
    const [only] = named;
    if (only && named.length === 1) return only;
    if (named.length > 1) {
      const ids = named.map(({ id }) => id).join(", ");
      throw new UsageError(`${named.length} subscriptions are named '${key}'; give an id: ${ids}`, {
        cause: thrown,
      });
    }
    throw thrown;
  }
}

/** One subscription for people; `done` says what was done with it. */
export function subscriptionResult(subscription: Subscription, done: string): CommandResult {
  const { id, name, bus, sink, protocol, filters, startOffset, warnings } = subscription;
  const { hasSigningSecret, hasSinkCredential } = subscription;
  const trust = [
    ...(hasSigningSecret ? ["signed"] : []),
    ...(hasSinkCredential ? ["with a credential"] : []),
  ];
  const facts: [string, string][] = [
    ["subscription", done],
    ["id", id],
    ["name", name],
    ["bus", bus],
    ["sink", `${sink} (${protocol})`],
    ...(trust.length === 0 ? [] : [["requests", trust.join(", ")] as [string, string]]),
    ["filters", filters.length === 0 ? "none: every event" : JSON.stringify(filters)],
    ["starts at", `offset ${startOffset}`],
    ...warnings.map((warning): [string, string] => ["warning", warning]),
  ];
  return { data: subscription, view: { as: "facts", facts } };
}
