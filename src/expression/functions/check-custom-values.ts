import type { Command } from "./command.ts";
import { textFrom } from "./helpers.ts";

export const checkCustomValues: Command = {
  name: "check_custom_values",
  group: "string",
  summary: "Writes one of two values, whether a text contains another or not.",
  parameters: [
    { name: "source", kind: "value", summary: "the text to look into" },
    { name: "needle", kind: "value", summary: "what to look for, capitals matter" },
    { name: "target", kind: "place", summary: "where the result goes, whatever is there" },
    { name: "yes", kind: "value", summary: "written when it is contained" },
    { name: "no", kind: "value", summary: "written when it is not" },
  ],
  examples: [
    {
      command: ["check_custom_values", "$.data.a", "bc", "$.data.r", true, "no"],
      data: { a: "abcd" },
      result: { data: { a: "abcd", r: true } },
    },
  ],
  compile(args) {
    const source = args.value(0);
    const needle = args.value(1);
    const target = args.place(2);
    const yes = args.value(3);
    const no = args.value(4);
    return (work) => {
      const isIn = textFrom(source, work).includes(textFrom(needle, work));
      target.write(work, isIn ? yes(work) : no(work));
    };
  },
};
