import { CommandFailure, CommandRefusal } from "./command-failure.ts";
import type { Action, Arguments, Command, Parameter, Place, Reader } from "./command.ts";
import { compilePlace, compileRead, isPathText } from "./places.ts";
import { constantValue } from "./value.ts";

/** How the pipeline at hand writes variables, and which there are. */
export interface VariableSyntax {
  /** The name in a text that is exactly one variable, as in `${name}`; undefined for other texts. */
  nameIn(text: string): string | undefined;
  isDefined(name: string): boolean;
  /** A constant text with its escapes undone. */
  unescape(text: string): string;
}

export interface ArgumentContext {
  readonly command: Command;
  readonly given: readonly unknown[];
  readonly variables: VariableSyntax;
  /** Compiles a command inside a command. */
  readonly compileAction: (given: unknown, argument: number) => Action;
}

/** Checks how many arguments there are, then hands them out by kind. */
export function readArguments(context: ArgumentContext): Arguments {
  const { command, given } = context;
  checkCount(command, given.length);
  const textAt = (index: number): string => constantText(given[index], index);
  return {
    count: given.length,
    place: (index) => readPlace(given[index], index),
    value: (index) => readValue(context, index),
    values: (index) => given.slice(index).map((_, at) => readValue(context, index + at)),
    text: textAt,
    optionalText: (index) => (index < given.length ? textAt(index) : undefined),
    sequence(index) {
      const base = readPlace(given[index], index).text;
      // The first one tells whether such a name is possible at all.
      compilePlace(`${base}-0`, index);
      return (number) => compilePlace(`${base}-${number}`, index);
    },
    actions(index) {
      const actions = given.slice(index).map((one, at) => context.compileAction(one, index + at));
      return (work) => {
        for (const action of actions) action(work);
      };
    },
  };
}

/** `upper_case P`, `join T separator V…`: how the command is used, in one line. */
export function usageOf({ name, parameters }: Command): string {
  return [name, ...parameters.map(usageOfParameter)].join(" ");
}

function usageOfParameter({ name, isOptional, isRepeated }: Parameter): string {
  const shown = isRepeated === true ? `${name}…` : name;
  return isOptional === true ? `[${shown}]` : shown;
}

function checkCount(command: Command, count: number): void {
  const { parameters } = command;
  const least = parameters.filter((one) => one.isOptional !== true).length;
  const isOpen = parameters.some((one) => one.isRepeated === true);
  if (count >= least && (isOpen || count <= parameters.length)) return;
  const plural = count === 1 ? "argument" : "arguments";
  throw new CommandRefusal(`${count} ${plural} given; it is used as: ${usageOf(command)}`);
}

function readPlace(given: unknown, index: number): Place {
  if (typeof given === "string" && isPathText(given.trim())) return compilePlace(given, index);
  throw new CommandRefusal("expected a path such as $.data.name or $.subject", index);
}

function readValue({ given, variables }: ArgumentContext, index: number): Reader {
  const one = given[index];
  if (typeof one !== "string") {
    const value = constantValue(one);
    return () => value;
  }
  if (isPathText(one.trim())) return compileRead(one, index);
  const name = variables.nameIn(one.trim());
  if (name === undefined) {
    const text = variables.unescape(one);
    return () => text;
  }
  if (!variables.isDefined(name)) {
    throw new CommandRefusal(`the variable '${name}' is not defined; add it to define`, index);
  }
  return (work) => {
    const value = work.variable(name);
    if (value !== undefined && value !== null) return value;
    throw new CommandFailure(`the variable '${name}' has no value in this event`);
  };
}

function constantText(given: unknown, index: number): string {
  if (typeof given === "string") return given;
  throw new CommandRefusal("expected a text that is the same for every event", index);
}
