import type { Command } from "./command.ts";

/** `delete` is a reserved word, hence the name. */
export const deleteCommand: Command = {
  name: "delete",
  group: "structure",
  summary: "Removes what is at a path; what is not there need not be removed.",
  parameters: [{ name: "path", kind: "place", summary: "what to remove" }],
  examples: [
    { command: ["delete", "$.data.b"], data: { a: 1, b: 2 }, result: { data: { a: 1 } } },
    {
      command: ["delete", "$.data.list[0]"],
      data: { list: [1, 2] },
      result: { data: { list: [2] } },
    },
    { command: ["delete", "$.source"], data: {}, failure: "source" },
  ],
  compile(args) {
    const place = args.place(0);
    return (work) => place.remove(work);
  },
};
