import type { Command } from "./command.ts";
import { assertFree } from "./helpers.ts";

/** What a new member costs beside its value, in the time of a character that is copied. */
const MEMBER_STEPS = 64;

export const unfoldArray: Command = {
  name: "unfold_array",
  group: "array",
  summary: "Copies each element of a list to a place of its own: target-0, target-1 and so on.",
  parameters: [
    { name: "source", kind: "value", summary: "the list; one value is a list of one" },
    {
      name: "target",
      kind: "place",
      summary: "a member of the data whose name the numbers follow",
    },
  ],
  examples: [
    {
      command: ["unfold_array", "$.data.a", "$.data.t"],
      data: { a: [1, "x"] },
      result: { data: { a: [1, "x"], "t-0": 1, "t-1": "x" } },
    },
  ],
  compile(args) {
    const source = args.value(0);
    const target = args.sequence(1);
    return (work) => {
      const value = source(work);
      const list = Array.isArray(value) ? value : [value];
      for (const [index, element] of list.entries()) {
        work.spend(MEMBER_STEPS);
        const place = target(index);
        assertFree(place, work);
        place.write(work, element);
      }
    };
  },
};
