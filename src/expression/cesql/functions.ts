/** The functions of CESQL: what the expressions can call, and what the reference prints. */
import type { CesqlFunction } from "./function.ts";
import { castFunctions } from "./functions-cast.ts";
import { textFunctions } from "./functions-text.ts";

export const cesqlFunctions: readonly CesqlFunction[] = [...castFunctions, ...textFunctions];

const functionsByName = new Map(cesqlFunctions.map((each) => [each.name, each]));

/** A function for that many arguments, or why there is none. */
export function findFunction(name: string, count: number): CesqlFunction | string {
  const found = functionsByName.get(name);
  if (found === undefined) {
    const known = cesqlFunctions.map((each) => each.name).join(", ");
    const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name;
    return `unknown function '${shown}'; known: ${known}`;
  }
  const max = found.isVariadic === true ? Infinity : found.parameters.length;
  const min = found.parameters.length - (found.isVariadic === true ? 1 : (found.optional ?? 0));
  if (count >= min && count <= max) return found;
  return `there is no ${name} with ${count} arguments; it is ${signatureOf(found)}`;
}

/** `SUBSTRING(text, position[, length])` */
export function signatureOf({
  name,
  parameters,
  optional,
  isVariadic,
}: Pick<CesqlFunction, "name" | "parameters" | "optional" | "isVariadic">): string {
  const names = parameters.map((parameter) => parameter.name);
  const required = names.slice(0, names.length - (optional ?? 0));
  if (isVariadic === true) required.push(`${required.pop() ?? ""}…`);
  const rest = names.slice(names.length - (optional ?? 0)).map((each) => `[, ${each}]`);
  return `${name}(${required.join(", ")}${rest.join("")})`;
}
