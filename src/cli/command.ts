import type { MillraceClient } from "../client/client.ts";
import type { ServeHooks } from "./serve.ts";

/** What a command prints: data for programs, and how people see the same. */
export interface CommandResult {
  /** Printed as it is with --output json. */
  readonly data: unknown;
  /** Printed otherwise. */
  readonly view: View;
  /** Exit status; 0 unless the command found what it was asked to look for. */
  readonly exitCode?: number;
}

export type View =
  | {
      readonly as: "table";
      readonly columns: readonly string[];
      readonly rows: readonly string[][];
    }
  /** Name and value, one a line. */
  | { readonly as: "facts"; readonly facts: readonly (readonly [string, string])[] }
  | { readonly as: "text"; readonly text: string }
  | { readonly as: "json" };

export interface CommandContext {
  readonly client: MillraceClient;
  readonly serve: ServeHooks;
  /** A value given as text, as `@file`, or as `@-` for standard input. */
  readText(value: string): Promise<string>;
  /** Progress and notices for people; goes to standard error. */
  notice(text: string): void;
  /** Bytes for standard output, for commands whose result is a stream. */
  write(bytes: Uint8Array): Promise<void>;
  /** The bytes of a file, or of standard input for `-`. */
  readBytes(path: string): AsyncIterable<Uint8Array>;
}

export interface Flag {
  /** As commander writes it: `--filters <json>`. */
  readonly flag: string;
  readonly summary: string;
  readonly required?: boolean;
  readonly default?: string;
  /** May be given more than once; the value is then a list. */
  readonly repeats?: boolean;
}

export interface Argument {
  /** As commander writes it: `<bus>` or `[offset]`. */
  readonly argument: string;
  readonly summary: string;
}

export type FlagValue = string | boolean | readonly string[] | undefined;
export type FlagValues = Readonly<Record<string, FlagValue>>;

/** One command: `millrace <noun> <verb>`, or `millrace <verb>` where there is no noun. */
export interface Command {
  readonly noun?: string;
  readonly verb: string;
  readonly summary: string;
  readonly arguments?: readonly Argument[];
  readonly flags?: readonly Flag[];
  readonly examples: readonly string[];
  /** It works on files and talks to no broker. */
  readonly isOffline?: true;
  /** It is a broker itself: it talks to none, and prints for itself. */
  readonly startsBroker?: true;
  /** Returns what to print; undefined when the command has printed for itself, as `serve` does. */
  run(
    context: CommandContext,
    args: readonly string[],
    flags: FlagValues,
  ): Promise<CommandResult | undefined>;
}

/** The command was called wrongly: exit status 2, and the message says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export function textFlag(flags: FlagValues, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

export function listFlag(flags: FlagValues, name: string): readonly string[] {
  const value = flags[name];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

export function integerFlag(flags: FlagValues, name: string): number | undefined {
  const text = textFlag(flags, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new UsageError(`--${dashed(name)} takes a whole number, not '${text}'`);
  }
  return Number(text);
}

/** The value of a flag that holds JSON, given as text or as `@file`. */
export async function jsonFlag(
  context: CommandContext,
  flags: FlagValues,
  name: string,
): Promise<unknown> {
  const value = textFlag(flags, name);
  if (value === undefined) return undefined;
  const text = await context.readText(value);
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new UsageError(
      `--${dashed(name)} takes JSON, as text or as @file: ${reason}. In a shell, put single quotes around it.`,
    );
  }
}

function dashed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
