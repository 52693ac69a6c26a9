import assert from "node:assert/strict";
import { test } from "node:test";
import { compileTransformer } from "../../src/transform/compile.ts";
import { completeEvent, rawMember, readDocExamples } from "../support/doc-examples.ts";
import { viewOfText } from "../support/event-views.ts";

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
