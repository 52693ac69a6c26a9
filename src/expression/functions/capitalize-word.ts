import type { Command } from "./command.ts";
import { editText } from "./helpers.ts";

export const capitalizeWord: Command = {
  name: "capitalize_word",
  group: "string",
  summary: "Makes the first letter of each word capital.",
  parameters: [{ name: "path", kind: "place", summary: "the text to change" }],
  examples: [
    {
      command: ["capitalize_word", "$.data.a"],
      data: { a: "one, два 3rd" },
      result: { data: { a: "One, Два 3rd" } },
    },
  ],
  compile(args) {
    return editText(args, (text) => text.replace(WORD, capitalize));
  },
};

const WORD = /[\p{L}\p{M}\p{N}_'’]+/gu;

function capitalize(word: string): string {
  const [first = ""] = word;
  return first.toUpperCase() + word.slice(first.length);
}
