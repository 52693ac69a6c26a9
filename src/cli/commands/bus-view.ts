import type { Bus } from "../../api/api.ts";
import type { Argument, CommandResult } from "../command.ts";

export const busArgument: Argument = { argument: "<bus>", summary: "name of the bus" };

/** One bus for people; `done` says what was done with it. */
export function busResult(bus: Bus, done?: string): CommandResult {
  const facts: [string, string][] = [
    ["name", bus.name],
    ["kept for", bus.retention.maxAge ?? "forever"],
    ["kept bytes", bus.retention.maxBytes === null ? "no limit" : String(bus.retention.maxBytes)],
    ["unread events", bus.retention.keepUnread ? "kept; a full bus takes no more" : "may expire"],
    ["deduplication", describeDeduplication(bus)],
    ["created", bus.created],
    ["updated", bus.updated],
  ];
  if (bus.description !== "") facts.splice(1, 0, ["description", bus.description]);
  if (done !== undefined) facts.unshift(["bus", done]);
  return { data: bus, view: { as: "facts", facts } };
}

function describeDeduplication({ deduplication }: Bus): string {
  if (deduplication === null) return "off";
  return `${deduplication.window}, at most ${deduplication.maxKeys} events`;
}
