import type { Command } from "./command.ts";
import { editText } from "./helpers.ts";

export const upperCase: Command = {
  name: "upper_case",
  group: "string",
  summary: "Makes all letters capital.",
  parameters: [{ name: "path", kind: "place", summary: "the text to change" }],
  examples: [
    {
      command: ["upper_case", "$.data.a"],
      data: { a: "straße" },
      result: { data: { a: "STRASSE" } },
    },
    { command: ["upper_case", "$.data.a"], data: { a: null }, failure: "no value at $.data.a" },
  ],
  compile(args) {
    return editText(args, (text) => text.toUpperCase());
  },
};
