import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { text as readStream } from "node:stream/consumers";
import { Command as Program, CommanderError, InvalidArgumentError, Option } from "commander";
import { MillraceClient } from "../client/client.ts";
import { stayAlive } from "../kernel/clock.ts";
import { fileFailure } from "../kernel/errors.ts";
import type { Command, CommandContext, Flag, FlagValues } from "./command.ts";
import { UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import type { Output, OutputFormat } from "./output.ts";
import { complain, render, terminalOutput } from "./output.ts";
import type { ServeHooks } from "./serve.ts";

export interface CliOptions {
  /** Without node and script: `["bus", "list"]`. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly serve: ServeHooks;
  readonly output?: Output;
}

/** Runs one command and returns the exit status. Never throws, never exits. */
export async function runCli(options: CliOptions): Promise<number> {
  const output = options.output ?? terminalOutput;
  const status = { exitCode: 0 };
  const program = buildProgram(options, output, status);
  // Between two requests of a command that follows something, nothing else keeps the process.
  const life = stayAlive();
  try {
    await program.parseAsync(options.argv, { from: "user" });
    return status.exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
    const { text, exitCode } = complain(thrown);
    output.notice(text);
    return exitCode;
  } finally {
    life.dispose();
  }
}

/** What the command that ran has to say about how the process ends. */
interface Status {
  exitCode: number;
}

function buildProgram(options: CliOptions, output: Output, status: Status): Program {
  const program = new Program("millrace")
    .description("An event broker: CloudEvents in, durable log, filters, transformers, HTTP push.")
    .version(options.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.print(text.trimEnd()),
      writeErr: (text) => output.notice(text.trimEnd()),
    })
    .showHelpAfterError("(--help lists what there is)")
    .showSuggestionAfterError();
  const nouns = new Map<string, Program>();
  for (const command of commands) {
    const parent = command.noun === undefined ? program : nounOf(program, nouns, command.noun);
    addCommand(parent, command, { options, output, status });
  }
  return program;
}

function nounOf(program: Program, nouns: Map<string, Program>, noun: string): Program {
  const existing = nouns.get(noun);
  if (existing) return existing;
  const verbs = commands.filter((command) => command.noun === noun).map(({ verb }) => verb);
  const created = program
    .command(noun)
    .description(`${verbs.join(", ")} — see ${noun} <verb> --help`);
  nouns.set(noun, created);
  return created;
}

interface Surroundings {
  readonly options: CliOptions;
  readonly output: Output;
  readonly status: Status;
}

function addCommand(
  parent: Program,
  command: Command,
  { options, output, status }: Surroundings,
): void {
  const built = parent.command(command.verb).description(command.summary);
  for (const { argument, summary } of command.arguments ?? []) built.argument(argument, summary);
  for (const flag of command.flags ?? []) built.addOption(optionOf(flag));
  if (!command.startsBroker && !command.isOffline) addClientFlags(built);
  if (!command.startsBroker) addOutputFlag(built);
  built.addHelpText(
    "after",
    `\nExamples:\n${command.examples.map((line) => `  ${line}`).join("\n")}`,
  );
  built.action(async (...received: unknown[]) => {
    // Commander passes the arguments in order, then the options, then the command itself.
    const args = received
      .slice(0, -2)
      .flat()
      .filter((value) => typeof value === "string");
    const flags = built.opts<Record<string, string | undefined>>();
    const context = contextOf(options, output, flags);
    const result = await command.run(context, args, flags as FlagValues);
    status.exitCode = result?.exitCode ?? 0;
    if (result) output.print(render(result, (flags["output"] ?? "table") as OutputFormat));
  });
}

function addClientFlags(built: Program): void {
  built
    .option("--url <url>", "where the broker is (MILLRACE_URL, else http://127.0.0.1:8080)")
    .option("--token <token>", "the broker's token (MILLRACE_TOKEN)");
}

function addOutputFlag(built: Program): void {
  built.addOption(
    new Option("--output <format>", "for people or for programs")
      .choices(["table", "json"])
      .default("table"),
  );
}

function optionOf(flag: Flag): Option {
  const option = new Option(flag.flag, flag.summary);
  if (flag.required) option.makeOptionMandatory();
  if (flag.default !== undefined) option.default(flag.default);
  if (flag.repeats) {
    option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  } else if (flag.flag.includes("<")) {
    option.argParser((value: string, before: string | undefined) => once(flag, value, before));
  }
  return option;
}

/** A flag given twice is a slip; taking the last in silence would hide it. */
function once(flag: Flag, value: string, before: string | undefined): string {
  if (before !== undefined && before !== flag.default) {
    throw new InvalidArgumentError("It was given twice.");
  }
  return value;
}

function contextOf(
  options: CliOptions,
  output: Output,
  flags: Readonly<Record<string, string | undefined>>,
): CommandContext {
  const url = flags["url"] ?? options.env["MILLRACE_URL"] ?? "http://127.0.0.1:8080";
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`--url takes an address like http://127.0.0.1:8080, not '${url}'`);
  }
  const token = flags["token"] ?? options.env["MILLRACE_TOKEN"];
  return {
    client: new MillraceClient({ url, token }),
    serve: options.serve,
    notice: (text) => output.notice(text),
    readText,
    write: (bytes) => output.write(bytes),
    readBytes,
  };
}

async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  const stream = path === "-" ? process.stdin : createReadStream(path);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new UsageError(`cannot read the file '${path}': ${reason}`, { cause: thrown });
  }
}

async function readText(value: string): Promise<string> {
  if (!value.startsWith("@")) return value;
  const path = value.slice(1);
  if (path === "-") return readStream(process.stdin);
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    const reason = fileFailure(thrown);
    throw new UsageError(`cannot read the file '${path}': ${reason}`, { cause: thrown });
  }
}
