import type { Command } from "./command.ts";
import { editText } from "./helpers.ts";

export const capitalizeSentence: Command = {
  name: "capitalize_sentence",
  group: "string",
  summary: "Makes the first letter capital.",
  parameters: [{ name: "path", kind: "place", summary: "the text to change" }],
  examples: [
    {
      command: ["capitalize_sentence", "$.data.a"],
      data: { a: "élan vital" },
      result: { data: { a: "Élan vital" } },
    },
  ],
  compile(args) {
    return editText(args, capitalize);
  },
};

function capitalize(text: string): string {
  const [first = ""] = text;
  return first.toUpperCase() + text.slice(first.length);
}
