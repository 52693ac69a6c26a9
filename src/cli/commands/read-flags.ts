import type { Flag } from "../command.ts";

/** What the commands that read a bus have in common. */
export const fromFlag: Flag = {
  flag: "--from <position>",
  summary: "where to begin: an offset, earliest, latest or a time",
};

export const filterFlag: Flag = {
  flag: "--filter <json>",
  summary: "only events that pass: a filter or a list, as text or @file",
};

/** One filter or a list of them, as the client takes them. */
export function filterList(value: unknown): readonly unknown[] | undefined {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? (value as readonly unknown[]) : [value];
}
