import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../src/filter/compile.ts";
import { viewOfText } from "../support/event-views.ts";

/** Far more than any of them takes, and far less than they took without the budget. */
const MS_MAX = 2_000;

function viewOfData(data: string): ReturnType<typeof viewOfText> {
  return viewOfText(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":${data}}`);
}

const numbers = JSON.stringify(Array.from({ length: 5_000 }, (_, index) => index));
const addresses = JSON.stringify({ ip: Array.from({ length: 50_000 }, () => "fe80::1:2:3:4") });
const blocks = Array.from({ length: 300 }, (_, index) => ({ cidr: `10.0.${index % 256}.0/24` }));
const loop = "event.data.all(a, event.data.all(b, a + b >= 0))";

const heavy: readonly (readonly [name: string, filter: unknown, data: string])[] = [
  ["lists compared in a loop", { cel: "event.data.all(a, event.data == event.data)" }, numbers],
  ["`in` in a loop", { cel: "event.data.all(a, !((a + 9000) in event.data))" }, numbers],
  ["blocks of addresses", { pattern: { data: { ip: blocks } } }, addresses],
  [
    "a hundred expressions",
    { all: Array.from({ length: 100 }, () => ({ not: { cel: loop } })) },
    numbers,
  ],
];

for (const [name, filter, data] of heavy) {
  test(`P7: ${name} end within the budget of a filter, whatever the event`, () => {
    const compilation = compileFilters([filter]);
    assert(compilation.ok, JSON.stringify(compilation));
    const view = viewOfData(data);
    const start = process.hrtime.bigint();
    compilation.filter.passes(view);
    const elapsed = Number(process.hrtime.bigint() - start) / 1e6;
    assert(elapsed < MS_MAX, `${name} took ${Math.round(elapsed)} ms`);
  });
}

test("P7: what takes too long does not hold, and neighbours share the steps of one event", () => {
  const small = viewOfData(JSON.stringify(Array.from({ length: 300 }, (_, index) => index)));
  const passes = (count: number): boolean => {
    const compilation = compileFilters(Array.from({ length: count }, () => ({ cel: loop })));
    assert(compilation.ok, JSON.stringify(compilation));
    return compilation.filter.passes(small);
  };
  assert.equal(passes(1), true, "alone it is within the budget");
  assert.equal(passes(50), false, "a fiftieth of the budget is too little for it");
});

test("P7: lists compared in a loop have an error once the budget is used up", () => {
  const compilation = compileFilters([{ cel: "event.data.all(a, event.data == event.data)" }]);
  assert(compilation.ok, JSON.stringify(compilation));
  assert.equal(compilation.filter.passes(viewOfData(numbers)), false);
});
