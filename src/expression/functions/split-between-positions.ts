import type { Command } from "./command.ts";
import { sliceBytes } from "./bytes.ts";
import { CommandFailure } from "./command-failure.ts";
import { assertFree, positionFrom, textFrom } from "./helpers.ts";

export const splitBetweenPositions: Command = {
  name: "split_between_positions",
  group: "string",
  summary: "Cuts a text at two positions, in bytes, into three pieces.",
  parameters: [
    { name: "source", kind: "value", summary: "the text" },
    { name: "start", kind: "value", summary: "where the second piece begins" },
    { name: "end", kind: "value", summary: "where the third begins" },
    { name: "target", kind: "place", summary: "where the list goes; there must be nothing yet" },
  ],
  examples: [
    {
      command: ["split_between_positions", "$.data.a", 2, 4, "$.data.b"],
      data: { a: "hello" },
      result: { data: { a: "hello", b: ["he", "ll", "o"] } },
    },
    {
      command: ["split_between_positions", "$.data.a", 2, 1, "$.data.b"],
      data: { a: "hello" },
      failure: "2 to 1",
    },
  ],
  compile(args) {
    const source = args.value(0);
    const start = args.value(1);
    const end = args.value(2);
    const target = args.place(3);
    return (work) => {
      const bytes = Buffer.from(textFrom(source, work));
      const from = positionFrom(start, work);
      const to = positionFrom(end, work);
      if (from < 0 || from > to) throw new CommandFailure(`${from} to ${to} is no range`);
      assertFree(target, work);
      const first = Math.min(from, bytes.length);
      const second = Math.min(to, bytes.length);
      const third = sliceBytes(bytes, second, bytes.length);
      target.write(work, [sliceBytes(bytes, 0, first), sliceBytes(bytes, first, second), third]);
    };
  },
};
