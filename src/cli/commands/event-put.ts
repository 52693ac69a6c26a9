import { systemClock } from "../../kernel/clock.ts";
import { systemRandom } from "../../kernel/random.ts";
import type { Command, CommandContext, FlagValues } from "../command.ts";
import { listFlag, textFlag, UsageError } from "../command.ts";
import { busArgument } from "./bus-view.ts";

export const eventPut: Command = {
  noun: "event",
  verb: "put",
  summary: "Publish one event, made of flags or read from a file.",
  arguments: [busArgument],
  flags: [
    {
      flag: "--event <json>",
      summary: "a whole structured event, as text or @file (@- reads stdin)",
    },
    { flag: "--type <type>", summary: "what happened: com.example.order.placed" },
    { flag: "--source <uri>", summary: "where it happened", default: "/millrace/cli" },
    { flag: "--id <id>", summary: "its id; a new one if left out" },
    { flag: "--subject <subject>", summary: "what it is about" },
    {
      flag: "--data <json>",
      summary: "the data, as text or @file; text that is not JSON needs --data-type",
    },
    { flag: "--data-type <type>", summary: "media type of the data: text/plain" },
    {
      flag: "--attribute <name=value>",
      summary: "a further attribute; may be given more than once",
      repeats: true,
    },
    { flag: "--delay <duration>", summary: "put it on the bus after so long: 10s, 5m, 7d" },
  ],
  examples: [
    `millrace event put default --type com.example.greeting --data '{"text": "hello"}'`,
    "millrace event put default --event @examples/event.json",
  ],
  async run(context, [bus = ""], flags) {
    const delay = textFlag(flags, "delay");
    const options = delay === undefined ? {} : { delay };
    const text = await eventText(context, flags);
    const { offset, delayed } = await context.client.publish(bus, text, options);
    if (delayed !== undefined) {
      return {
        data: { bus, offset: null, delayed },
        view: { as: "text", text: `waits for its time on bus ${bus} as ${delayed}` },
      };
    }
    return {
      data: { bus, offset: offset ?? null },
      view: { as: "text", text: `stored on bus ${bus} at offset ${offset ?? "?"}` },
    };
  },
};

/** The structured event as JSON text; given data is put in as written, so numbers keep their text. */
async function eventText(context: CommandContext, flags: FlagValues): Promise<string> {
  const whole = textFlag(flags, "event");
  if (whole !== undefined) {
    if (textFlag(flags, "type") !== undefined || textFlag(flags, "data") !== undefined) {
      throw new UsageError("give either --event, or --type and --data, not both");
    }
    return context.readText(whole);
  }
  const type = textFlag(flags, "type");
  if (type === undefined)
    throw new UsageError("say what happened with --type, or give --event @file");
  const attributes: Record<string, string> = {
    specversion: "1.0",
    id: textFlag(flags, "id") ?? systemRandom.id(),
    source: textFlag(flags, "source") ?? "/millrace/cli",
    type,
    time: nowText(),
    ...extraAttributes(flags),
  };
  const subject = textFlag(flags, "subject");
  if (subject !== undefined) attributes["subject"] = subject;
  return withData(context, flags, attributes);
}

async function withData(
  context: CommandContext,
  flags: FlagValues,
  attributes: Record<string, string>,
): Promise<string> {
  const given = textFlag(flags, "data");
  const dataType = textFlag(flags, "dataType");
  if (given === undefined) return JSON.stringify(attributes);
  const data = await context.readText(given);
  if (dataType !== undefined && !/json/i.test(dataType)) {
    return JSON.stringify({ ...attributes, datacontenttype: dataType, data });
  }
  checkJson(data);
  const head = JSON.stringify({ ...attributes, datacontenttype: dataType ?? "application/json" });
  return `${head.slice(0, -1)},"data":${data}}`;
}

function checkJson(data: string): void {
  try {
    JSON.parse(data);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new UsageError(`--data is not JSON (${reason}); for text add --data-type text/plain`, {
      cause: thrown,
    });
  }
}

function extraAttributes(flags: FlagValues): Record<string, string> {
  const pairs = listFlag(flags, "attribute").map((text) => {
    const equals = text.indexOf("=");
    if (equals <= 0) throw new UsageError(`--attribute takes name=value, not '${text}'`);
    return [text.slice(0, equals), text.slice(equals + 1)] as const;
  });
  return Object.fromEntries(pairs);
}

function nowText(): string {
  return new Date(systemClock.now()).toISOString();
}
