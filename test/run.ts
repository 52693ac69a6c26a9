/**
 * The test command. `npm test` runs every test except those in test/long; arguments that begin
 * with a dash go to Node's runner, any other selects the files whose path contains it:
 *
 *   npm test -- http --test-name-pattern "slow body"
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const fileTimeoutMs = 120_000;
const longFileTimeoutMs = 3_600_000;
const concurrentFiles = 2;

interface TestCommand {
  readonly isLong: boolean;
  readonly flags: readonly string[];
  readonly filters: readonly string[];
}

/** Node accepts `--flag=value` and `--flag value`: in the second form the value is no file filter. */
const flagsWithValue: ReadonlySet<string> = new Set([
  "--test-name-pattern",
  "--test-skip-pattern",
  "--test-reporter",
  "--test-reporter-destination",
  "--test-timeout",
  "--test-concurrency",
  "--test-shard",
  "--test-coverage-include",
  "--test-coverage-exclude",
  "--import",
]);

function parseArguments(argv: readonly string[]): TestCommand {
  const flags: string[] = [];
  const filters: string[] = [];
  let isLong = false;
  let isValue = false;
  for (const argument of argv) {
    if (isValue || argument.startsWith("-")) {
      if (argument === "--long" && !isValue) isLong = true;
      else flags.push(argument);
      isValue = !isValue && flagsWithValue.has(argument);
    } else {
      filters.push(argument);
    }
  }
  return { isLong, flags, filters };
}

function selectFiles(command: TestCommand): string[] {
  const all = globSync("test/**/*.test.ts", { cwd: root }).toSorted();
  const wanted = command.filters.map((filter) =>
    filter.startsWith("/") ? relative(root, filter) : filter.replace(/^\.\//, ""),
  );
  return all
    .filter((file) => file.startsWith("test/long/") === command.isLong)
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
}

function runTests(command: TestCommand): void {
  const files = selectFiles(command);
  if (files.length === 0) {
    const selection = command.filters.join(", ") || (command.isLong ? "test/long" : "test");
    process.stderr.write(`no test file matches: ${selection}\n`);
    // An empty selection that looks green would hide a mistyped filter.
    process.exitCode = 1;
    return;
  }
  const timeoutMs = command.isLong ? longFileTimeoutMs : fileTimeoutMs;
  const fileTimeout = new URL("file-timeout.ts", import.meta.url).href;
  // Of a flag given twice the last one wins: the defaults come first.
  const runner = spawn(
    process.execPath,
    [
      "--test",
      `--test-concurrency=${concurrentFiles}`,
      `--test-timeout=${timeoutMs}`,
      `--import=${fileTimeout}`,
      ...command.flags,
      ...files,
    ],
    {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, TEST_FILE_TIMEOUT_MS: String(timeoutMs) },
    },
  );
  const stop = (signal: NodeJS.Signals) => runner.kill(signal);
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  runner.once("error", (error) => {
    process.stderr.write(`cannot start the test runner: ${error.message}\n`);
    process.exitCode = 1;
  });
  runner.once("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}

runTests(parseArguments(process.argv.slice(2)));
