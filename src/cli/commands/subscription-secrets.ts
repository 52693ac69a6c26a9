import type { Command, CommandContext, Flag, FlagValues } from "../command.ts";
import { listFlag, textFlag, UsageError } from "../command.ts";
import { findSubscription, subscriptionArgument, subscriptionResult } from "./subscription-view.ts";

/** What requests prove themselves with; a file keeps it out of process lists and histories. */
export const secretFlags: readonly Flag[] = [
  {
    flag: "--signing-secret <secret>",
    summary: "signs each request (Standard Webhooks), best as @file; twice while rotating",
    repeats: true,
  },
  {
    flag: "--credential <json>",
    summary: "sinkcredential that each request carries, best as @file",
  },
];

export const subscriptionSecrets: Command = {
  noun: "subscription",
  verb: "secrets",
  summary: "Replace or remove what requests are signed with and log in with.",
  arguments: [subscriptionArgument],
  flags: [
    ...secretFlags,
    { flag: "--remove-signing", summary: "sign no more" },
    { flag: "--remove-credential", summary: "send no credential any more" },
  ],
  examples: [
    "millrace subscription secrets star-to-slack --signing-secret @new.txt --signing-secret @old.txt",
    "millrace subscription secrets star-to-slack --signing-secret @new.txt",
    "millrace subscription secrets star-to-slack --credential @credential.json",
    "millrace subscription secrets star-to-slack --remove-signing",
  ],
  async run(context, [key = ""], flags) {
    const patch = await secretMembers(context, flags);
    for (const [flag, member] of removals) {
      if (flags[flag] !== true) continue;
      if (Object.hasOwn(patch, member)) {
        throw new UsageError(`give a new ${member} or remove it, not both`);
      }
      patch[member] = null;
    }
    if (Object.keys(patch).length === 0) {
      const ways = "--signing-secret, --credential, --remove-signing, --remove-credential";
      throw new UsageError(`nothing to change; give one of ${ways}`);
    }
    const { id } = await findSubscription(context.client, key);
    const changed = await context.client.patchSubscription(id, patch);
    return subscriptionResult(changed, "changed; the next attempt uses it");
  },
};

const removals = [
  ["removeSigning", "signing"],
  ["removeCredential", "sinkcredential"],
] as const;

/** The members of a subscription that the flags give. */
export async function secretMembers(
  context: CommandContext,
  flags: FlagValues,
): Promise<Record<string, unknown>> {
  const secrets: string[] = [];
  for (const value of listFlag(flags, "signingSecret")) {
    secrets.push((await context.readText(value)).trim());
  }
  const credential = textFlag(flags, "credential");
  return {
    ...(secrets.length === 0 ? {} : { signing: { secret: secrets } }),
    ...(credential === undefined
      ? {}
      : { sinkcredential: parseCredential(await context.readText(credential)) }),
  };
}

/** Unlike other JSON flags: what is wrong is not shown, because it would show the secret. */
function parseCredential(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError(
      '--credential takes JSON, as text or as @file, such as {"credentialtype": "ACCESSTOKEN", "accesstoken": "…"}',
    );
  }
}
