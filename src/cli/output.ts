import { styleText } from "node:util";
import { ClientError, UnreachableError } from "../client/client.ts";
import { BrokerError } from "../kernel/errors.ts";
import { adviceFor } from "./advice.ts";
import type { CommandResult, View } from "./command.ts";
import { UsageError } from "./command.ts";

/** The only place that writes to the terminal. */
export interface Output {
  print(text: string): void;
  notice(text: string): void;
  /** Bytes as they are; resolves when whoever reads has room for more. */
  write(bytes: Uint8Array): Promise<void>;
}

export const terminalOutput: Output = {
  print: (text) => void process.stdout.write(`${text}\n`),
  notice: (text) => void process.stderr.write(`${text}\n`),
  write: (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
    }),
};

export type OutputFormat = "table" | "json";

export function render(result: CommandResult, format: OutputFormat): string {
  if (format === "json" || result.view.as === "json") return JSON.stringify(result.data, null, 2);
  return renderView(result.view);
}

function renderView(view: Exclude<View, { as: "json" }>): string {
  switch (view.as) {
    case "text":
      return view.text;
    case "facts":
      return renderFacts(view.facts);
    case "table":
      return renderTable(view.columns, view.rows);
  }
}

function renderFacts(facts: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${bold(name.padEnd(width))}  ${value}`).join("\n");
}

function renderTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return [bold(line(columns)), ...rows.map(line)].join("\n");
}

/** Colours only where somebody looks: styleText knows NO_COLOR and pipes. */
function bold(text: string): string {
  return styleText("bold", text, { stream: process.stdout });
}

export interface Complaint {
  readonly text: string;
  readonly exitCode: number;
}

/** What went wrong and what to do, in lines for people. */
export function complain(thrown: unknown): Complaint {
  if (thrown instanceof UsageError) return { text: `error: ${thrown.message}`, exitCode: 2 };
  if (thrown instanceof UnreachableError) {
    const advice = "Start one with `npm start` or `millrace serve`, or say where it is with --url.";
    return { text: `error: ${thrown.message}\n  ${advice}`, exitCode: 1 };
  }
  if (thrown instanceof ClientError) {
    const { problem } = thrown;
    const advice = adviceFor(problem.code, problem.advice);
    return { text: complaint({ ...problem, advice, violations: problem.errors }), exitCode: 1 };
  }
  if (thrown instanceof BrokerError) {
    const { title, advice } = thrown.facts;
    const detail = thrown.message;
    return {
      text: complaint({ title, detail, advice, violations: thrown.violations }),
      exitCode: 1,
    };
  }
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return { text: `error: ${text}`, exitCode: 1 };
}

interface ComplaintParts {
  readonly title: string;
  readonly detail: string;
  readonly advice: string;
  readonly violations: readonly { readonly path: string; readonly message: string }[];
}

function complaint({ title, detail, advice, violations }: ComplaintParts): string {
  const lines = violations.map(
    ({ path, message }) => `  ${path === "" ? "" : `${path}: `}${message}`,
  );
  return [`error: ${title}`, ...(lines.length > 0 ? lines : [`  ${detail}`]), `  ${advice}`].join(
    "\n",
  );
}
