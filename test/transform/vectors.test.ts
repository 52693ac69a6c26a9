import assert from "node:assert/strict";
import { test } from "node:test";
import { compileTransformer } from "../../src/transform/compile.ts";
import { viewOfText } from "../support/event-views.ts";
import type { KnownDifference, Vector } from "../support/vectors.ts";
import { assertDifferences, readVectors } from "../support/vectors.ts";

const undefinedNames = "Undefined names are refused in both forms.";
const textPlain = "With a template the data is replaced: application/json or text/plain.";

const notJson = "Data that is not JSON: $.data is its text, $.data.x missing.";
const exactNumbers = "Numbers keep their exact text.";
const constants = "What is no path is a constant; strings are never re-interpreted.";

const known: readonly KnownDifference[] = [
  { name: "v0.4-string-undefined", because: undefinedNames, here: "refused" },
  { name: "v0.4-value-undefined", because: undefinedNames, here: "refused" },
  { name: "v0.4-text-undefined", because: undefinedNames, here: "refused" },
  { name: "v0.4-text-missing", because: textPlain, here: "text/plain" },
  { name: "v0.4-text-string", because: textPlain, here: "text/plain" },
  { name: "v0.4-text-number", because: textPlain, here: "text/plain" },
];

const vectors = readVectors("templates.json");
const dollar = vectors.filter((vector) => vector.facts.vanus === "<=0.4");
const angle = vectors.filter((vector) => vector.facts.vanus === ">=0.9");

interface Outcome {
  readonly data: string | undefined;
  readonly contentType: string | undefined;
}

function run(event: string, transformer: unknown): Outcome | undefined {
  const compilation = compileTransformer(transformer);
  if (!compilation.ok) return undefined;
  const result = compilation.transformer.transform(viewOfText(event));
  if (!result.ok) return undefined;
  const { data, datacontenttype } = result.event;
  return {
    data: data === undefined ? undefined : Buffer.from(data).toString(),
    contentType: datacontenttype,
  };
}

test("the ${} vectors come out letter for letter, but for the counted differences", () => {
  const differing = dollar.filter(({ event, facts }) => {
    const { data, datacontenttype } = facts.expect;
    const outcome = run(event, facts.transformer);
    return outcome?.data !== data || outcome?.contentType !== datacontenttype;
  });
  assertDifferences(
    differing.map((vector) => vector.name),
    known,
  );
  assert.equal(known.length, 6);
  assert.equal(dollar.length, 15);
});

/** Differences of what both syntaxes share, seen by writing the placeholders of angle vectors in braces. */
const knownRewritten: readonly KnownDifference[] = [
  {
    name: "auto-type-leading-space-is-text",
    because: 'A string whose first non-blank byte is {, [ or " is JSON text.',
    here: "JSON, with the quote of the value escaped",
  },
  { name: "big-number-by-path", because: exactNumbers, here: "1668498285 1000000" },
  { name: "big-number-by-path-json", because: exactNumbers, here: "1668498285" },
  { name: "comma-lost-after-bracket", because: "Noted as a bug.", here: "[,y" },
  { name: "comma-lost-after-comma-value", because: "Noted as a bug.", here: "x,,y" },
  { name: "comma-lost-before-brace", because: "Noted as a bug.", here: "x,}" },
  { name: "comma-lost-when-value-missing", because: "Noted as a bug.", here: "[, B]" },
  { name: "define-cannot-use-define", because: constants, here: "the text <k>" },
  {
    name: "docs-blog-awsbilling-dollar-syntax",
    because: "${name} inserts a defined variable.",
    here: "the variables are inserted",
  },
  {
    name: "json-key-is-not-a-template",
    because: "A placeholder inside a JSON string is inserted as text; a key is a JSON string.",
    here: "the key is x",
  },
  { name: "json-variable-undefined", because: undefinedNames, here: "refused" },
  { name: "missing-time-by-path", because: "Missing in text prints nothing.", here: "[][]" },
  {
    name: "time-loses-fraction",
    because: "An event is delivered as it was published (P9).",
    here: "the fraction is kept",
  },
  {
    name: "uppercase-attribute-in-define",
    because: "Attribute names are lower case; what can never be right is refused at creation.",
    here: "refused",
  },
];

