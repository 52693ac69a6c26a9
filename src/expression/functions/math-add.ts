import type { Command } from "./command.ts";
import { calculate } from "./math.ts";

export const mathAdd: Command = {
  name: "math_add",
  group: "math",
  summary: "Writes the sum of numbers; into an attribute as a 32-bit integer.",
  parameters: [
    { name: "target", kind: "place", summary: "where the result goes, whatever is there" },
    { name: "value", kind: "value", summary: "a number, or a text that is one" },
    { name: "more", kind: "value", summary: "further numbers", isRepeated: true },
  ],
  examples: [
    {
      command: ["math_add", "$.data.sum", "$.data.a", "2", 0.5],
      data: { a: 1 },
      result: { data: { a: 1, sum: 3.5 } },
    },
    {
      command: ["math_add", "$.data.sum", "$.data.a", 1],
      data: { a: true },
      failure: "true is no number",
    },
  ],
  compile: (args) => calculate(args, (left, right) => left + right),
};
