import { CommandFailure } from "./command-failure.ts";
import type { Action, Arguments, Place, Work } from "./command.ts";
import { numberOf, numberValue } from "./value.ts";

/** Writes `combine` of all values to the first argument. Numbers are doubles. */
export function calculate(
  args: Arguments,
  combine: (left: number, right: number) => number,
): Action {
  const target = args.place(0);
  const values = args.values(1);
  return (work) => {
    const numbers = values.map((value) => numberOf(value(work)));
    writeNumber(target, work, numbers.reduce(combine));
  };
}

/** Attributes hold 32-bit integers only: a fraction is cut off, what is larger fails. */
function writeNumber(target: Place, work: Work, result: number): void {
  if (!isAttribute(target)) return target.write(work, numberValue(result));
  const whole = Math.trunc(result);
  if (Math.abs(whole) > INT32_MAX || Number.isNaN(whole)) {
    throw new CommandFailure(
      `${result} does not fit the attribute ${target.text}: 32-bit integers do`,
    );
  }
  target.write(work, numberValue(whole + 0));
}

const INT32_MAX = 2 ** 31 - 1;

function isAttribute({ text }: Place): boolean {
  return !text.startsWith("@") && !/^\$\.data(?:$|[.[])/.test(text);
}
