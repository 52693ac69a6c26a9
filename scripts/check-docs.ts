/**
 * The docs check: links, headings and fences of every Markdown file, and the two tables that must
 * agree with the source. Prints one line per fault; what does not exist yet is skipped and said.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { generatedPages } from "./generated-pages.ts";
import { errorCodeFaults, limitFaults, markdownFaults } from "./docs-rules.ts";
import type { MarkdownFile } from "./docs-rules.ts";

const root = resolve(import.meta.dirname, "..");
const notOurs = /(?:^|\/)(?:node_modules|dist|data|coverage|fixtures|vectors|\.git)(?:\/|$)/;

interface TableCheck {
  readonly page: string;
  readonly source: string;
  readonly exportName: string;
  readonly faultsOf: (exported: never, text: string) => string[];
}

const tableChecks: readonly TableCheck[] = [
  {
    page: "spec/limits.md",
    source: "src/kernel/limits.ts",
    exportName: "limits",
    faultsOf: limitFaults,
  },
  {
    page: "docs/reference/errors.md",
    source: "src/kernel/error-codes.ts",
    exportName: "errorCodes",
    faultsOf: errorCodeFaults,
  },
];

function generatedFaults(): string[] {
  return generatedPages.flatMap(([path, text]) => {
    const written = exists(path) ? readFileSync(resolve(root, path), "utf8") : undefined;
    const isFresh = written === text();
    return isFresh ? [] : [`${path} is not what its source says; run npm run docs:write`];
  });
}

function exists(path: string): boolean {
  return existsSync(resolve(root, path));
}

function readMarkdown(): MarkdownFile[] {
  return globSync("**/*.md", { cwd: root, exclude: (path) => notOurs.test(path) })
    .filter((path) => !notOurs.test(path))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(resolve(root, path), "utf8") }));
}

async function runTableCheck(check: TableCheck): Promise<string[]> {
  const missing = [check.page, check.source].filter((path) => !exists(path));
  if (missing.length > 0) {
    process.stdout.write(`skipped: ${missing.join(" and ")} not there yet\n`);
    return [];
  }
  const url = pathToFileURL(resolve(root, check.source)).href;
  const source = (await import(url)) as Record<string, unknown>;
  const exported = source[check.exportName];
  if (typeof exported !== "object" || exported === null) {
    return [`${check.source} does not export ${check.exportName}`];
  }
  const text = readFileSync(resolve(root, check.page), "utf8");
  return check.faultsOf(exported as never, text).map((fault) => `${check.page} ${fault}`);
}

const files = readMarkdown();
const faults = [
  ...markdownFaults(files, exists),
  ...(await Promise.all(tableChecks.map(runTableCheck))).flat(),
  ...generatedFaults(),
];
for (const fault of faults) process.stdout.write(`${fault}\n`);
process.stdout.write(`docs: ${files.length} files, ${faults.length} faults\n`);
if (faults.length > 0) process.exitCode = 1;
