import assert from "node:assert/strict";
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
} from "./house-rules.ts";
import type { House } from "./house-rules.ts";

const house: House = {
  floors: { ground: 0, left: 1, right: 1, thin: 1, top: 2 },
  roof: ["index.ts", "main.ts"],
  doors: { ground: "all", left: ["side-door.ts"] },
  diet: { thin: { imports: ["ground/codes.ts"], packages: false } },
};

function files(entries: Record<string, string>): Map<string, string> {
  return new Map(Object.entries(entries));
}

const importCases: readonly {
  readonly name: string;
  readonly path: string;
  readonly text: string;
  readonly fault?: RegExp;
}[] = [
  {
    name: "down to a kernel-like folder without a door",
    path: "src/left/left.ts",
    text: 'import { a } from "../ground/deep/a.ts";',
  },
  {
    name: "down through the folder's own door",
    path: "src/top/top.ts",
    text: 'import { a } from "../left/left.ts";',
  },
  {
    name: "down through a listed door",
    path: "src/top/top.ts",
    text: 'import { a } from "../left/side-door.ts";',
  },
  {
    name: "anything within the own folder",
    path: "src/left/left.ts",
    text: 'import { a } from "./deep/a.ts";',
  },
  {
    name: "down past the door",
    path: "src/top/top.ts",
    text: 'import { a } from "../left/secret.ts";',
    fault: /secret\.ts, which is no door of left/,
  },
  {
    name: "down past the door, into a file with a door's name in a subfolder",
    path: "src/top/top.ts",
    text: 'import { a } from "../left/deep/side-door.ts";',
    fault: /no door of left/,
  },
  {
    name: "sideways",
    path: "src/left/left.ts",
    text: 'import { a } from "../right/right.ts";',
    fault: /sideways on floor 1/,
  },
  {
    name: "up",
    path: "src/ground/a.ts",
    text: 'import { a } from "../top/top.ts";',
    fault: /up, from floor 0 to 2/,
  },
  {
    name: "up by a type import over several lines",
    path: "src/ground/a.ts",
    text: 'import type {\n  A,\n  B,\n} from "../top/top.ts";',
    fault: /^src\/ground\/a\.ts:4 .*up/,
  },
  {
    name: "up by a re-export",
    path: "src/ground/a.ts",
    text: 'export * from "../top/top.ts";',
    fault: /up/,
  },
  {
    name: "up by an import for its effects",
    path: "src/ground/a.ts",
    text: 'import "../top/top.ts";',
    fault: /up/,
  },
  {
    name: "up by a lazy import",
    path: "src/ground/a.ts",
    text: 'const lazy = () => import("../top/top.ts");',
    fault: /up/,
  },
  {
    name: "from a floor to the roof",
    path: "src/top/top.ts",
    text: 'import { a } from "../index.ts";',
    fault: /up, from floor 2 to 3/,
  },
  {
    name: "from main to index",
    path: "src/main.ts",
    text: 'import { a } from "./index.ts";',
  },
  {
    name: "from index to main",
    path: "src/index.ts",
    text: 'import { a } from "./main.ts";',
    fault: /up/,
  },
  {
    name: "an import that leaves src",
    path: "src/top/top.ts",
    text: 'import { a } from "../../test/helper.ts";',
    fault: /outside src/,
  },
  {
    name: "a diet that allows the file",
    path: "src/thin/thin.ts",
    text: 'import { a } from "../ground/codes.ts";',
  },
  {
    name: "a diet that does not allow the file",
    path: "src/thin/thin.ts",
    text: 'import { a } from "../ground/other.ts";',
    fault: /thin may import only ground\/codes\.ts/,
  },
  {
    name: "a diet that allows no packages",
    path: "src/thin/thin.ts",
    text: 'import { a } from "node:fs";',
    fault: /thin may not import packages/,
  },
  {
    name: "a folder that is not in the plan",
    path: "src/attic/attic.ts",
    text: "export {};",
    fault: /in no folder of the house/,
  },
  {
    name: "an import within a comment",
    path: "src/ground/a.ts",
    text: '/*\nimport { a } from "../top/top.ts";\n*/\n// import "../top/top.ts";',
  },
];

for (const { name, path, text, fault } of importCases) {
  test(`imports: ${name} is ${fault === undefined ? "allowed" : "a violation"}`, () => {
    const found = floorViolations(files({ [path]: text }), house);
    if (fault === undefined) {
      assert.deepEqual(found, []);
    } else {
      assert.equal(found.length, 1);
      assert.match(found[0] ?? "", fault);
    }
  });
}

test("a ring of imports is found, type imports included, and named in order", () => {
  const ring = files({
    "src/left/a.ts": 'import { b } from "./b.ts";',
    "src/left/b.ts": 'import type { C } from "./c.ts";',
    "src/left/c.ts": 'export { a } from "./a.ts";',
    "src/left/d.ts": 'import { a } from "./a.ts";',
  });
  assert.deepEqual(cycleViolations(ring), [
    "cycle: src/left/a.ts → src/left/b.ts → src/left/c.ts → src/left/a.ts",
  ]);
});

