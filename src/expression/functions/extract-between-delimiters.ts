import type { Command } from "./command.ts";
import { assertFree, between, textFrom } from "./helpers.ts";

export const extractBetweenDelimiters: Command = {
  name: "extract_between_delimiters",
  group: "string",
  summary: "Copies what stands between two delimiters.",
  parameters: [
    { name: "source", kind: "value", summary: "the text" },
    { name: "target", kind: "place", summary: "where the piece goes; there must be nothing yet" },
    { name: "open", kind: "value", summary: "the first delimiter" },
    { name: "close", kind: "value", summary: "the next one behind it" },
  ],
  examples: [
    {
      command: ["extract_between_delimiters", "$.data.a", "$.data.b", "(", ")"],
      data: { a: "f(x) (y)" },
      result: { data: { a: "f(x) (y)", b: "x" } },
    },
  ],
  compile(args) {
    const source = args.value(0);
    const target = args.place(1);
    const open = args.value(2);
    const close = args.value(3);
    return (work) => {
      const text = textFrom(source, work);
      const { start, end } = between(text, textFrom(open, work), textFrom(close, work));
      assertFree(target, work);
      target.write(work, text.slice(start, end));
    };
  },
};
