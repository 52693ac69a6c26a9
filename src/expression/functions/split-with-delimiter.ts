import type { Command } from "./command.ts";
import { assertFree, textFrom } from "./helpers.ts";

export const splitWithDelimiter: Command = {
  name: "split_with_delimiter",
  group: "string",
  summary: "Cuts a text at every delimiter.",
  parameters: [
    { name: "source", kind: "value", summary: "the text" },
    { name: "delimiter", kind: "value", summary: "where it is cut; the empty text cuts nowhere" },
    { name: "target", kind: "place", summary: "where the list goes; there must be nothing yet" },
  ],
  examples: [
    {
      command: ["split_with_delimiter", "$.data.a", ",", "$.data.b"],
      data: { a: "x,,y" },
      result: { data: { a: "x,,y", b: ["x", "", "y"] } },
    },
  ],
  compile(args) {
    const source = args.value(0);
    const delimiter = args.value(1);
    const target = args.place(2);
    return (work) => {
      const text = textFrom(source, work);
      const separator = textFrom(delimiter, work);
      work.spend(text.length);
      assertFree(target, work);
      target.write(work, separator === "" ? [text] : text.split(separator));
    };
  },
};