test("two ways to the same file are no ring", () => {
  const diamond = files({
    "src/left/a.ts": 'import "./b.ts";\nimport "./c.ts";',
    "src/left/b.ts": 'import "./d.ts";',
    "src/left/c.ts": 'import "./d.ts";',
    "src/left/d.ts": "export {};",
  });
  assert.deepEqual(cycleViolations(diamond), []);
});

test("a file over the limit is a violation unless it is generated", () => {
  const lines = "x;\n".repeat(4);
  const long = files({
    "src/left/a.ts": lines,
    "src/left/b.ts": `/** @generated */\n${lines}`,
    "src/left/c.ts": "x;\n",
  });
  assert.deepEqual(lengthViolations(long, 3), ["src/left/a.ts has 4 lines (3 at most)"]);
});

const commentCases: readonly { readonly text: string; readonly isFault: boolean }[] = [
  { text: "// TODO: later", isFault: true },
  { text: "/* FIXME */", isFault: true },
  { text: "// TODO (#12): later", isFault: false },
  { text: "// TODO #12 later", isFault: false },
  { text: 'const text = "// TODO: a string";', isFault: false },
  { text: "// @ts-ignore", isFault: true },
  { text: "/* @ts-expect-error because */", isFault: true },
  { text: "// oxlint-disable-next-line no-eval", isFault: true },
  { text: "// oxlint-disable-next-line no-eval -- The text is our own.", isFault: false },
  { text: "const a = `${b /* TODO */}`;", isFault: true },
  { text: "const a = `/* TODO */`;", isFault: false },
  { text: "const a = /\\/\\/ TODO/;", isFault: false },
];

for (const { text, isFault } of commentCases) {
  test(`comments: ${text} is ${isFault ? "a violation" : "allowed"}`, () => {
    const found = commentViolations(files({ "src/left/a.ts": text }));
    assert.equal(found.length, isFault ? 1 : 0, found.join());
  });
}

test("a forbidden global is found in code and in template holes, and nowhere else", () => {
  const forbidden = [
    { name: "Date.now", pattern: /\bDate\.now\b/, allowedIn: ["src/ground/clock.ts"] },
  ];
  const found = globalViolations(
    files({
      "src/ground/clock.ts": "Date.now();",
      "src/left/a.ts": "\nDate.now();",
      "src/left/b.ts": "const a = `at ${Date.now()}`;",
      "src/left/c.ts": '// Date.now()\nconst a = "Date.now()" + `Date.now()`;',
    }),
    forbidden,
  );
  assert.deepEqual(found, [
    "src/left/a.ts:2 uses Date.now (only in src/ground/clock.ts)",
    "src/left/b.ts:1 uses Date.now (only in src/ground/clock.ts)",
  ]);
});

test("a version range and a dependency without a record are violations", () => {
  const found = dependencyViolations({
    versions: { kept: "1.2.3", loose: "^1.2.3", "@scope/unknown": "1.0.0-rc.1" },
    decisionTexts: ["We use `kept` and `loose`."],
  });
  assert.deepEqual(found, [
    "loose is not pinned to one version: ^1.2.3",
    "@scope/unknown has no record in docs/decisions that names it in backticks",
  ]);
});

test("an import of a package that is not declared is a violation", () => {
  const found = undeclaredViolations(
    files({
      "src/left/a.ts":
        'import a from "kept";\nimport b from "kept/deep";\nimport c from "node:fs";\nimport d from "@scope/lost/deep";',
    }),
    ["kept"],
  );
  assert.deepEqual(found, ["src/left/a.ts:4 imports undeclared @scope/lost/deep"]);
});

test("a test in a folder that mirrors nothing is a violation", () => {
  const found = testPlaceViolations({
    testFiles: ["test/a.test.ts", "test/left/a.test.ts", "test/long/a.test.ts", "test/x/a.test.ts"],
    sourceFolders: new Set(["src/left"]),
    ownFolders: ["long"],
  });
  assert.deepEqual(found, ["test/x/a.test.ts mirrors no folder: src/x has no files"]);
});

test("a lint rule that is missing, weaker or switched off for the source is a violation", () => {
  const config = {
    rules: { root: "error", weak: "warn", overridden: "error" },
    overrides: [{ files: ["src/**"], rules: { source: ["error", {}], overridden: "off" } }],
  };
  assert.deepEqual(lintViolations(config, ["root", "source", "weak", "overridden", "missing"]), [
    "lint rule weak is not an error for src/",
    "lint rule overridden is not an error for src/",
    "lint rule missing is not an error for src/",
  ]);
});

test("an empty house is tidy", () => {
  const none = files({});
  assert.deepEqual(floorViolations(none, house), []);
  assert.deepEqual(cycleViolations(none), []);
});
