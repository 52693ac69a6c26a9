import type { Command } from "./command.ts";
import { between, editText, textFrom } from "./helpers.ts";

export const replaceBetweenDelimiters: Command = {
  name: "replace_between_delimiters",
  group: "string",
  summary: "Replaces what stands between two delimiters, and them.",
  parameters: [
    { name: "path", kind: "place", summary: "the text to change" },
    { name: "open", kind: "value", summary: "the first delimiter" },
    { name: "close", kind: "value", summary: "the next one behind it" },
    { name: "new", kind: "value", summary: "what comes in place of all three" },
  ],
  examples: [
    {
      command: ["replace_between_delimiters", "$.data.a", "<", ">", "it"],
      data: { a: "take <this> away" },
      result: { data: { a: "take it away" } },
    },
    {
      command: ["replace_between_delimiters", "$.data.a", "<", ">", ""],
      data: { a: "a > b" },
      failure: 'no "<"',
    },
  ],
  compile(args) {
    const open = args.value(1);
    const close = args.value(2);
    const replacement = args.value(3);
    return editText(args, (text, work) => {
      const { from, to } = between(text, textFrom(open, work), textFrom(close, work));
      return text.slice(0, from) + textFrom(replacement, work) + text.slice(to);
    });
  },
};
