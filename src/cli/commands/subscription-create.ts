import type { Command, FlagValues } from "../command.ts";
import { integerFlag, jsonFlag, listFlag, textFlag, UsageError } from "../command.ts";
import { secretFlags, secretMembers } from "./subscription-secrets.ts";
import { subscriptionResult } from "./subscription-view.ts";

export const subscriptionCreate: Command = {
  noun: "subscription",
  verb: "create",
  summary: "Push the events of a bus to a sink.",
  flags: [
    { flag: "--sink <url>", summary: "where events are pushed", required: true },
    { flag: "--name <name>", summary: "a name for people" },
    { flag: "--bus <bus>", summary: "whose events", default: "default" },
    { flag: "--filters <json>", summary: "list of filters that must all hold, as text or @file" },
    { flag: "--transformer <json>", summary: "define and template, as text or @file" },
    { flag: "--protocol <protocol>", summary: "HTTP or slack-webhook", default: "HTTP" },
    { flag: "--format <format>", summary: "binary, structured or batch" },
    { flag: "--batch-events <count>", summary: "with --format batch: events a request" },
    {
      flag: "--batch-linger-ms <ms>",
      summary: "with --format batch: how long the first one waits",
    },
    {
      flag: "--header <name=value>",
      summary: "sent with each request; may be repeated",
      repeats: true,
    },
    ...secretFlags,
    { flag: "--start <start>", summary: "latest, earliest, an offset or an RFC 3339 time" },
    { flag: "--concurrency <count>", summary: "how many requests at once" },
    { flag: "--timeout-ms <ms>", summary: "how long one attempt may take" },
    { flag: "--ordering-by <path>", summary: "deliver events of one key in order, one by one" },
    {
      flag: "--ordering-on-failure <what>",
      summary: "dead-letter-and-continue (default) or block, when retries are used up",
    },
    { flag: "--description <text>", summary: "what it is for" },
  ],
  examples: [
    "millrace subscription create --sink https://example.com/hook",
    `millrace subscription create --name stars --sink https://example.com/hook --filters '[{"exact": {"type": "com.github.star.created"}}]'`,
    "millrace subscription create --sink https://example.com/hook --ordering-by partitionkey",
    "millrace subscription create --sink https://example.com/hook --format batch --batch-events 50",
    "millrace subscription create --sink https://example.com/hook --signing-secret @secret.txt --credential @credential.json",
    "millrace subscription create --sink https://example.com/hook --filters @filters.json --transformer @transformer.json",
  ],
  async run(context, _args, flags) {
    const body: Record<string, unknown> = {
      sink: textFlag(flags, "sink"),
      bus: textFlag(flags, "bus") ?? "default",
      protocol: textFlag(flags, "protocol") ?? "HTTP",
      name: textFlag(flags, "name"),
      description: textFlag(flags, "description"),
      filters: await jsonFlag(context, flags, "filters"),
      transformer: await jsonFlag(context, flags, "transformer"),
      protocolsettings: settingsOf(flags),
      ...(await secretMembers(context, flags)),
      config: configOf(flags),
    };
    return subscriptionResult(await context.client.createSubscription(body), "created");
  },
};

/** JSON.stringify leaves undefined members out, so flags that were not given stay unsaid. */
function settingsOf(flags: FlagValues): unknown {
  const headers = listFlag(flags, "header").map((text) => {
    const equals = text.indexOf("=");
    if (equals <= 0) throw new UsageError(`--header takes name=value, not '${text}'`);
    return [text.slice(0, equals), text.slice(equals + 1)] as const;
  });
  const format = textFlag(flags, "format");
  const batch = batchOf(flags);
  if (headers.length === 0 && format === undefined && batch === undefined) return undefined;
  return { format, batch, headers: headers.length === 0 ? undefined : Object.fromEntries(headers) };
}

function batchOf(flags: FlagValues): unknown {
  const maxEvents = integerFlag(flags, "batchEvents");
  const lingerMs = integerFlag(flags, "batchLingerMs");
  return maxEvents === undefined && lingerMs === undefined ? undefined : { maxEvents, lingerMs };
}

function orderingOf(flags: FlagValues): unknown {
  const by = textFlag(flags, "orderingBy");
  const onFailure = textFlag(flags, "orderingOnFailure");
  return by === undefined && onFailure === undefined ? undefined : { by, onFailure };
}

function configOf(flags: FlagValues): unknown {
  const config = {
    start: textFlag(flags, "start"),
    concurrency: integerFlag(flags, "concurrency"),
    timeoutMs: integerFlag(flags, "timeoutMs"),
    ordering: orderingOf(flags),
  };
  return Object.values(config).every((value) => value === undefined) ? undefined : config;
}
