import type { Command } from "./command.ts";
import { editText, textFrom } from "./helpers.ts";

export const addPrefix: Command = {
  name: "add_prefix",
  group: "string",
  summary: "Puts a text in front.",
  parameters: [
    { name: "path", kind: "place", summary: "the text to change" },
    { name: "prefix", kind: "value", summary: "what goes in front" },
  ],
  examples: [
    {
      command: ["add_prefix", "$.data.a", "no. "],
      data: { a: 7 },
      result: { data: { a: "no. 7" } },
    },
  ],
  compile(args) {
    const prefix = args.value(1);
    return editText(args, (text, work) => textFrom(prefix, work) + text);
  },
};
