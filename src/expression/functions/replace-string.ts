import type { Command } from "./command.ts";
import { editText, textFrom } from "./helpers.ts";

export const replaceString: Command = {
  name: "replace_string",
  group: "string",
  summary: "Replaces every occurrence of a text.",
  parameters: [
    { name: "path", kind: "place", summary: "the text to change" },
    { name: "old", kind: "value", summary: "what to look for; the empty text is nowhere" },
    { name: "new", kind: "value", summary: "what to put there" },
  ],
  examples: [
    {
      command: ["replace_string", "$.data.a", "-", "+"],
      data: { a: "1-2-3" },
      result: { data: { a: "1+2+3" } },
    },
    {
      command: ["replace_string", "$.data.a", "", "x"],
      data: { a: "ab" },
      result: { data: { a: "ab" } },
    },
  ],
  compile(args) {
    const old = args.value(1);
    const replacement = args.value(2);
    return editText(args, (text, work) => {
      const parts = splitAll(text, textFrom(old, work));
      const joint = textFrom(replacement, work);
      work.spend(parts.length * (joint.length + 1));
      return parts.join(joint);
    });
  },
};

function splitAll(text: string, separator: string): readonly string[] {
  return separator === "" ? [text] : text.split(separator);
}
