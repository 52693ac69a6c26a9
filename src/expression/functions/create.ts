import { assertFree } from "./helpers.ts";
import type { Command } from "./command.ts";

export const create: Command = {
  name: "create",
  group: "structure",
  summary: "Puts a value where there is none yet; missing parents are made.",
  parameters: [
    { name: "target", kind: "place", summary: "where to put it; null counts as empty" },
    { name: "value", kind: "value", summary: "what to put there" },
  ],
  examples: [
    {
      command: ["create", "$.data.a.b[1]", "x"],
      data: {},
      result: { data: { a: { b: [null, "x"] } } },
    },
    { command: ["create", "$.data.a", 2], data: { a: 1 }, failure: "$.data.a has a value already" },
    { command: ["create", "$.level", "high"], data: {}, result: { attributes: { level: "high" } } },
  ],
  compile(args) {
    const target = args.place(0);
    const value = args.value(1);
    return (work) => {
      const found = value(work);
      assertFree(target, work);
      target.write(work, found);
    };
  },
};
