import type { Command } from "./command.ts";
import { CommandRefusal } from "./command-failure.ts";
import type { Value } from "./value.ts";
import { NumberText, numberOf, textOf } from "./value.ts";

export const conditionIf: Command = {
  name: "condition_if",
  group: "condition",
  summary: "Writes one of two values by comparing two.",
  parameters: [
    { name: "target", kind: "place", summary: "where the result goes, whatever is there" },
    { name: "left", kind: "value", summary: "what is compared" },
    {
      name: "operator",
      kind: "constant",
      summary: "== != (as texts or numbers) > >= < <= (as numbers)",
    },
    { name: "right", kind: "value", summary: "with what" },
    { name: "yes", kind: "value", summary: "written when it holds" },
    { name: "no", kind: "value", summary: "written when it does not" },
  ],
  examples: [
    {
      command: ["condition_if", "$.data.r", "$.data.n", ">=", 10, "many", "few"],
      data: { n: "12" },
      result: { data: { n: "12", r: "many" } },
    },
    {
      command: ["condition_if", "$.data.r", "$.data.n", "==", 1000000, true, false],
      data: { n: 1e6 },
      result: { data: { n: 1000000, r: true } },
    },
    {
      command: ["condition_if", "$.data.r", "$.data.n", ">", 1, 1, 2],
      data: { n: "x" },
      failure: "no number",
    },
  ],
  compile(args) {
    const target = args.place(0);
    const left = args.value(1);
    const holds = comparison(args.text(2));
    const right = args.value(3);
    const yes = args.value(4);
    const no = args.value(5);
    return (work) => target.write(work, holds(left(work), right(work)) ? yes(work) : no(work));
  },
};

type Comparison = (left: Value, right: Value) => boolean;

const comparisons: ReadonlyMap<string, Comparison> = new Map([
  ["==", isEqual],
  ["!=", (left, right) => !isEqual(left, right)],
  [">", (left, right) => numberOf(left) > numberOf(right)],
  [">=", (left, right) => numberOf(left) >= numberOf(right)],
  ["<", (left, right) => numberOf(left) < numberOf(right)],
  ["<=", (left, right) => numberOf(left) <= numberOf(right)],
]);

function comparison(operator: string): Comparison {
  const found = comparisons.get(operator);
  if (found !== undefined) return found;
  const known = [...comparisons.keys()].join(" ");
  throw new CommandRefusal(
    `${JSON.stringify(operator.slice(0, 20))} is no operator; known: ${known}`,
    2,
  );
}

/** Two numbers by their value, however they are written; anything else by its text. */
function isEqual(left: Value, right: Value): boolean {
  const sameText = textOf(left) === textOf(right);
  if (sameText || !(left instanceof NumberText) || !(right instanceof NumberText)) return sameText;
  const number = Number(left.text);
  return Number.isSafeInteger(number) || number % 1 !== 0 ? number === Number(right.text) : false;
}
