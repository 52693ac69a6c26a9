import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileTransformer } from "../../src/transform/compile.ts";
import { viewOfBytes, viewOfData } from "../support/event-views.ts";

/** Any UTF-16 text, lone surrogates and control characters included. */
const anyText = fc.oneof(
  fc.string({ unit: "binary-ascii" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
);

const anyData = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc.json({ maxDepth: 3 }).map((json) => Buffer.from(json)),
  fc
    .record({ a: anyText, b: fc.jsonValue({ maxDepth: 2 }), c: fc.array(anyText) })
    .map((value) => Buffer.from(JSON.stringify(value, null, 1))),
);

const templates: readonly unknown[] = [
  '{"a":${a},"in":"<${a}> ${b}","b": ${b} ,"c":[${c}, "${$.data.c[0]}"],"d":${$.data},"${a}":"${$.data}"}',
  '[${$.data.c[*]},"${$.data.c[:2]}",${$.subject},"${$.type}"]',
  { a: "${a}", in: "<${a}> ${b}", "k${a}": ["${b}", "${$.data}", { c: "x${c}" }] },
];
const define = { a: "$.data.a", b: "$.data.b", c: "$.data.c[0]" };

test("a JSON template makes valid JSON of any event, or a failure", () => {
  const onMissing = fc.constantFrom("null", "omit", "fail");
  const mediaType = fc.constantFrom("application/json", "text/plain", undefined);
  const template = fc.constantFrom(...templates);
  fc.assert(
    fc.property(template, onMissing, mediaType, anyData, (chosen, rule, type, data) => {
      const compilation = compileTransformer({ define, template: chosen, onMissing: rule });
      assert(compilation.ok);
      const result = compilation.transformer.transform(viewOfBytes(data, type));
      if (!result.ok) assert.equal(result.failure.code, "missing_value");
      else JSON.parse(Buffer.from(result.event.data ?? []).toString());
    }),
    { numRuns: 3000 },
  );
});

test("any string comes through a JSON template as it was", () => {
  fc.assert(
    fc.property(anyText, anyText, (value, constant) => {
      // A string that begins like a path would be one.
      const defined = constant.startsWith("$.") ? "" : constant;
      const compilation = compileTransformer({
        define: { value: "$.data.value", constant: defined },
        template: '[${value}, "${value}", ${constant}, "${constant}"]',
      });
      assert(compilation.ok);
      const result = compilation.transformer.transform(viewOfData(JSON.stringify({ value })));
      assert(result.ok);
      const output: unknown = JSON.parse(Buffer.from(result.event.data ?? []).toString());
      assert.deepEqual(output, [value, value, defined, defined]);
    }),
    { numRuns: 2000 },
  );
});

test("any JSON value comes through typed, with the same text but for white space", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (json) => {
      const compilation = compileTransformer({ template: "${$.data}", templateType: "json" });
      assert(compilation.ok);
      const spaced = JSON.stringify(JSON.parse(json), null, 2);
      const result = compilation.transformer.transform(viewOfData(spaced));
      assert(result.ok);
      assert.equal(
        Buffer.from(result.event.data ?? []).toString(),
        JSON.stringify(JSON.parse(json)),
      );
    }),
    { numRuns: 1000 },
  );
});

test("compiling any template gives a transformer or violations, never an exception", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "${a}",
      "${$.data.x}",
      "$${",
      "${",
      "}",
      '"',
      "{",
      "[",
      "]",
      ":",
      ",",
      "\\",
      "$",
    ),
    fc.string({ maxLength: 3 }),
  );
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  const value = fc.oneof(text, fc.dictionary(text, text), fc.array(text), fc.jsonValue());
  const templateType = fc.constantFrom("json", "text", undefined);
  fc.assert(
    fc.property(value, templateType, (template, type) => {
      const compilation = compileTransformer({
        define: { a: "$.data.a" },
        template,
        ...(type === undefined ? {} : { templateType: type }),
      });
      if (!compilation.ok) {
        assert(compilation.violations.length > 0);
        return;
      }
      const result = compilation.transformer.transform(viewOfData('{"a":"\\"","x":[1, {}]}'));
      assert(result.ok);
      const isJson = result.event.datacontenttype === "application/json";
      if (isJson) JSON.parse(Buffer.from(result.event.data ?? []).toString());
    }),
    { numRuns: 5000 },
  );
});

test("compiling any value gives a transformer or violations, never an exception", () => {
  const member = fc.constantFrom(
    "define",
    "template",
    "templateType",
    "onMissing",
    "pipeline",
    "x",
  );
  const transformer = fc.oneof(fc.jsonValue(), fc.dictionary(member, fc.jsonValue()));
  fc.assert(
    fc.property(transformer, (value) => {
      const compilation = compileTransformer(value);
      assert(compilation.ok || compilation.violations.length > 0);
    }),
    { numRuns: 1000 },
  );
});
