import type { Command } from "./command.ts";
import { CommandFailure } from "./command-failure.ts";
import { presentAt } from "./helpers.ts";
import { elementSlot } from "./places.ts";
import { describe } from "./value.ts";

export const arrayForeach: Command = {
  name: "array_foreach",
  group: "array",
  summary: "Runs commands on each element of a list; @ stands for the element.",
  parameters: [
    { name: "list", kind: "place", summary: "the list" },
    {
      name: "command",
      kind: "action",
      summary: "a command as a list; @.x is a member of the element",
      isRepeated: true,
    },
  ],
  examples: [
    {
      command: [
        "array_foreach",
        "$.data.a",
        ["upper_case", "@.n"],
        ["create", "@.from", "$.source"],
      ],
      data: { a: [{ n: "x" }] },
      result: { data: { a: [{ n: "X", from: "/s" }] } },
    },
    {
      command: ["array_foreach", "$.data.a", ["upper_case", "@.n"]],
      data: { a: 1 },
      failure: "no list",
    },
  ],
  compile(args) {
    const place = args.place(0);
    const run = args.actions(1);
    return (work) => {
      const list = presentAt(place, work);
      if (!Array.isArray(list))
        throw new CommandFailure(`${place.text} is ${describe(list)}, no list`);
      const outer = work.element;
      for (let index = 0; index < list.length; index++) {
        work.spend(1);
        work.element = elementSlot(list, index);
        run(work);
      }
      work.element = outer;
    };
  },
};
