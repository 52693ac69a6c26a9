import type { Command } from "./command.ts";
import { CommandFailure } from "./command-failure.ts";
import type { Value } from "./value.ts";
import { describe, numberValue } from "./value.ts";

export const lengthCommand: Command = {
  name: "length",
  group: "other",
  summary:
    "Writes how long a value is: the bytes of a text, the elements of a list, the members of an object.",
  parameters: [
    { name: "target", kind: "place", summary: "where the number goes, whatever is there" },
    { name: "value", kind: "value", summary: "a text, a list or an object" },
  ],
  examples: [
    {
      command: ["length", "$.data.n", "$.data.a"],
      data: { a: "日本" },
      result: { data: { a: "日本", n: 6 } },
    },
    { command: ["length", "$.data.n", "$.data.a"], data: { a: 7 }, failure: "7 has no length" },
  ],
  compile(args) {
    const target = args.place(0);
    const value = args.value(1);
    return (work) => target.write(work, numberValue(lengthOf(value(work))));
  },
};

function lengthOf(value: Value): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  throw new CommandFailure(`${describe(value)} has no length`);
}
