import type { Command } from "./command.ts";
import { assertFree } from "./helpers.ts";

export const duplicate: Command = {
  name: "duplicate",
  group: "structure",
  summary: "Copies a value to another place.",
  parameters: [
    { name: "source", kind: "value", summary: "what to copy" },
    { name: "target", kind: "place", summary: "where to put the copy; there must be nothing yet" },
  ],
  examples: [
    {
      command: ["duplicate", "$.data.a", "$.data.b"],
      data: { a: { k: 1 } },
      result: { data: { a: { k: 1 }, b: { k: 1 } } },
    },
    { command: ["duplicate", "$.data.x", "$.data.b"], data: {}, failure: "no value at $.data.x" },
  ],
  compile(args) {
    const source = args.value(0);
    const target = args.place(1);
    return (work) => {
      const value = source(work);
      assertFree(target, work);
      target.write(work, value);
    };
  },
};
