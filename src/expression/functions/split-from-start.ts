import type { Command } from "./command.ts";
import { sliceBytes } from "./bytes.ts";
import { CommandFailure } from "./command-failure.ts";
import { assertFree, positionFrom, textFrom } from "./helpers.ts";

export const splitFromStart: Command = {
  name: "split_from_start",
  group: "string",
  summary: "Cuts a text at one position, in bytes, into two pieces.",
  parameters: [
    { name: "source", kind: "value", summary: "the text" },
    { name: "position", kind: "value", summary: "the length of the first piece, at least 1" },
    { name: "target", kind: "place", summary: "where the list goes; there must be nothing yet" },
  ],
  examples: [
    {
      command: ["split_from_start", "$.data.a", "1", "$.data.b"],
      data: { a: "hello" },
      result: { data: { a: "hello", b: ["h", "ello"] } },
    },
  ],
  compile(args) {
    const source = args.value(0);
    const position = args.value(1);
    const target = args.place(2);
    return (work) => {
      const bytes = Buffer.from(textFrom(source, work));
      const at = positionFrom(position, work);
      if (at < 1) throw new CommandFailure(`the position is ${at}; it must be at least 1`);
      assertFree(target, work);
      const cut = Math.min(at, bytes.length);
      target.write(work, [sliceBytes(bytes, 0, cut), sliceBytes(bytes, cut, bytes.length)]);
    };
  },
};
