import type { Command } from "./command.ts";
import { move } from "./move.ts";

/** The same as move: where the name is, the value is. */
export const rename: Command = {
  ...move,
  name: "rename",
  summary: "Renames: moves a value to another name.",
  examples: [
    { command: ["rename", "$.data.a", "$.data.b"], data: { a: 1 }, result: { data: { b: 1 } } },
    {
      command: ["rename", "$.old", "$.new"],
      attributes: { old: "x" },
      result: { attributes: { new: "x" } },
    },
  ],
};
