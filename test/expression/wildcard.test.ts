import assert from "node:assert/strict";
import { test } from "node:test";
import type { WildcardPart } from "../../src/expression/wildcard.ts";
import { compileFinder, compileWildcard, one, run } from "../../src/expression/wildcard.ts";

const cases: readonly [parts: readonly WildcardPart[], text: string, matches: boolean][] = [
  [["abc"], "abc", true],
  [["abc"], "abcd", false],
  [[], "", true],
  [[run], "", true],
  [["a", run], "a", true],
  [["ab", run, "ba"], "aba", false],
  [["ab", run, "ba"], "abba", true],
  [[run, "b", run], "abc", true],
  [[run, "aab", run, "ab"], "aaabab", true],
  [[one], "🦊", true],
  [[one, one], "🦊", false],
  [[one, run, one], "🦊", false],
  [["a", one, "c"], "a🦊c", true],
  [[run, one, "z"], "z", false],
  [["x".repeat(40), one, run, "y"], `${"x".repeat(41)}..y`, true],
  [["x".repeat(31), one], "x".repeat(32), true],
  [["x".repeat(31), one], "x".repeat(33), false],
];

test("runs, single characters and literals match by code points, over the whole text", () => {
  for (const [parts, text, matches] of cases) {
    const shown = `${parts.map((part) => (typeof part === "string" ? part : "?")).join("")} ${text}`;
    assert.equal(compileWildcard(parts).matches(text), matches, shown);
  }
});

test("a wildcard can be used again after a match and after none", () => {
  const wildcard = compileWildcard([run, "a", one, "b", run]);
  assert(wildcard.matches("xaybz"));
  assert(!wildcard.matches("xaz"));
  assert(wildcard.matches("a-b"));
});

test("texts made to be slow take linear time (P7)", () => {
  const text = "a".repeat(1_000_000);
  const half = "a".repeat(30_000);
  const hostile: readonly (readonly WildcardPart[])[] = [
    [run, `b${half}`, run],
    [run, `${half}b${half}`, run],
    [run, half, "b"],
    [...Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? run : "a")), "b"],
    [...Array.from({ length: 400 }, (_, index) => (index % 2 === 0 ? run : one)), "b"],
  ];
  for (const parts of hostile) {
    const wildcard = compileWildcard(parts);
    const startMs = performance.now();
    assert.equal(wildcard.matches(text), false);
    // Backtracking and the platform's indexOf take minutes here; a slow machine takes a second.
    assert(performance.now() - startMs < 10_000);
    assert(wildcard.stepsPerCharacter <= 32);
  }
});

test("a text is found within bounds and answered by where it stops", () => {
  const find = compileFinder("aab");
  assert.equal(find("aaab", 0, 4), 4);
  assert.equal(find("aaab", 0, 3), -1);
  assert.equal(find("aabaab", 1, 6), 6);
  assert.equal(compileFinder("")("abc", 2, 3), 2);
});
