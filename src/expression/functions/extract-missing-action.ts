import type { Command } from "./command.ts";

export const extractMissingAction: Command = {
  name: "extract_missing_action",
  aliases: ["extract_missing"],
  group: "string",
  summary: "Writes one of two values, whether there is something at a path or not.",
  parameters: [
    {
      name: "source",
      kind: "place",
      summary: "what may be missing: absent, null and the empty text are",
    },
    { name: "target", kind: "place", summary: "where the result goes, whatever is there" },
    { name: "yes", kind: "value", summary: "written when it is missing" },
    { name: "no", kind: "value", summary: "written when it is there" },
  ],
  examples: [
    {
      command: ["extract_missing_action", "$.data.a", "$.data.r", "gone", "here"],
      data: {},
      result: { data: { r: "gone" } },
    },
    {
      command: ["extract_missing_action", "$.data.a", "$.data.r", "gone", "here"],
      data: { a: 0 },
      result: { data: { a: 0, r: "here" } },
    },
  ],
  compile(args) {
    const source = args.place(0);
    const target = args.place(1);
    const yes = args.value(2);
    const no = args.value(3);
    return (work) => {
      const value = source.read(work);
      const isMissing = value === undefined || value === null || value === "";
      target.write(work, isMissing ? yes(work) : no(work));
    };
  },
};
