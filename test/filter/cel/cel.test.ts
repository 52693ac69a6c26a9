import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventView } from "../../../src/event/event-view.ts";
import { compileFilters } from "../../../src/filter/compile.ts";
import type { CompiledFilter } from "../../../src/filter/filter.ts";
import { viewOf, viewOfBytes, viewOfText } from "../../support/event-views.ts";

function compile(cel: string): CompiledFilter {
  const compilation = compileFilters([{ cel }]);
  assert(compilation.ok, `${cel}: ${JSON.stringify(compilation)}`);
  return compilation.filter;
}

const event = viewOfText(
  `{"specversion":"1.0","id":"1","source":"/s","type":"order.paid","n":5,"flag":true,"data":{
    "s":"🦊ab","i":9007199254740993,"d":1.5,"one":1.0,"t":true,"nothing":null,"huge":1e400,
    "list":[1,2,3],"same":[1.0,2,3],"items":[{"sku":"A","n":1},{"sku":"B","n":2},{"n":3}],
    "map":{"a":1,"b":2},"same_map":{"b":2,"a":1},"odd key":"x","empty":[]}}`,
);

const passing: readonly string[] = [
  "-9223372036854775808 < 0 && 9223372036854775807 > 0 && 18446744073709551615u > 0u",
  'event.type == "order.paid"',
  "event.n == 5 && event.n + 1 == 6",
  "event.flag",
  'event.data["odd key"] == "x"',
  "event.data.list[2] == 3",
  "event.data.i == 9007199254740993",
  "event.data.i != 9007199254740992",
  "event.data.i == int('9007199254740993')",
  "event.data.d > 1 && event.data.d < 2u",
  "event.data.one == 1 && 1u == event.data.one",
  "event.data.d * 2.0 == 3.0",
  "event.data.huge > 1.0e300",
  "event.data.nothing == null",
  'event.data.s != 5 && event.data.n2 == 1 || event.type.startsWith("order")',
  "event.data.s != 5",
  'event.data.s.size() == 3 && size("🦊") == 1',
  'event.data.s.contains("🦊a") && event.data.s.endsWith("b")',
  'event.type.matches("^order[.](paid|sent)$")',
  'event.type.matches("p.id")',
  '"ÄbC".lowerAscii() == "Äbc" && "äbC".upperAscii() == "äBC"',
  "2 in event.data.list && !(4 in event.data.list)",
  '"a" in event.data.map && !("c" in event.data.map)',
  'event.type in ["x", "order.paid"]',
  "event.data.list == event.data.same",
  "event.data.map == event.data.same_map",
  "event.data.list != event.data.map",
  "event.data.list + [4] == [1, 2, 3, 4]",
  "event.data.items.exists(i, i.sku == 'B')",
  "event.data.items.exists(i, i.sku == 'B' && i.n == 2)",
  "!event.data.items.all(i, i.n < 3)",
  "event.data.items.all(i, has(i.n))",
  "event.data.items.exists_one(i, i.n == 2)",
  "event.data.items.filter(i, has(i.sku)).size() == 2",
  "event.data.items.map(i, i.n) == [1, 2, 3]",
  "event.data.items.map(i, i.n > 1, i.n * 10) == [20, 30]",
  "event.data.map.exists(k, event.data.map[k] == 2)",
  "event.data.list.exists(i, event.data.items.exists(j, i == j.n && i > 2))",
  "event.data.empty.all(i, false) && !event.data.empty.exists(i, true)",
  "has(event.data) && has(event.data.s) && !has(event.data.zzz) && !has(event.subject)",
  "has(event.subject) ? event.subject == 'x' : true",
  "true || event.nosuch == 1",
  "event.nosuch == 1 || true",
  "!(event.nosuch == 1 && false)",
  "int('-5') == -5 && int(2.9) == 2 && uint(3) == 3u && double('1e2') == 100.0",
  "string(5) == '5' && string(true) == 'true' && bool('true') && string(1.5) == '1.5'",
  "-event.n == -5 && 7 / 2 == 3 && -7 / 2 == -3 && 7 % 3 == 1 && 1 - 2 == -1",
  "10u - 3u == 7u && 2u * 3u == 6u && 1u + 1u == 2u && 7u / 2u == 3u",
  "'\\U00010000' > '\\uffff' && 'a' < 'b' && 'ab' > 'a' && false < true",
  "1.0 / 0.0 > 1.0e308 && !(0.0 / 0.0 < 1.0) && !(0.0 / 0.0 == 0.0 / 0.0)",
  "dyn(event.n) == 5",
];

