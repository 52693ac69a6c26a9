import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../src/filter/compile.ts";
import { viewOfText } from "../support/event-views.ts";
import type { KnownDifference } from "../support/vectors.ts";
import { assertDifferences, readVectors } from "../support/vectors.ts";

const keys = "A key of a map is an attribute name, or data, or a path; other keys 400.";
const plain = 'Paths in filters are plain (names, [n], ["anything else"]; other keys 400).';
const jsonText = "A scalar compares by its JSON text (1000000.5, true).";
const vanusCel = "Vanus's $key.(string) notation is not CEL and is refused.";
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
  { name: "cel-pass", because: vanusCel, here: "refused" },
  { name: "cel-valid-creates", because: vanusCel, here: "refused" },
  { name: "cel-string-eq", because: vanusCel, here: "refused" },
  { name: "cel-double-ge", because: vanusCel, here: "refused" },
  { name: "cel-int64-ge", because: vanusCel, here: "refused" },
  { name: "cel-uint64-ge", because: vanusCel, here: "refused" },
];

const vectors = readVectors("filters.json");

test("the filter vectors come out as observed, but for the counted differences", () => {
  const differing = vectors.filter(({ event, facts }) => {
    const compilation = compileFilters(facts.filter);
    if (facts.expect.create !== "ok") return compilation.ok;
    if (!compilation.ok) return true;
    return compilation.filter.passes(viewOfText(event)) !== facts.expect.match;
  });
  assertDifferences(
    differing.map((vector) => vector.name),
    known,
  );
  assert.equal(known.length, 19);
  assert.equal(vectors.length, 82);
});

test("a filter in Vanus's notation is refused with the CEL that means the same", () => {
  const filters = [{ cel: "$key.(string) == 'value' && $num.(uint64) == 10u" }];
  const compilation = compileFilters(filters);
  assert(!compilation.ok);
  assert.deepEqual(compilation.violations, [
    {
      path: "filters[0].cel",
      code: "invalid_expression",
      message:
        "line 1, column 1: $key.(string) is Vanus's notation and not CEL; write event.data.key",
    },
  ]);
  const translated = [{ cel: "event.data.key == 'value' && event.data.num == 10u" }];
  const vector = vectors.find(({ name }) => name === "cel-pass");
  const written = compileFilters(translated);
  assert(written.ok && vector !== undefined);
  assert(written.filter.passes(viewOfText(vector.event)));
});
