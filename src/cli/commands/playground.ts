import type { PlaygroundRange, PlaygroundResult } from "../../api/api.ts";
import type { Command, CommandContext, CommandResult, FlagValues } from "../command.ts";
import { integerFlag, jsonFlag, listFlag, textFlag, UsageError } from "../command.ts";

export const playgroundCommand: Command = {
  verb: "playground",
  summary: "Dry run: what a subscription would do with events; nothing is stored or sent.",
  flags: [
    {
      flag: "--event <json>",
      summary: "a structured event, as text or @file; may be given more than once",
      repeats: true,
    },
    { flag: "--last <count>", summary: "in place of events: so many of the newest of the bus" },
    { flag: "--samples <count>", summary: "with --last: how many that passed are shown" },
    { flag: "--bus <bus>", summary: "with --last: whose events (default: default)" },
    { flag: "--filters <json>", summary: "list of filters that must all hold, as text or @file" },
    { flag: "--transformer <json>", summary: "define, pipeline and template, as text or @file" },
    { flag: "--subscription <json>", summary: "a whole subscription, as text or @file" },
    { flag: "--sink <url>", summary: "shows the request that would be sent there" },
  ],
  examples: [
    `millrace playground --event @examples/event.json --filters '[{"prefix": {"type": "com.github."}}]'`,
    "millrace playground --event @examples/event.json --transformer @transformer.json --sink https://example.com/hook",
    `millrace playground --last 1000 --bus default --filters '[{"exact": {"data.action": "created"}}]'`,
  ],
  async run(context, _args, flags) {
    const members = await membersOf(context, flags);
    const last = integerFlag(flags, "last");
    const events = listFlag(flags, "event");
    if ((last === undefined) === (events.length === 0)) {
      throw new UsageError("give events with --event, or --last to try those of a bus");
    }
    const given = last === undefined ? await eventsMember(context, events) : `"last":${last}`;
    const samples = integerFlag(flags, "samples");
    const rest = { ...members, ...(samples === undefined ? {} : { samples }) };
    // The events stay the text that they are: a round trip would change large numbers.
    const request = `{${[given, ...memberTexts(rest)].join(",")}}`;
    // Given events need no broker.
    const answer =
      last === undefined ? await runHere(request) : await context.client.playground(request);
    return resultOf(answer.results, answer.range);
  },
};

async function runHere(request: string) {
  const { createPlayground } = await import("../../broker/broker.ts");
  return createPlayground().run(request);
}

async function membersOf(
  context: CommandContext,
  flags: FlagValues,
): Promise<Readonly<Record<string, unknown>>> {
  const whole = await jsonFlag(context, flags, "subscription");
  if (
    whole !== undefined &&
    (typeof whole !== "object" || whole === null || Array.isArray(whole))
  ) {
    throw new UsageError("--subscription takes a JSON object");
  }
  const named = {
    filters: await jsonFlag(context, flags, "filters"),
    transformer: await jsonFlag(context, flags, "transformer"),
    sink: textFlag(flags, "sink"),
    bus: textFlag(flags, "bus"),
  };
  const set = Object.entries(named).filter(([, value]) => value !== undefined);
  return { ...whole, ...Object.fromEntries(set) };
}

function memberTexts(members: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(members).map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
}

async function eventsMember(context: CommandContext, given: readonly string[]): Promise<string> {
  const texts: string[] = [];
  for (const one of given) {
    const text = await context.readText(one);
    try {
      JSON.parse(text);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      throw new UsageError(`--event takes a structured event as JSON: ${reason}`, {
        cause: thrown,
      });
    }
    texts.push(text);
  }
  return `"events":[${texts.join(",")}]`;
}

function resultOf(
  results: readonly PlaygroundResult[],
  range: PlaygroundRange | undefined,
): CommandResult {
  const lines = results.flatMap((result, index) => linesOf(result, index));
  if (range !== undefined) {
    const { bus, from, next, events, passed, failed } = range;
    const failures = failed === 0 ? "" : `, ${failed} of them fail in the transformer`;
    lines.unshift(
      `bus ${bus}, offsets ${from} to ${next - 1}: ${passed} of ${events} pass${failures}`,
    );
  }
  const data = range === undefined ? { results } : { range, results };
  return { data, view: { as: "text", text: lines.join("\n") } };
}

function linesOf(result: PlaygroundResult, index: number): readonly string[] {
  const name = result.offset === undefined ? `event ${index + 1}` : `offset ${result.offset}`;
  const lines = [`${name}: ${result.passed ? "passes" : "does not pass"}`];
  for (const { path, passed, reason } of result.clauses) {
    lines.push(`  ${passed ? "✓" : "✗"} ${path}: ${reason}`);
  }
  for (const { path, message } of result.errors) lines.push(`  error at ${path}: ${message}`);
  if (result.transformed !== null) {
    lines.push("  becomes", indent(JSON.stringify(result.transformed, null, 2)));
  }
  if (result.request !== null) {
    const { method, url, headers, body } = result.request;
    const shown = Object.entries(headers).map(([header, value]) => `${header}: ${value}`);
    lines.push("  is sent as", indent([`${method} ${url}`, ...shown, "", body].join("\n")));
  }
  return lines;
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}
