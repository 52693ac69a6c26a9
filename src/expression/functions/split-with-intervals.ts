import type { Command } from "./command.ts";
import { sliceBytes } from "./bytes.ts";
import { CommandFailure } from "./command-failure.ts";
import { assertFree, positionFrom, textFrom } from "./helpers.ts";

export const splitWithIntervals: Command = {
  name: "split_with_intervals",
  aliases: ["split_with_interval"],
  group: "string",
  summary: "Cuts a text into a first piece and pieces of one length, in bytes.",
  parameters: [
    { name: "source", kind: "value", summary: "the text" },
    { name: "start", kind: "value", summary: "the length of the first piece" },
    { name: "step", kind: "value", summary: "the length of the others" },
    { name: "target", kind: "place", summary: "where the list goes; there must be nothing yet" },
  ],
  examples: [
    {
      command: ["split_with_intervals", "$.data.a", 1, 3, "$.data.b"],
      data: { a: "hello wo" },
      result: { data: { a: "hello wo", b: ["h", "ell", "o w", "o"] } },
    },
    {
      command: ["split_with_intervals", "$.data.a", 1, 0, "$.data.b"],
      data: { a: "x" },
      failure: "at least 1",
    },
  ],
  compile(args) {
    const source = args.value(0);
    const start = args.value(1);
    const step = args.value(2);
    const target = args.place(3);
    return (work) => {
      const bytes = Buffer.from(textFrom(source, work));
      const first = positionFrom(start, work);
      const length = positionFrom(step, work);
      if (length < 1) throw new CommandFailure(`the step is ${length}; it must be at least 1`);
      if (first < 0) throw new CommandFailure(`the start is ${first}; it must not be below 0`);
      assertFree(target, work);
      target.write(work, pieces(bytes, first, length));
    };
  },
};

function pieces(bytes: Buffer, first: number, length: number): string[] {
  const list: string[] = first === 0 ? [] : [sliceBytes(bytes, 0, first)];
  for (let at = first; at < bytes.length; at += length) {
    list.push(sliceBytes(bytes, at, Math.min(at + length, bytes.length)));
  }
  return list;
}
