import type { Command } from "./command.ts";
import { editText, textFrom } from "./helpers.ts";

export const addSuffix: Command = {
  name: "add_suffix",
  group: "string",
  summary: "Puts a text behind.",
  parameters: [
    { name: "path", kind: "place", summary: "the text to change" },
    { name: "suffix", kind: "value", summary: "what goes behind" },
  ],
  examples: [
    {
      command: ["add_suffix", "$.data.a", "$.data.unit"],
      data: { a: 7, unit: "kg" },
      result: { data: { a: "7kg", unit: "kg" } },
    },
  ],
  compile(args) {
    const suffix = args.value(1);
    return editText(args, (text, work) => text + textFrom(suffix, work));
  },
};
