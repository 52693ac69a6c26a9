import type { Command } from "./command.ts";
import { assertFree, presentAt } from "./helpers.ts";

export const rename: Command = {
  name: "rename",
  group: "structure",
  summary: "Renames: moves a value to another name.",
  parameters: [
    { name: "source", kind: "place", summary: "what to take away; it must be there" },
    { name: "target", kind: "place", summary: "where to put it; there must be nothing yet" },
  ],
  examples: [
    { command: ["rename", "$.data.a", "$.data.b"], data: { a: 1 }, result: { data: { b: 1 } } },
    {
      command: ["rename", "$.data.a", "$.data.b"],
      data: { a: 1, b: 2 },
      failure: "$.data.b has a value",
    },
  ],
  compile(args) {
    const source = args.place(0);
    const target = args.place(1);
    return (work) => {
      const value = presentAt(source, work);
      assertFree(target, work);
      // Away first: `move $.data.a $.data.a.b` would otherwise remove what it has just put there.
      source.remove(work);
      target.write(work, value);
    };
  },
};
