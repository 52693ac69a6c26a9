import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../src/filter/compile.ts";
import { completeEvent, rawMember, readDocExamples } from "../support/doc-examples.ts";
import { viewOfText } from "../support/event-views.ts";

test("the examples of docs/reference/filters.md are true", () => {
  const examples = readDocExamples("filters.md");
  assert(examples.length >= 5);
  for (const example of examples) {
    const compilation = compileFilters(JSON.parse(rawMember(example, "filters")));
    assert(compilation.ok, example.text);
    const passes = compilation.filter.passes(viewOfText(completeEvent(example)));
    assert.equal(String(passes), rawMember(example, "passes"), example.text);
  }
});
