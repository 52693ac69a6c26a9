import assert from "node:assert/strict";
import { test } from "node:test";
import { compileTransformer } from "../../src/transform/compile.ts";
import { transformerMembers } from "../../src/transform/members.ts";
import { completeEvent, rawMember, readDocExamples } from "../support/doc-examples.ts";
import { viewOf, viewOfText } from "../support/event-views.ts";

test("the examples of docs/reference/transformers.md come out letter for letter", () => {
  const examples = readDocExamples("transformers.md");
  assert(examples.length >= 5);
  for (const example of examples) {
    const compilation = compileTransformer(JSON.parse(rawMember(example, "transformer")));
    assert(compilation.ok, example.text);
    const result = compilation.transformer.transform(viewOfText(completeEvent(example)));
    assert(result.ok, example.text);
    const output = Buffer.from(result.event.data ?? []).toString();
    assert.equal(output, JSON.parse(rawMember(example, "output")), example.text);
  }
});

test("the examples of each member of a transformer come out letter for letter", () => {
  for (const { name, examples } of transformerMembers) {
    assert(examples.length > 0, name);
    for (const { transformer, event, output } of examples) {
      const compilation = compileTransformer(transformer);
      assert(compilation.ok, name);
      const result = compilation.transformer.transform(viewOf(event));
      assert(result.ok, name);
      assert.equal(Buffer.from(result.event.data ?? []).toString(), output, name);
    }
  }
});
