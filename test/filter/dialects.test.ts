import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../src/filter/compile.ts";
import { dialects } from "../../src/filter/dialects.ts";
import { viewOf } from "../support/event-views.ts";

for (const dialect of dialects) {
  test(`the examples of the dialect ${dialect.name} are true`, () => {
    for (const { spec, event, passes } of dialect.examples) {
      const compilation = compileFilters([{ [dialect.name]: spec }]);
      assert(compilation.ok, JSON.stringify(compilation));
      assert.equal(compilation.filter.passes(viewOf(event)), passes, JSON.stringify(spec));
    }
  });

  test(`the dialect ${dialect.name} is described, with examples that pass and that do not`, () => {
    assert.match(dialect.summary, /^[A-Z].*\.$/);
    assert.match(dialect.config.doc, /^[A-Z].*\.$/);
    const verdicts = dialect.examples.map((example) => example.passes);
    assert(verdicts.includes(true) && verdicts.includes(false));
  });
}

test("each dialect has a name of its own", () => {
  const names = dialects.map((dialect) => dialect.name);
  assert.equal(new Set(names).size, names.length);
});
