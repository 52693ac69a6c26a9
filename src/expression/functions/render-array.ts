import type { Command } from "./command.ts";
import type { Reader } from "./command.ts";
import { textFrom } from "./helpers.ts";
import { compileRead, elementSlot } from "./places.ts";

export const renderArray: Command = {
  name: "render_array",
  group: "array",
  summary:
    "Writes a list of texts, one for each element of another; <@.x> stands for a member of it.",
  parameters: [
    { name: "target", kind: "place", summary: "where the list goes, whatever is there" },
    { name: "list", kind: "value", summary: "the list; one value is a list of one" },
    { name: "template", kind: "constant", summary: "text with <@> and <@.x>" },
  ],
  examples: [
    {
      command: ["render_array", "$.data.r", "$.data.a", "<@.n>: 100%"],
      data: { a: [{ n: 1 }, { n: "b" }] },
      result: { data: { a: [{ n: 1 }, { n: "b" }], r: ["1: 100%", "b: 100%"] } },
    },
    {
      command: ["render_array", "$.data.r", "$.data.a", "<@.n>"],
      data: { a: [{}] },
      failure: "no value at @.n",
    },
  ],
  compile(args) {
    const target = args.place(0);
    const list = args.value(1);
    const parts = parseTemplate(args.text(2));
    return (work) => {
      const value = list(work);
      const elements = Array.isArray(value) ? value : [value];
      const outer = work.element;
      const texts = elements.map((_, index) => {
        work.element = elementSlot(elements, index);
        const text = parts.map((part) => (typeof part === "string" ? part : textFrom(part, work)));
        return text.join("");
      });
      work.element = outer;
      target.write(work, texts);
    };
  },
};

/** What is no `<@…>` stays as it is. */
function parseTemplate(template: string): readonly (string | Reader)[] {
  const parts: (string | Reader)[] = [];
  let at = 0;
  for (const found of template.matchAll(ELEMENT)) {
    parts.push(template.slice(at, found.index), compileRead(found[1] ?? "@", 2));
    at = found.index + found[0].length;
  }
  parts.push(template.slice(at));
  return parts;
}

const ELEMENT = /<(@[^<>]*)>/g;
