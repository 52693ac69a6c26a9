import type { Command } from "./command.ts";
import { editText, positionFrom, textFrom } from "./helpers.ts";
import { sliceBytes } from "./bytes.ts";
import { CommandFailure } from "./command-failure.ts";

export const replaceBetweenPositions: Command = {
  name: "replace_between_positions",
  group: "string",
  summary: "Replaces the bytes from one position up to another.",
  parameters: [
    { name: "path", kind: "place", summary: "the text to change" },
    { name: "start", kind: "value", summary: "the first byte to go, from 0" },
    { name: "end", kind: "value", summary: "the first byte to stay" },
    { name: "new", kind: "value", summary: "what comes in place of them" },
  ],
  examples: [
    {
      command: ["replace_between_positions", "$.data.a", 0, 5, "Bye"],
      data: { a: "Hello, you" },
      result: { data: { a: "Bye, you" } },
    },
    {
      command: ["replace_between_positions", "$.data.a", 0, 9, ""],
      data: { a: "abc" },
      failure: "3 bytes",
    },
  ],
  compile(args) {
    const start = args.value(1);
    const end = args.value(2);
    const replacement = args.value(3);
    return editText(args, (text, work) => {
      const bytes = Buffer.from(text);
      const from = positionFrom(start, work);
      const to = positionFrom(end, work);
      checkPositions(from, to, bytes.length);
      const tail = sliceBytes(bytes, to, bytes.length);
      return sliceBytes(bytes, 0, from) + textFrom(replacement, work) + tail;
    });
  },
};

function checkPositions(start: number, end: number, length: number): void {
  if (start >= 0 && start <= end && end <= length) return;
  throw new CommandFailure(`${start} to ${end} is no range of a text of ${length} bytes`);
}
