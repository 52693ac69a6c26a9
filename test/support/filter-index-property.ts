/** What the index finds and what plain evaluation finds, over random filters, changes and events. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { EventView } from "../../src/event/event-view.ts";
import { createEventView } from "../../src/event/event-view.ts";
import { compileFilters } from "../../src/filter/compile.ts";
import type { CompiledFilter } from "../../src/filter/filter.ts";
import { FilterIndex, mayPass } from "../../src/filter/filter-index.ts";
import { viewOfBytes } from "./event-views.ts";

/** Halves of a surrogate pair and names of every object's members are texts like any other. */
const texts = fc.constantFrom(
  "a",
  "b",
  "ab",
  "ba",
  "aba",
  "abab",
  "abb",
  "ac",
  "cb",
  "🦊",
  "🦊a",
  "\ud83e",
  "\udd8a",
  "%",
  "_",
  "__proto__",
  "constructor",
  "hasOwnProperty",
);
const attributes = fc.constantFrom("type", "source", "subject");
const keys = fc.oneof({ weight: 4, arbitrary: attributes }, fc.constantFrom("id", "ext", "data.a"));

const quoted = texts.map((text) => `'${text.replaceAll("\\", "\\\\")}'`);
const sqlLeaf = fc.oneof(
  fc.tuple(attributes, quoted).map(([name, text]) => `${name} = ${text}`),
  fc.tuple(attributes, quoted).map(([name, text]) => `${text} = ${name}`),
  fc.tuple(attributes, quoted).map(([name, text]) => `${name} != ${text}`),
  fc.tuple(attributes, quoted, quoted).map(([name, one, two]) => `${name} IN (${one}, ${two})`),
  fc.tuple(attributes, quoted).map(([name, text]) => `${name} NOT IN (${text})`),
  fc
    .tuple(attributes, fc.array(fc.oneof(texts, fc.constantFrom("%", "_", "\\%"))))
    .map(([name, parts]) => `${name} LIKE '${parts.join("")}'`),
  fc.tuple(attributes, texts).map(([name, text]) => `${name} NOT LIKE '${text}%'`),
  attributes.map((name) => `NOT EXISTS ${name}`),
  fc.constantFrom("ext > 3", "TRUE", "id = 'a'", "LENGTH(subject) < 3"),
);
const sqlText = fc
  .tuple(sqlLeaf, fc.constantFrom("", " AND ", " OR ", " XOR "), sqlLeaf)
  .map(([left, operator, right]) => (operator === "" ? left : `(${left})${operator}(${right})`));

const matchers = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: texts },
    texts.map((prefix) => ({ prefix })),
    texts.map((suffix) => ({ suffix })),
    texts.map((text) => ({ "anything-but": text })),
    texts.map((text) => ({ prefix: { "equals-ignore-case": text } })),
    fc.constantFrom({ exists: true }, 5, true, { wildcard: "a*b" }, { prefix: "" }),
  ),
  { minLength: 1, maxLength: 2 },
);
const plainPattern = fc.dictionary(attributes, matchers, { minKeys: 1, maxKeys: 2 });
const patterns = fc.oneof(
  plainPattern,
  fc.array(plainPattern, { minLength: 1, maxLength: 2 }).map((list) => ({ $or: list })),
);

const { filter: filters } = fc.letrec<{ filter: object; leaf: object }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    { weight: 4, arbitrary: tie("leaf") },
    { weight: 1, arbitrary: fc.record({ all: list(tie("filter")) }) },
    { weight: 1, arbitrary: fc.record({ any: list(tie("filter")) }) },
    { weight: 1, arbitrary: fc.record({ not: tie("filter") }) },
  ),
  leaf: fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(
          fc.constantFrom("exact", "prefix", "suffix"),
          fc.dictionary(keys, texts, { minKeys: 1, maxKeys: 2 }),
        )
        .map(([dialect, entries]) => ({ [dialect]: entries })),
    },
    { weight: 3, arbitrary: sqlText.map((sql) => ({ sql })) },
    { weight: 3, arbitrary: patterns.map((pattern) => ({ pattern })) },
    { weight: 1, arbitrary: fc.constantFrom("a", "ab").map((text) => celFor(text)) },
  ),
}));

