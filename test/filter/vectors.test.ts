import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../src/filter/compile.ts";
import { viewOfText } from "../support/event-views.ts";
import type { KnownDifference } from "../support/vectors.ts";
import { assertDifferences, readVectors } from "../support/vectors.ts";

const keys = "A key of a map is an attribute name, or data, or a path; other keys 400.";
const plain = 'Paths in filters are plain (names, [n], ["anything else"]; other keys 400).';
const jsonText = "A scalar compares by its JSON text (1000000.5, true).";
const asWritten = "time compares as the producer wrote it.";

const known: readonly KnownDifference[] = [
  { name: "list-is-implicit-and", because: "Empty filter objects: 400.", here: "refused" },
  { name: "attribute-name-case-sensitive", because: keys, here: "refused" },
  { name: "float-plain-decimal-does-not-match", because: jsonText, here: "matches" },
  { name: "array-wildcard-many-never-matches", because: plain, here: "refused" },
  { name: "array-wildcard-single-result-matches", because: plain, here: "refused" },
  { name: "time-compared-without-fraction", because: asWritten, here: "no match" },
  { name: "time-with-fraction-does-not-match", because: asWritten, here: "matches" },
  {
    name: "missing-time-equals-year-one",
    because: "Optional attributes that are absent are missing.",
    here: "no match",
  },
  {
    name: "dash-in-data-key-unreachable",
    because: "Names are [A-Za-z_][A-Za-z0-9_-]*.",
    here: "matches",
  },
  { name: "dash-in-data-key-bracket", because: plain, here: "refused" },
  { name: "invalid-path-under-not-matches", because: plain, here: "refused" },
  { name: "not-of-empty-is-ignored", because: "Empty filter objects: 400.", here: "refused" },
  { name: "unknown-dialect-key-is-ignored", because: "Unknown dialects: 400.", here: "refused" },
];

const LATER = /"(?:sql|pattern|cel)":/;
const vectors = readVectors("filters.json");
const present = vectors.filter((vector) => !LATER.test(JSON.stringify(vector.facts.filter)));
const later = vectors.filter((vector) => !present.includes(vector));

test("the filter vectors come out as observed, but for the counted differences", () => {
  const differing = present.filter(({ event, facts }) => {
    const compilation = compileFilters(facts.filter);
    if (facts.expect.create !== "ok") return compilation.ok;
    if (!compilation.ok) return true;
    return compilation.filter.passes(viewOfText(event)) !== facts.expect.match;
  });
  assertDifferences(
    differing.map((vector) => vector.name),
    known,
  );
  assert.equal(known.length, 13);
  assert.equal(present.length, 68);
});

test("vectors of dialects that a later version brings are refused as not supported yet", () => {
  assert.equal(later.length, 14);
  for (const { name, facts } of later) {
    const compilation = compileFilters(facts.filter);
    assert(!compilation.ok, name);
    const codes = compilation.violations.map((violation) => violation.code);
    const hasTwoDialects = name.startsWith("two-dialects");
    assert.deepEqual(codes, [hasTwoDialects ? "invalid_filter" : "not_supported_yet"], name);
  }
});
