import type { Command } from "../command.ts";
import { integerFlag, textFlag } from "../command.ts";
import { busArgument } from "./bus-view.ts";

export const delayedList: Command = {
  noun: "delayed",
  verb: "list",
  summary: "List the events of a bus that wait for their time, the next one first.",
  arguments: [busArgument],
  flags: [
    { flag: "--limit <count>", summary: "how many, up to 1000", default: "100" },
    { flag: "--after <id>", summary: "go on after this one" },
  ],
  examples: ["millrace delayed list default", "millrace delayed list default --limit 10"],
  async run({ client }, [bus = ""], flags) {
    const after = textFlag(flags, "after");
    const events = await client.delayed(bus, {
      limit: integerFlag(flags, "limit") ?? 100,
      ...(after === undefined ? {} : { after }),
    });
    return {
      data: events,
      view: {
        as: "table",
        columns: ["ID", "DUE", "CREATED", "TYPE", "EVENT ID"],
        rows: events.map(({ id, due, created, event }) => [
          id,
          due,
          created,
          memberOf(event, "type"),
          memberOf(event, "id"),
        ]),
      },
    };
  },
};

function memberOf(event: unknown, name: string): string {
  if (typeof event !== "object" || event === null) return "";
  const value = (event as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : "";
}