function list(filter: fc.Arbitrary<object>): fc.Arbitrary<object[]> {
  return fc.array(filter, { minLength: 1, maxLength: 3 });
}

function celFor(text: string): object {
  return { cel: `event.type == '${text}'` };
}

const compiled: fc.Arbitrary<CompiledFilter> = fc
  .record({
    filters: fc.array(filters, { maxLength: 2 }),
    source: fc.option(texts, { nil: undefined, freq: 3 }),
    types: fc.option(fc.array(texts, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 3 }),
  })
  .map(({ filters: specs, ...shorthand }) => {
    const compilation = compileFilters(specs, shorthand);
    assert(compilation.ok, JSON.stringify(compilation));
    return compilation.filter;
  });

const attributeTexts = fc.array(texts, { minLength: 1, maxLength: 3 }).map((all) => all.join(""));
const base = viewOfBytes(Buffer.from('{"a":"a"}'), "application/json").event;

const events: fc.Arbitrary<EventView> = fc
  .record({
    id: texts,
    type: attributeTexts,
    source: attributeTexts,
    subject: fc.option(fc.oneof(attributeTexts, fc.constant("")), { nil: undefined }),
    ext: fc.oneof(texts, fc.integer({ min: 0, max: 9 })),
  })
  .map(({ ext, ...named }) =>
    createEventView({ ...base, ...named, extensions: new Map([["ext", ext]]) }),
  );

type Step = { readonly put: number; readonly filter: CompiledFilter } | { readonly remove: number };

/** Few places, so that most of them are replaced or emptied at some time. */
const places = fc.integer({ min: 0, max: 3 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ put: places, filter: compiled }) },
  { weight: 1, arbitrary: fc.record({ remove: places }) },
);

export function runFilterIndexProperty(numRuns: number): void {
  const holds = fc.property(
    fc.array(steps, { minLength: 1, maxLength: 6 }),
    fc.array(events, { minLength: 1, maxLength: 3 }),
    (changes, views) => {
      const index = new FilterIndex<number>();
      const listed = new Map<number, CompiledFilter>();
      for (const change of changes) {
        apply(index, listed, change);
        for (const view of views) agree(index, listed, view);
      }
      for (const place of listed.keys()) apply(index, listed, { remove: place });
      assert.equal(index.size, 0);
      assert.equal(index.isEmpty, true, "what was removed leaves nothing behind");
    },
  );
  fc.assert(holds, { numRuns });
}

function apply(
  index: FilterIndex<number>,
  listed: Map<number, CompiledFilter>,
  change: Step,
): void {
  const place = "put" in change ? change.put : change.remove;
  index.remove(place);
  listed.delete(place);
  if (!("put" in change)) return;
  index.add(place, change.filter);
  listed.set(place, change.filter);
}

function agree(
  index: FilterIndex<number>,
  listed: ReadonlyMap<number, CompiledFilter>,
  view: EventView,
): void {
  const candidates = index.candidates(view.event);
  const found = candidates.filter((place) => listed.get(place)?.passes(view) === true);
  const wanted = [...listed].filter(([, filter]) => filter.passes(view)).map(([place]) => place);
  assert.deepEqual(new Set(found), new Set(wanted), "who wants the event is a candidate");
  assert.equal(new Set(candidates).size, candidates.length, "a candidate is visited once");
  for (const place of candidates) assert(listed.has(place), "who was removed is no candidate");
  for (const [, filter] of listed) {
    assert(mayPass(filter.anchorings, view.event) || !filter.passes(view), "the lag reader agrees");
  }
}
