import type { EventView } from "../event/event-view.ts";
import type { CloudEvent } from "../event/event.ts";
import type { Action, Command, VariableSyntax, Work } from "../expression/functions/commands.ts";
import {
  CommandFailure,
  CommandRefusal,
  commands,
  findCommand,
  readArguments,
} from "../expression/functions/commands.ts";
import { limits } from "../kernel/limits.ts";
import { isObject, memberPath, nameKind, quote } from "../kernel/unchecked.ts";
import { complainOfConstant } from "./define.ts";
import { EventWork } from "./event-work.ts";
import type { Problems } from "./problems.ts";
import type { TransformFailure } from "./transformer.ts";
import type { Variables } from "./variables.ts";

/** The commands of a transformer, compiled. */
export interface Pipeline {
  /** The event as the commands leave it, or which of them failed and why. */
  run(view: EventView): CloudEvent | TransformFailure;
}

interface Step {
  readonly path: string;
  readonly name: string;
  readonly action: Action;
}

const PATH = "transformer.pipeline";

/** Undefined when there is nothing to do, or after everything wrong was added to `problems`. */
export function compilePipeline(
  pipeline: unknown,
  variables: Variables,
  problems: Problems,
): Pipeline | undefined {
  if (pipeline === undefined) return undefined;
  if (!Array.isArray(pipeline)) {
    const message = `expected a list of commands, not ${nameKind(pipeline)}`;
    problems.add({ path: PATH, code: "invalid_value", message });
    return undefined;
  }
  const compiler = new PipelineCompiler(variables, problems);
  const steps = pipeline.flatMap((one: unknown, index) => compiler.step(one, `${PATH}[${index}]`));
  if (steps.length === 0) return undefined;
  return { run: (view) => runAll(steps, view, variables) };
}

class PipelineCompiler {
  readonly #variables: Variables;
  readonly #problems: Problems;
  #count = 0;

  constructor(variables: Variables, problems: Problems) {
    this.#variables = variables;
    this.#problems = problems;
  }

  step(given: unknown, path: string): readonly Step[] {
    if (!isObject(given) || !Array.isArray(given["command"]) || Object.keys(given).length !== 1) {
      const message = 'expected {"command": ["name", "argument", …]}';
      this.#problems.add({ path, code: "invalid_value", message });
      return [];
    }
    const at = memberPath(path, "command");
    try {
      const action = this.#action(given["command"], 0);
      return [{ path, name: String(given["command"][0]), action }];
    } catch (error) {
      if (!(error instanceof CommandRefusal)) throw error;
      // The name is the first element, so the arguments begin at 1.
      const where = error.argument === undefined ? at : `${at}[${error.argument + 1}]`;
      this.#problems.add({ path: where, code: "invalid_command", message: error.message });
      return [];
    }
  }

  #action(given: readonly unknown[], depth: number): Action {
    this.#count += 1;
    if (this.#count > limits.pipelineCommandsMax) {
      throw new CommandRefusal(`a pipeline has at most ${limits.pipelineCommandsMax} commands`);
    }
    if (depth > limits.pipelineNestingMax) {
      throw new CommandRefusal(`commands are nested at most ${limits.pipelineNestingMax} deep`);
    }
    const [name, ...args] = given;
    const command = commandNamed(name);
    refuseConstants(args);
    const compileAction = (inner: unknown, argument: number): Action => {
      if (Array.isArray(inner)) return this.#action(inner, depth + 1);
      throw new CommandRefusal('expected a command as a list: ["name", "argument", …]', argument);
    };
    const variables: VariableSyntax = this.#variables;
    return command.compile(readArguments({ command, given: args, variables, compileAction }));
  }
}

function commandNamed(name: unknown): Command {
  if (typeof name !== "string") {
    throw new CommandRefusal(`the name of a command is a string, not ${nameKind(name)}`);
  }
  const command = findCommand(name);
  if (command !== undefined) return command;
  const known = commands.map((one) => one.name).join(", ");
  throw new CommandRefusal(`there is no command ${quote(name)}; known: ${known}`);
}

/** Constants are bounded, and none may have lost digits on its way. */
function refuseConstants(args: readonly unknown[]): void {
  for (const [index, value] of args.entries()) {
    const complaint = complainOfConstant(value);
    if (complaint !== undefined) throw new CommandRefusal(complaint.message, index);
  }
}

function runAll(
  steps: readonly Step[],
  view: EventView,
  variables: Variables,
): CloudEvent | TransformFailure {
  const work = new EventWork(view, (name) => variables.valueOf(name, view));
  let at = steps[0];
  try {
    for (const step of steps) {
      at = step;
      step.action(work satisfies Work);
    }
    return work.finish();
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const message = `${at?.name ?? ""}: ${error.message}`;
    return { path: at?.path ?? PATH, code: "command_failed", message };
  }
}
