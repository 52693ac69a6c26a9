import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { EventView } from "../../src/event/event-view.ts";
import { createEventView } from "../../src/event/event-view.ts";
import { compileFilters } from "../../src/filter/compile.ts";
import { viewOfBytes } from "../support/event-views.ts";

const types = ["a", "b", "ab", "ba"];
const texts = fc.constantFrom(...types, "x", "1", "true");
const keys = fc.constantFrom(
  "type",
  "source",
  "subject",
  "ext",
  "data",
  "data.a",
  "data.a[0]",
  'data["b"]',
);

const { filter: filters } = fc.letrec<{ filter: object; leaf: object }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4 },
    tie("leaf"),
    fc.record({ all: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ any: fc.array(tie("filter"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie("filter") }),
  ),
  leaf: fc
    .tuple(
      fc.constantFrom("exact", "prefix", "suffix"),
      fc.dictionary(keys, texts, { minKeys: 1, maxKeys: 2 }),
    )
    .map(([dialect, entries]) => ({ [dialect]: entries })),
}));

const data = fc.oneof(
  fc.constant(undefined),
  fc.uint8Array({ maxLength: 20 }),
  fc.json({ maxDepth: 3 }).map((json) => Buffer.from(json)),
  fc
    .record({ a: fc.oneof(texts, fc.array(texts)), b: fc.jsonValue({ maxDepth: 1 }) })
    .map((value) => Buffer.from(JSON.stringify(value))),
);

const events: fc.Arbitrary<EventView> = fc
  .record({
    type: fc.oneof(fc.constantFrom(...types), fc.string({ minLength: 1 })),
    subject: fc.option(texts, { nil: undefined }),
    ext: fc.oneof(texts, fc.boolean(), fc.integer()),
    mediaType: fc.constantFrom(undefined, "application/json", "text/plain"),
    data,
  })
  .map(({ type, subject, ext, mediaType, data: bytes }) => {
    const { event } = viewOfBytes(bytes, mediaType);
    return createEventView({ ...event, type, subject, extensions: new Map([["ext", ext]]) });
  });

test("a filter never throws, and explains itself as it decides", () => {
  fc.assert(
    fc.property(fc.array(filters, { maxLength: 3 }), events, (list, view) => {
      const compilation = compileFilters(list);
      assert(compilation.ok);
      const verdicts = compilation.filter.explain(view);
      const passes = verdicts.every((verdict) => verdict.passed || isInside(verdict.path));
      assert.equal(compilation.filter.passes(view), passes);
    }),
    { numRuns: 3000 },
  );
});

/** A clause within `all`, `any` or `not` does not decide by itself. */
function isInside(path: string): boolean {
  return /^filters\[\d+\]\.(?:all|any|not)[.[]/.test(path);
}

test("compiling any JSON value gives a filter or violations, never an exception", () => {
  const shapes = fc.array(
    fc.dictionary(
      fc.oneof(
        fc.constantFrom("exact", "prefix", "suffix", "all", "any", "not", "sql"),
        fc.string(),
      ),
      fc.oneof(
        fc.jsonValue({ maxDepth: 3 }),
        fc.dictionary(fc.oneof(keys, fc.string()), fc.jsonValue({ maxDepth: 1 })),
      ),
    ),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), shapes), events, (value, view) => {
      const compilation = compileFilters(value);
      if (compilation.ok) compilation.filter.passes(view);
      else assert(compilation.violations.length > 0);
    }),
    { numRuns: 1000 },
  );
});
