import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventView } from "../../src/event/event-view.ts";
import { compileFilters } from "../../src/filter/compile.ts";
import type { CompiledFilter } from "../../src/filter/filter.ts";
import { viewOf } from "../support/event-views.ts";

function compile(filter: unknown): CompiledFilter {
  const compilation = compileFilters([filter]);
  assert(compilation.ok, JSON.stringify(compilation));
  return compilation.filter;
}

/** Notes whether somebody has looked into the data. */
function watch(view: EventView): { readonly view: EventView; readonly looks: () => number } {
  let looks = 0;
  const watched: EventView = {
    event: view.event,
    dataText() {
      looks += 1;
      return view.dataText();
    },
    dataDocument() {
      looks += 1;
      return view.dataDocument();
    },
  };
  return { view: watched, looks: () => looks };
}

const withoutData: readonly unknown[] = [
  { sql: "type = 'test' AND EXISTS source" },
  { pattern: { type: ["test"], $or: [{ source: [{ prefix: "/" }] }] } },
  { cel: "event.type == 'test' && has(event.source)" },
];

test("filters on attributes never look into the data", () => {
  for (const filter of withoutData) {
    const { view, looks } = watch(viewOf({ data: { a: 1 } }));
    assert(compile(filter).passes(view));
    assert.equal(looks(), 0, JSON.stringify(filter));
  }
});

test("a pattern decides by the attribute that stands first before it looks into the data", () => {
  const { view, looks } = watch(viewOf({ data: { a: 1 } }));
  assert(!compile({ pattern: { type: ["other"], data: { a: [1] } } }).passes(view));
  assert.equal(looks(), 0);
});

test("all dialects share the one document of the event", () => {
  const view = viewOf({ data: { a: { b: 1 } } });
  const documents = new Set<unknown>();
  const sharing: EventView = {
    event: view.event,
    dataText: () => view.dataText(),
    dataDocument() {
      const document = view.dataDocument();
      documents.add(document);
      return document;
    },
  };
  const filters = [
    { exact: { "data.a.b": 1 } },
    { pattern: { data: { a: { b: [1] } } } },
    { cel: "event.data.a.b == 1" },
  ];
  for (const filter of filters) assert(compile(filter).passes(sharing), JSON.stringify(filter));
  assert.equal(documents.size, 1);
});