function isSharedCase({ facts }: Vector): boolean {
  const { template, pipeline } = facts.transformer ?? {};
  const isPlain = typeof template === "string" && !template.includes("\\");
  return isPlain && pipeline === undefined && facts.expect.result === "ok";
}

const ANGLE = /<((?:\$\.)?[^<>]+)>/g;

/** Blanks between the parts of JSON are kept here and dropped there. */
function comparable(text: unknown): unknown {
  try {
    return typeof text === "string" ? JSON.stringify(JSON.parse(text)) : text;
  } catch {
    return text;
  }
}

test("what both syntaxes share comes out as in the angle vectors, but for the counted differences", () => {
  const shared = angle.filter(isSharedCase);
  const differing = shared.filter(({ event, facts }) => {
    const template = String(facts.transformer?.template).replaceAll(ANGLE, "${$1}");
    // There a member or element whose value is missing is left out.
    const outcome = run(event, { ...facts.transformer, template, onMissing: "omit" });
    const { data, datacontenttype } = facts.expect;
    const isSame = comparable(outcome?.data) === comparable(data);
    return !isSame || outcome?.contentType !== datacontenttype;
  });
  assertDifferences(
    differing.map((vector) => vector.name),
    knownRewritten,
  );
  assert.equal(knownRewritten.length, 14);
  assert.equal(shared.length, 52);
});

/** Differences in the angle syntax itself. */
const knownAngle: readonly KnownDifference[] = [
  {
    name: "auto-type-leading-space-is-text",
    because: 'A string whose first non-blank byte is {, [ or " is JSON text.',
    here: "JSON, with the quote of the value escaped",
  },
  { name: "big-number-by-path", because: exactNumbers, here: "1668498285 1000000" },
  { name: "big-number-by-path-json", because: exactNumbers, here: "1668498285" },
  { name: "comma-lost-after-bracket", because: "Noted as a bug.", here: "[,y" },
  { name: "comma-lost-after-comma-value", because: "Noted as a bug.", here: "x,,y" },
  { name: "comma-lost-before-brace", because: "Noted as a bug.", here: "x,}" },
  { name: "comma-lost-when-value-missing", because: "Noted as a bug.", here: "[, B]" },
  {
    name: "docs-first-example-missing-amount",
    because: "Noted as a surprise; missing in text prints nothing.",
    here: "amount is ",
  },
  {
    name: "docs-text-template",
    because: "An event is delivered as it was published (P9).",
    here: "the fraction of the time is kept",
  },
  { name: "json-root-path-panics-at-create", because: "Noted as a bug.", here: "the data" },
  { name: "json-variable-undefined", because: undefinedNames, here: "refused" },
  { name: "define-cannot-use-define", because: constants, here: "the text <k>" },
  { name: "missing-time-by-path", because: "Missing in text prints nothing.", here: "[][]" },
  { name: "no-data-errors", because: notJson, here: "the id" },
  { name: "text-data-errors", because: notJson, here: "the id" },
  {
    name: "time-loses-fraction",
    because: "An event is delivered as it was published (P9).",
    here: "the fraction is kept",
  },
  {
    name: "uppercase-attribute-in-define",
    because: "Attribute names are lower case; what can never be right is refused at creation.",
    here: "refused",
  },
];

test("the angle vectors come out as they are, but for the counted differences", () => {
  const differing = angle.filter(({ event, facts }) => {
    const outcome = run(event, { ...facts.transformer, syntax: "angle" });
    const { create, data, datacontenttype } = facts.expect;
    if (create === "reject") return outcome !== undefined;
    // Without a pipeline and a template the event stays as it was.
    if (facts.expect.result === "untouched") return facts.transformer?.template !== undefined;
    const isSame = comparable(outcome?.data) === comparable(data);
    return !isSame || outcome?.contentType !== datacontenttype;
  });
  assertDifferences(
    differing.map((vector) => vector.name),
    knownAngle,
  );
  assert.equal(knownAngle.length, 17);
  assert.equal(angle.length, 78);
});
