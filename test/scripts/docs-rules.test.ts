import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCodeFaults, limitFaults, markdownFaults } from "../../scripts/docs-rules.ts";

function faultsOf(text: string): string[] {
  const files = [
    { path: "docs/a.md", text },
    {
      path: "docs/b.md",
      text: "# B\n\n## A `code` heading, twice\n\n## A `code` heading, twice\n",
    },
  ];
  const existing = new Set(["docs", "docs/a.md", "docs/b.md", "README.md", "docs/odd name.md"]);
  return markdownFaults(files, (path) => existing.has(path));
}

const cases: readonly { readonly text: string; readonly fault?: RegExp }[] = [
  { text: "# A\n[b](b.md) [up](../README.md) [self](#a) [web](https://example.com/x#y)" },
  { text: "# A\n[odd](odd%20name.md) [folder](../docs/) ![image](b.md)" },
  { text: "# A\n[b](b.md#a-code-heading-twice-1)" },
  { text: "# A\n`[not a link](nowhere.md)`\n```\n[nor](this.md)\n# Nor a heading\n```" },
  { text: "# A\n````md\n```\n````" },
  { text: "# A\n[b](lost.md)", fault: /^docs\/a\.md:2 links to lost\.md, which does not exist$/ },
  { text: "# A\n[b]: lost.md", fault: /links to lost\.md/ },
  { text: "# A\n[b](b.md#nowhere)", fault: /docs\/b\.md has no such heading/ },
  { text: "# A\n[b](../../other/x.md)", fault: /outside the project/ },
  { text: "no title", fault: /0 first-level headings/ },
  { text: "# A\n# B", fault: /2 first-level headings/ },
  { text: "# A\n```sh\nls", fault: /^docs\/a\.md:2 opens a code fence/ },
];

for (const { text, fault } of cases) {
  test(`the document ${JSON.stringify(text)} is ${fault === undefined ? "sound" : "refused"}`, () => {
    const found = faultsOf(text);
    assert.equal(found.length, fault === undefined ? 0 : 1, found.join("; "));
    if (fault !== undefined) assert.match(found[0] ?? "", fault);
  });
}

test("limits may be written with units and grouped digits", () => {
  const text =
    "| name | value |\n|---|---|\n| `a` | 1 MiB |\n| `b` | 20 000 |\n| `c` | 10 s | x |\n";
  assert.deepEqual(limitFaults({ a: 1_048_576, b: 20_000, c: 10_000 }, text), []);
});

test("a limit that is missing, unknown or different is a fault", () => {
  const text = "| `same` | 1 |\n| `other` | 2 |\n| `stranger` | 3 |\n";
  assert.deepEqual(limitFaults({ same: 1, other: 20, lost: 4 }, text), [
    "lists stranger, which is no limit of src/kernel/limits.ts",
    "says 2 for other, which is 20",
    "has no row for lost",
  ]);
});

test("an error code that is missing, unknown or has another status is a fault", () => {
  const text = "| `known` | 404 | … |\n| `other` | 400 |\n| `stranger` | 400 |\n";
  const codes = { known: { status: 404 }, other: { status: 409 }, lost: { status: 500 } };
  assert.deepEqual(errorCodeFaults(codes, text), [
    "lists stranger, which is no code of src/kernel/error-codes.ts",
    "says 400 for other, whose status is 409",
    "has no row for lost",
  ]);
});
