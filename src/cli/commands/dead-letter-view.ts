import type { DeadLetter, Replay } from "../../api/api.ts";
import type { ListSearch } from "../../client/client.ts";
import type { Argument, Flag, FlagValues } from "../command.ts";
import { integerFlag, textFlag } from "../command.ts";

export const letterArgument: Argument = {
  argument: "<letter>",
  summary: "its id, as dead-letter list shows it",
};

/** Which letters are meant; all that are given must hold. */
export const letterFilterFlags: readonly Flag[] = [
  { flag: "--from <time>", summary: "only letters made at or after this RFC 3339 time" },
  { flag: "--to <time>", summary: "only letters made before this time" },
  {
    flag: "--reason <reason>",
    summary: "only of this reason: rejected, retries-exhausted, too-old or transform",
  },
  { flag: "--type <type>", summary: "only with events of this type" },
  { flag: "--source <source>", summary: "only with events of this source" },
  { flag: "--generation <number>", summary: "only of this generation of the subscription" },
];

export function letterFilter(flags: FlagValues): ListSearch {
  return {
    from: textFlag(flags, "from"),
    to: textFlag(flags, "to"),
    reason: textFlag(flags, "reason"),
    type: textFlag(flags, "type"),
    source: textFlag(flags, "source"),
    generation: integerFlag(flags, "generation"),
  };
}

export function isEmptyFilter(filter: ListSearch): boolean {
  return Object.values(filter).every((value) => value === undefined);
}

export function letterRow(letter: DeadLetter): string[] {
  const last = letter.attempts.at(-1);
  return [
    letter.id,
    letter.time,
    String(letter.offset),
    letter.reason,
    memberOf(letter.event, "type"),
    last?.eventId ?? memberOf(letter.event, "id"),
    last?.error ?? "",
  ];
}

function memberOf(event: unknown, name: string): string {
  if (typeof event !== "object" || event === null) return "";
  const value = (event as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : "";
}

export function replayFacts(replay: Replay): [string, string][] {
  const { total, redriven, waiting, delivered, dead, other } = replay.progress;
  const { reason } = replay;
  return [
    ["replay", replay.id],
    ["state", reason === null ? replay.state : `${replay.state}: ${reason}`],
    ["sink", replay.sink ?? "the subscription's own"],
    ["redriven", `${redriven} of ${total}`],
    ["delivered", String(delivered)],
    ["waiting", String(waiting)],
    ["dead again", String(dead)],
    ["other", String(other)],
  ];
}