/** All of these are errors or no bool: false, and true under not. */
const failing: readonly string[] = [
  "event.subject == 'a'",
  "event.subject != 'a'",
  "event.data.zzz == 1",
  "event.data.s.zzz == 1",
  "event.data.list[3] == 1",
  "event.data.list[-1] == 1",
  "event.data.list['a'] == 1",
  "event.n",
  "event.data.s",
  "event.data.s < 5",
  "event.data.s + 1 == 1",
  "event.data.d + event.n == 6.5",
  "9223372036854775807 + event.n > 0",
  "event.n / 0 == 1",
  "event.n % (event.n - 5) == 1",
  "0u - 1u == 1u",
  "-9223372036854775808 - event.n < 0",
  "event.data.items.all(i, i.sku != 'Z')",
  "event.data.items.exists_one(i, i.sku == 'A')",
  "event.data.items.map(i, i.sku).size() == 3",
  "event.data.s.exists(i, true)",
  "int(event.data.s) == 1",
  "int(event.data.huge) == 1",
  "uint(event.n - 6) == 1u",
  "double(event.data.s) > 0.0",
  "bool(event.data.s)",
  "string(event.data.list) == ''",
  "size(event.n) == 1",
  "event.n.contains('5')",
  "event.n.matches('5')",
  "'a' in event.data.s",
  "event.n ? true : true",
  "!event.n",
  "-event.data.s == 1",
  "event.toString == 1",
  "event.data.constructor == 1",
  "has(event.subject.a)",
];

test("CEL expressions over the event hold as spec/filters.md says", () => {
  for (const cel of passing) {
    const [verdict] = compile(cel).explain(event);
    assert(compile(cel).passes(event), `${cel}: ${verdict?.reason}`);
  }
});

test("an error and a value that is no bool are no match, and not turns them around", () => {
  for (const cel of failing) {
    assert.equal(compile(cel).passes(event), false, cel);
    const negated = compileFilters([{ not: { cel } }]);
    assert(negated.ok && negated.filter.passes(event), cel);
    assert.equal(compile(cel).explain(event)[0]?.passed, false);
  }
});

test("data that is no JSON is a text, and without data the key is missing", () => {
  const text = viewOfBytes(Buffer.from("hello"), "text/plain");
  assert(compile("event.data.startsWith('he')").passes(text));
  assert(!compile("event.data.a == 1").passes(text));
  assert(!compile("has(event.data)").passes(viewOfBytes(undefined, undefined)));
});

