import type { Command } from "./command.ts";
import { CommandFailure } from "./command-failure.ts";
import { calculate } from "./math.ts";

export const mathDiv: Command = {
  name: "math_div",
  group: "math",
  summary: "Writes the quotient of numbers; into an attribute as a 32-bit integer.",
  parameters: [
    { name: "target", kind: "place", summary: "where the result goes, whatever is there" },
    { name: "left", kind: "value", summary: "a number, or a text that is one" },
    { name: "right", kind: "value", summary: "another" },
  ],
  examples: [
    { command: ["math_div", "$.data.r", 1, 4], data: {}, result: { data: { r: 0.25 } } },
    { command: ["math_div", "$.data.r", 1, 0], data: {}, failure: "division by zero" },
    { command: ["math_div", "$.share", 7, 2], data: {}, result: { attributes: { share: 3 } } },
  ],
  compile: (args) => calculate(args, divide),
};

function divide(left: number, right: number): number {
  if (right === 0) throw new CommandFailure("division by zero");
  return left / right;
}
