/** The house rules, held over the real src/. The tables below are the house's plan. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { test } from "node:test";
import {
  commentViolations,
  cycleViolations,
  dependencyViolations,
  floorViolations,
  globalViolations,
  lengthViolations,
  lintViolations,
  testPlaceViolations,
  undeclaredViolations,
} from "./tidy/house-rules.ts";
import type { ForbiddenGlobal, House } from "./tidy/house-rules.ts";

const root = resolve(import.meta.dirname, "..");

const house: House = {
  floors: {
    kernel: 0,
    event: 1,
    expression: 1,
    api: 1,
    filter: 2,
    transform: 2,
    engine: 2,
    connector: 2,
    client: 2,
    delivery: 3,
    broker: 4,
    testing: 4,
    http: 5,
    cli: 6,
  },
  roof: ["index.ts", "main.ts"],
  doors: {
    kernel: "all",
    event: [
      "event-view.ts",
      "validate.ts",
      "json-format.ts",
      "http-binding.ts",
      "batch.ts",
      "stored-form.ts",
    ],
    expression: [
      "template.ts",
      "functions/commands.ts",
      "path.ts",
      "wildcard.ts",
      "cesql/cesql.ts",
    ],
    api: ["problems.ts", "routes.ts"],
    filter: ["compile.ts", "dialects.ts", "filter-index.ts"],
    transform: ["compile.ts", "transformer.ts"],
    engine: ["engines.ts", "record-facts.ts", "offline.ts"],
    connector: ["sink.ts", "source.ts", "sinks.ts", "sources.ts", "allowed-sinks.ts"],
    broker: ["config.ts"],
    http: ["server.ts"],
  },
  diet: {
    // Pure types, routes and problems: this folder runs in browsers.
    api: { imports: ["kernel/error-codes.ts"], packages: false },
    client: { imports: ["api", "event", "kernel"], packages: true },
  },
};

const clock = ["src/kernel/clock.ts"];
const forbiddenGlobals: readonly ForbiddenGlobal[] = [
  { name: "Date.now", pattern: /\bDate\.now\b/, allowedIn: clock },
  { name: "new Date()", pattern: /\bnew Date\(\s*\)/, allowedIn: clock },
  { name: "performance.now", pattern: /\bperformance\.now\b/, allowedIn: clock },
  {
    name: "setTimeout or setInterval",
    pattern: /(?:(?<![.\w$])|\bglobalThis\.)set(?:Timeout|Interval)\b/,
    allowedIn: clock,
  },
  { name: "Math.random", pattern: /\bMath\.random\b/, allowedIn: ["src/kernel/random.ts"] },
  { name: "process.env", pattern: /\bprocess\.env\b/, allowedIn: ["src/broker/config.ts"] },
  {
    name: "console",
    pattern: /(?:(?<![.\w$])|\bglobalThis\.)console\s*\./,
    allowedIn: ["src/kernel/logger.ts", "src/cli/output.ts"],
  },
];

/** Rules that need a parser are the linter's; here they are only held switched on. */
const lintRules: readonly string[] = [
  "max-lines-per-function",
  "max-params",
  "max-depth",
  "no-console",
  "no-restricted-globals",
  "no-restricted-properties",
  "import/no-cycle",
  "typescript/no-explicit-any",
  "typescript/no-non-null-assertion",
  "typescript/no-floating-promises",
  "typescript/consistent-type-imports",
  "typescript/switch-exhaustiveness-check",
];

function filesUnder(pattern: string): string[] {
  return globSync(pattern, { cwd: root }).toSorted();
}

function read(path: string): string {
  return readFileSync(resolve(root, path), "utf8");
}

const sources = new Map(filesUnder("src/**/*.ts").map((path) => [path, read(path)]));
const manifest = JSON.parse(read("package.json"));

test("every import goes through a door to a lower floor", () => {
  assert.deepEqual(floorViolations(sources, house), []);
});

test("no files import each other in a ring", () => {
  assert.deepEqual(cycleViolations(sources), []);
});

test("no source file is longer than 500 lines", () => {
  assert.deepEqual(lengthViolations(sources, 500), []);
});

test("comments hold no TODO without an issue, no switched-off check, no unexplained lint disable", () => {
  assert.deepEqual(commentViolations(sources), []);
});

test("clocks, randomness, environment and console appear only in their own files", () => {
  assert.deepEqual(globalViolations(sources, forbiddenGlobals), []);
});

test("every dependency is pinned and has a decision record", () => {
  const versions = {
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  };
  const decisionTexts = filesUnder("docs/decisions/*.md").map(read);
  assert.deepEqual(dependencyViolations({ versions, decisionTexts }), []);
});

test("the source imports only packages that the published package depends on", () => {
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
  assert.deepEqual(undeclaredViolations(sources, declared), []);
});

test("every test lies in a folder that mirrors the source", () => {
  const places = {
    testFiles: filesUnder("test/**/*.test.ts"),
    sourceFolders: new Set([...sources.keys()].map((path) => dirname(path))),
    ownFolders: ["bin", "crash", "end-to-end", "long", "scripts", "simulation", "tidy"],
  };
  assert.deepEqual(testPlaceViolations(places), []);
});

test("the linter holds the rules that need a parser", () => {
  assert.deepEqual(lintViolations(JSON.parse(read(".oxlintrc.json")), lintRules), []);
});