const refusals: readonly [cel: unknown, message: RegExp][] = [
  [5, /^expected an expression.*not a number/],
  ["", /line 1, column 1: /],
  ["event.type ==", /^line 1, column 14: /],
  ["event.type ==\n 'a' +", /^line 2, column 7: /],
  ["9223372036854775808 > 0", /^line 1, column 1: the number is beyond 64 bits/],
  ["1 > 0 && -9223372036854775809 < 0", /^line 1, column \d+: the number is beyond 64 bits/],
  ["1 + 1", /^line 1, column 1: the expression is of type int; a filter needs a bool/],
  ["'a' + 1 == 'b'", /^line 1, column \d+: no such overload/],
  ["type == 'a'", /^line 1, column \d+: unknown name "type"; the event is called event/],
  ["foo.bar == 1", /unknown name "foo"; the event is called event/],
  [
    "$a.b.(string) == 'x'",
    /\$a\.b\.\(string\) is Vanus's notation and not CEL; write event\.data\.a\.b/,
  ],
  ["nosuch(event.type)", /the function nosuch is not supported; known: size, int/],
  ["event.type.split('.').size() == 2", /the function \.split\(\) is not supported; known: size/],
  ["event.type.matches(event.source)", /matches takes a pattern written as a text/],
  ["event.type.matches('(')", /the pattern is no RE2/],
  ["event.type.matches('a(?=b)')", /the pattern is no RE2/],
  [`event.type.matches('${"a".repeat(2000)}')`, /regexLengthMax/],
  ["event.type.matches('((a{100}){10}){10}')", /regexProgramMax|no RE2/],
  ["cel.bind(a, event.type, a == a)", /the function \.bind\(\) is not supported/],
  [
    "timestamp(event.time) > timestamp('2026-01-01T00:00:00Z')",
    /the function timestamp is not supported/,
  ],
  ["event.data == {'a': 1}", /map literals are not supported/],
  ["b'a' == b'a'", /bytes are not supported/],
  ["event.?subject == 'a'", /line 1, column/],
  ["type(event.n) == int", /not supported/],
  ["event.data.exists(1, true)", /line 1, column/],
  [`${"(".repeat(500)}true${")".repeat(500)}`, /line 1, column/],
  [`${"!".repeat(50_000)}true`, /line 1, column/],
  [Array.from({ length: 600 }, () => "event.n == 1").join(" || "), /line 1, column/],
];

test("what is no CEL over the event is refused with line and column", () => {
  for (const [cel, message] of refusals) {
    const compilation = compileFilters([{ cel }]);
    assert(!compilation.ok, String(cel));
    assert.equal(compilation.violations[0]?.path, "filters[0].cel");
    assert.match(compilation.violations[0]?.message ?? "", message, String(cel).slice(0, 80));
  }
});

test("explain names the part that decided, with the values, or the error with its position", () => {
  const reasonOf = (cel: string): string | undefined => compile(cel).explain(event)[0]?.reason;
  assert.equal(reasonOf("event.n == 5"), "event.n == 5 is true, with event.n: 5");
  assert.equal(
    reasonOf("event.flag && event.data.d > 2"),
    "line 1, column 15: event.data.d > 2 is false, with event.data.d: 1.5",
  );
  assert.equal(
    reasonOf("event.flag &&\n event.subject == 'a'"),
    'line 2, column 2: no such key: "subject", so it does not hold, with event.flag: true, event.subject: nothing there',
  );
  assert.equal(reasonOf("event.n"), "it gives an int, and only true holds, with event.n: 5");
});

test("an expression that would take too long is an error, not a wait (P7)", () => {
  const list = viewOf({ data: Array.from({ length: 100_000 }, (_, index) => index) });
  const long = viewOf({ data: "a".repeat(900_000) });
  const hostile: readonly [cel: string, view: EventView][] = [
    ["event.data.all(i, event.data.all(j, event.data.all(k, i + j + k >= 0)))", list],
    ["event.data.exists(i, event.data.exists(j, i.x == j.x))", list],
    ["event.data.map(i, event.data).size() < 0", list],
    [`[${Array.from({ length: 80 }, () => "event.data").join(" + ")}].size() == 0`, list],
    [`(${Array.from({ length: 80 }, () => "event.data").join(" + ")}).size() == 0`, long],
    [Array.from({ length: 60 }, () => "event.data.contains('ab')").join(" || "), long],
    ["event.data.matches('(a*)*b')", long],
    [Array.from({ length: 60 }, () => "event.data == event.source").join(" || "), long],
  ];
  for (const [cel, view] of hostile) {
    const filter = compile(cel);
    const startMs = performance.now();
    assert.equal(filter.passes(view), false, cel.slice(0, 60));
    const tookMs = performance.now() - startMs;
    assert(tookMs < 10_000, `${cel.slice(0, 60)} took ${tookMs} ms`);
  }
});

test("one filter leaves nothing behind for the next event", () => {
  const filter = compile("event.n > 3");
  const verdicts = [{ n: 5 }, {}, { n: 2 }, { n: 9 }].map((each) => filter.passes(viewOf(each)));
  assert.deepEqual(verdicts, [true, false, false, true]);
});
