import type { Command } from "./command.ts";
import { editText } from "./helpers.ts";

export const lowerCase: Command = {
  name: "lower_case",
  group: "string",
  summary: "Makes all letters small.",
  parameters: [{ name: "path", kind: "place", summary: "the text to change" }],
  examples: [
    { command: ["lower_case", "$.data.a"], data: { a: "ÄB" }, result: { data: { a: "äb" } } },
  ],
  compile(args) {
    return editText(args, (text) => text.toLowerCase());
  },
};
