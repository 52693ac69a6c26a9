import type { Command } from "./command.ts";
import { sliceBytes } from "./bytes.ts";
import { CommandFailure } from "./command-failure.ts";
import { assertFree, positionFrom, textFrom } from "./helpers.ts";

export const extractBetweenPositions: Command = {
  name: "extract_between_positions",
  group: "string",
  summary: "Copies the bytes from one position to another, both counted from 1 and included.",
  parameters: [
    { name: "source", kind: "value", summary: "the text" },
    { name: "target", kind: "place", summary: "where the piece goes; there must be nothing yet" },
    { name: "start", kind: "value", summary: "the first byte, from 1" },
    { name: "end", kind: "value", summary: "the last byte" },
  ],
  examples: [
    {
      command: ["extract_between_positions", "$.data.a", "$.data.b", 2, 4],
      data: { a: "hello" },
      result: { data: { a: "hello", b: "ell" } },
    },
    {
      command: ["extract_between_positions", "$.data.a", "$.data.b", 0, 4],
      data: { a: "hello" },
      failure: "0 to 4",
    },
  ],
  compile(args) {
    const source = args.value(0);
    const target = args.place(1);
    const start = args.value(2);
    const end = args.value(3);
    return (work) => {
      const bytes = Buffer.from(textFrom(source, work));
      const from = positionFrom(start, work);
      const to = positionFrom(end, work);
      if (from < 1 || from > to || to > bytes.length) {
        const text = `a text of ${bytes.length} bytes, counted from 1`;
        throw new CommandFailure(`${from} to ${to} is no range of ${text}`);
      }
      assertFree(target, work);
      target.write(work, sliceBytes(bytes, from - 1, to));
    };
  },
};
