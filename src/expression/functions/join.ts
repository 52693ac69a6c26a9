import type { Command } from "./command.ts";
import { CommandFailure } from "./command-failure.ts";
import { textFrom } from "./helpers.ts";
import type { Value } from "./value.ts";
import { NumberText, describe } from "./value.ts";

export const join: Command = {
  name: "join",
  group: "string",
  summary: "Joins texts and lists of texts.",
  parameters: [
    { name: "target", kind: "place", summary: "where the text goes, whatever is there" },
    { name: "separator", kind: "value", summary: "what goes between them" },
    {
      name: "value",
      kind: "value",
      summary: "a text, a number, or a list of those",
      isRepeated: true,
    },
  ],
  examples: [
    {
      command: ["join", "$.data.out", "-", "$.data.list[*].k", "z"],
      data: { list: [{ k: 1 }, { k: "b" }] },
      result: { data: { list: [{ k: 1 }, { k: "b" }], out: "1-b-z" } },
    },
    {
      command: ["join", "$.data.out", ",", "$.data.a"],
      data: { a: true },
      failure: "true is no text",
    },
  ],
  compile(args) {
    const target = args.place(0);
    const separator = args.value(1);
    const values = args.values(2);
    return (work) => {
      const texts = values.flatMap((value) => textsOf(value(work)));
      const joined = texts.join(textFrom(separator, work));
      work.spend(joined.length);
      target.write(work, joined);
    };
  },
};

function textsOf(value: Value): readonly string[] {
  if (Array.isArray(value))
    return value.flatMap((one) => (Array.isArray(one) ? one.map(textIn) : textIn(one)));
  return [textIn(value)];
}

function textIn(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof NumberText) return value.text;
  throw new CommandFailure(`${describe(value)} is no text and no number`);
}
