import type { Command } from "./command.ts";
import { CommandFailure } from "./command-failure.ts";

export const replace: Command = {
  name: "replace",
  group: "structure",
  summary: "Puts another value where there is one.",
  parameters: [
    { name: "path", kind: "place", summary: "what to replace; it must be there" },
    { name: "value", kind: "value", summary: "what to put there" },
  ],
  examples: [
    {
      command: ["replace", "$.data.a", { b: 2 }],
      data: { a: 1 },
      result: { data: { a: { b: 2 } } },
    },
    { command: ["replace", "$.data.x", 1], data: { a: 1 }, failure: "no value at $.data.x" },
  ],
  compile(args) {
    const place = args.place(0);
    const value = args.value(1);
    return (work) => {
      if (place.read(work) === undefined) {
        throw new CommandFailure(`the event has no value at ${place.text}`);
      }
      place.write(work, value(work));
    };
  },
};
