import type { Command } from "./command.ts";
import { calculate } from "./math.ts";

export const mathSub: Command = {
  name: "math_sub",
  group: "math",
  summary: "Writes the difference of numbers; into an attribute as a 32-bit integer.",
  parameters: [
    { name: "target", kind: "place", summary: "where the result goes, whatever is there" },
    { name: "left", kind: "value", summary: "a number, or a text that is one" },
    { name: "right", kind: "value", summary: "another" },
  ],
  examples: [
    {
      command: ["math_sub", "$.data.left", 10, "$.data.used"],
      data: { used: 4 },
      result: { data: { used: 4, left: 6 } },
    },
  ],
  compile: (args) => calculate(args, (left, right) => left - right),
};
