import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../src/filter/compile.ts";
import type { CompiledFilter } from "../../src/filter/filter.ts";
import { FilterIndex } from "../../src/filter/filter-index.ts";
import { runFilterIndexProperty } from "../support/filter-index-property.ts";
import { cpuMs } from "../support/cpu-time.ts";

function compile(...filters: readonly unknown[]): CompiledFilter {
  const compilation = compileFilters(filters);
  assert(compilation.ok);
  return compilation.filter;
}

const event = { type: "order.paid", source: "/shop", subject: "customer-7" };

test("index and plain evaluation agree for any filters, changes and events", () => {
  runFilterIndexProperty(10_000);
});

test("of ten thousand filters on distinct values only those are candidates that can pass", () => {
  const index = new FilterIndex<string>();
  for (let number = 0; number < 10_000; number += 1) {
    index.add(`exact ${number}`, compile({ exact: { type: `order.kind${number}` } }));
    index.add(`prefix ${number}`, compile({ prefix: { source: `/shop/${number}/` } }));
    index.add(`suffix ${number}`, compile({ suffix: { subject: `:${number}` } }));
    index.add(`sql ${number}`, compile({ sql: `subject LIKE 'user-${number}:%'` }));
  }
  const found = index.candidates({
    type: "order.kind5",
    source: "/shop/77/x",
    subject: "user-8:19",
  });
  const expected = ["exact 5", "prefix 77", "sql 8", "suffix 19"];
  assert.deepEqual([...found].toSorted(), expected);
});

test("filters on the same type and different subjects are found by the subject", () => {
  const index = new FilterIndex<number>();
  for (let number = 0; number < 1000; number += 1) {
    index.add(number, compile({ exact: { type: "order.paid", subject: `customer-${number}` } }));
  }
  const found = index.candidates(event);
  assert(found.includes(7));
  // The first one had the type to itself.
  assert(found.length <= 2, `${found.length} candidates`);
});

test("a filter is a candidate once, by however many branches it is found", () => {
  const index = new FilterIndex<string>();
  const branches = [
    { exact: { type: "order.paid" } },
    { prefix: { type: "order." } },
    { prefix: { type: "o" } },
    { suffix: { source: "p" } },
    { exact: { subject: "customer-7" } },
  ];
  index.add("all of them", compile({ any: branches }));
  index.add("no anchor", compile({ any: [...branches, { exact: { id: "1" } }] }));
  assert.deepEqual([...index.candidates(event)].toSorted(), ["all of them", "no anchor"]);
  assert.deepEqual(index.candidates({ type: "x", source: "x", subject: undefined }), ["no anchor"]);
});

test("filters that came and went leave nothing behind, in whatever order", () => {
  const types = ["abc", "abd", "ab", "xyz", "xyw", "a"];
  for (const dialect of ["exact", "prefix", "suffix"]) {
    for (const order of [types, types.toReversed(), types.toSorted()]) {
      const index = new FilterIndex<string>();
      for (const type of types) index.add(type, compile({ [dialect]: { type } }));
      for (const type of order) {
        assert(!index.isEmpty);
        index.remove(type);
      }
      assert(index.isEmpty, `${dialect}: ${order.join()}`);
    }
  }
});

test("removing somebody while the candidates are gone through loses none of them", () => {
  const index = new FilterIndex<number>();
  for (let number = 0; number < 5; number += 1) index.add(number, compile({ prefix: event }));
  const visited: number[] = [];
  for (const number of index.candidates(event)) {
    visited.push(number);
    index.remove(number);
  }
  assert.deepEqual(new Set(visited), new Set([0, 1, 2, 3, 4]));
  assert.deepEqual(index.candidates(event), []);
});

test("the work for an event grows with its attributes, not with their square (P7)", () => {
  const index = new FilterIndex<number>();
  const subject = "a".repeat(60_000);
  for (let length = 1; length < 2000; length += 1) {
    index.add(length, compile({ suffix: { subject: `b${"a".repeat(length)}` } }));
  }
  index.add(0, compile({ prefix: { subject: "a" } }));
  const start = cpuMs();
  for (let turn = 0; turn < 20; turn += 1) {
    assert.deepEqual(index.candidates({ ...event, subject }), [0]);
  }
  const milliseconds = cpuMs() - start;
  assert(milliseconds < 1000, `${milliseconds} ms for 20 events`);
});

const alike: readonly [name: string, filter: (number: number) => unknown][] = [
  ["the same type", () => ({ exact: { type: "order.paid" } })],
  ["distinct types", (number) => ({ exact: { type: `t${number}` } })],
  ["nested prefixes", (number) => ({ prefix: { type: "x".repeat(1 + (number % 500)) } })],
  ["no anchor", () => ({ not: { exact: { type: "a" } } })],
];

for (const [name, filter] of alike) {
  test(`one of ten thousand filters on ${name} is added and removed in far less than 50 ms`, () => {
    const index = new FilterIndex<number>();
    for (let number = 0; number < 10_000; number += 1) index.add(number, compile(filter(number)));
    const one = compile(filter(10_000));
    const start = cpuMs();
    for (let turn = 0; turn < 100; turn += 1) {
      index.remove(turn);
      index.add(turn, one);
    }
    const milliseconds = (cpuMs() - start) / 100;
    assert(milliseconds < 10, `${milliseconds} ms for one`);
    assert.equal(index.size, 10_000);
  });
}
