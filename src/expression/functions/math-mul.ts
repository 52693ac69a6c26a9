import type { Command } from "./command.ts";
import { calculate } from "./math.ts";

export const mathMul: Command = {
  name: "math_mul",
  group: "math",
  summary: "Writes the product of numbers; into an attribute as a 32-bit integer.",
  parameters: [
    { name: "target", kind: "place", summary: "where the result goes, whatever is there" },
    { name: "value", kind: "value", summary: "a number, or a text that is one" },
    { name: "more", kind: "value", summary: "further numbers", isRepeated: true },
  ],
  examples: [
    {
      command: ["math_mul", "$.data.n", "$.data.n", 3],
      data: { n: 2 },
      result: { data: { n: 6 } },
    },
  ],
  compile: (args) => calculate(args, (left, right) => left * right),
};
