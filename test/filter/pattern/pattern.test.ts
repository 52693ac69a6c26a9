import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../../src/filter/compile.ts";
import type { CompiledFilter } from "../../../src/filter/filter.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { viewOf, viewOfBytes, viewOfData, viewOfText } from "../../support/event-views.ts";
import { anchoringsOf } from "../../support/anchorings.ts";

function compile(pattern: unknown): CompiledFilter {
  const compilation = compileFilters([{ pattern }]);
  assert(compilation.ok, JSON.stringify(compilation));
  return compilation.filter;
}

/** A list of matchers against one JSON value at `data.v`; undefined leaves it out. */
const values: readonly [matchers: readonly unknown[], json: string | undefined, passes: boolean][] =
  [
    [["a"], '"a"', true],
    [["a"], '"\\u0061"', true],
    [["a"], '"A"', false],
    [["5"], "5", false],
    [[5], '"5"', false],
    [[5], "5", true],
    [[300], "3.0e2", true],
    [[0.1], "0.10", true],
    [[0], "-0.0", true],
    [[1], "1.0000000000000000000001", false],
    [[true], "true", true],
    [[true], '"true"', false],
    [[null], "null", true],
    [[null], undefined, false],
    [[null], "false", false],
    [[""], '""', true],
    [["a", 5], "5", true],
    [["a"], '["b","a"]', true],
    [["a"], '[["b"],["a"]]', true],
    [["a"], "[]", false],
    [["a"], '{"a":"a"}', false],
    [["a"], undefined, false],
    [[{ prefix: "ab" }], '"abc"', true],
    [[{ prefix: "ab" }], '"Abc"', false],
    [[{ prefix: { "equals-ignore-case": "AB" } }], '"abc"', true],
    [[{ prefix: "5" }], "55", false],
    [[{ suffix: "bc" }], '"abc"', true],
    [[{ suffix: { "equals-ignore-case": "BC" } }], '"abc"', true],
    [[{ "equals-ignore-case": "STRASSE" }], '"Straße"', true],
    [[{ "equals-ignore-case": "Ä" }], '"ä"', true],
    [[{ wildcard: "a*c" }], '"abbc"', true],
    [[{ wildcard: "a*c" }], '"abcd"', false],
    [[{ wildcard: "a\\*c" }], '"a*c"', true],
    [[{ wildcard: "a\\*c" }], '"abc"', false],
    [[{ wildcard: "a\\\\*" }], '"a\\\\x"', true],
    [[{ wildcard: "*" }], '""', true],
    [[{ wildcard: "*" }], "5", false],
    [[{ numeric: [">", 0, "<=", 5] }], "5", true],
    [[{ numeric: [">", 0, "<=", 5] }], "5.0000000000000000001", false],
    [[{ numeric: [">", 0] }], "1e-400", true],
    [[{ numeric: [">", 9007199254740991] }], "9007199254740993", true],
    [[{ numeric: ["=", 5] }], "5.0", true],
    [[{ numeric: [">", 0] }], '"5"', false],
    [[{ numeric: ["<", 0] }], "-1", true],
    [[{ cidr: "10.0.0.0/8" }], '"10.1.2.3"', true],
    [[{ cidr: "10.0.0.0/8" }], '"example.com"', false],
    [[{ exists: true }], "null", true],
    [[{ exists: true }], "{}", true],
    [[{ exists: true }], "[]", true],
    [[{ exists: true }], undefined, false],
    [[{ exists: false }], undefined, true],
    [[{ exists: false }], "null", false],
    [[{ exists: false }, "a"], '"a"', true],
    [[{ "anything-but": "a" }], '"b"', true],
    [[{ "anything-but": "a" }], '"a"', false],
    [[{ "anything-but": "a" }], undefined, false],
    [[{ "anything-but": "a" }], "5", true],
    [[{ "anything-but": "a" }], "null", true],
    [[{ "anything-but": "a" }], "{}", false],
    [[{ "anything-but": ["a", 5] }], "5.0", false],
    [[{ "anything-but": ["a", "b"] }], '["a","b"]', false],
    [[{ "anything-but": ["a", "b"] }], '["a","c"]', true],
    [[{ "anything-but": { prefix: ["a", "b"] } }], '"bc"', false],
    [[{ "anything-but": { suffix: "c" } }], '"bd"', true],
    [[{ "anything-but": { "equals-ignore-case": ["A"] } }], '"a"', false],
    [[{ "anything-but": { wildcard: "*/x/*" } }], '"a/x/b"', false],
  ];

test("a list holds for a value of the data as the table of spec/filters.md says", () => {
  for (const [matchers, json, passes] of values) {
    const view = viewOfData(json === undefined ? "{}" : `{"v":${json}}`);
    const shown = `${JSON.stringify(matchers)} ${json}`;
    assert.equal(compile({ data: { v: matchers } }).passes(view), passes, shown);
  }
});

test("an attribute compares by its text, and as number or boolean where that text is one", () => {
  const asJson = viewOf({ n: 5, flag: true, subject: "05" });
  const asHeaders = viewOf({ n: "5", flag: "true", subject: "05" });
  for (const view of [asJson, asHeaders]) {
    for (const matcher of [
      "5",
      5,
      { numeric: [">=", 5] },
      { prefix: "5" },
      { "anything-but": 6 },
    ]) {
      assert(compile({ n: [matcher] }).passes(view), JSON.stringify(matcher));
    }
    for (const matcher of [
      { "anything-but": 5 },
      { "anything-but": "5" },
      true,
      { numeric: [">", 5] },
    ]) {
      assert(!compile({ n: [matcher] }).passes(view), JSON.stringify(matcher));
    }
    assert(compile({ flag: [true] }).passes(view));
    assert(!compile({ subject: [5] }).passes(view), "05 is no number");
    assert(compile({ time: [{ exists: false }] }).passes(view));
    assert(compile({ specversion: ["1.0"] }).passes(view));
  }
});

const trees: readonly [pattern: unknown, json: string, passes: boolean][] = [
  [{ a: { b: ["x"] }, c: [1] }, '{"a":{"b":"x"},"c":1}', true],
  [{ a: { b: ["x"] }, c: [1] }, '{"a":{"b":"x"},"c":2}', false],
  [{ items: { sku: ["A"], n: [2] } }, '{"items":[{"sku":"A","n":1},{"sku":"B","n":2}]}', false],
  [{ items: { sku: ["A"], n: [2] } }, '{"items":[{"sku":"B","n":2},{"sku":"A","n":2}]}', true],
  [{ items: { tags: ["x"] } }, '{"items":[{"tags":["y"]},{"tags":["x"]}]}', true],
  [{ a: { b: [{ exists: false }] } }, "{}", true],
  [{ a: { b: [{ exists: false }] } }, '{"a":5}', true],
  [{ a: { b: [{ exists: false }] } }, '{"a":[]}', true],
  [{ a: { b: [{ exists: false }] } }, '{"a":[{"b":1},{}]}', true],
  [{ a: { b: [{ exists: false }] } }, '{"a":[{"b":1}]}', false],
  [{ a: { b: ["x"] } }, '{"a":"x"}', false],
  [{ "a.b": ["x"] }, '{"a.b":"x"}', true],
  [{ "a.b": ["x"] }, '{"a":{"b":"x"}}', false],
  [{ __proto__x: ["x"], constructor: [{ exists: false }] }, '{"__proto__x":"x"}', true],
  [{ a: ["x"] }, '{"a":"y","a":"x"}', true],
  [{ $or: [{ a: ["x"] }, { b: ["x"] }] }, '{"b":"x"}', true],
  [{ $or: [{ a: ["x"] }, { b: ["x"] }] }, '{"c":"x"}', false],
  [{ c: ["y"], $or: [{ a: ["x"] }, { $or: [{ b: ["x"] }] }] }, '{"b":"x","c":"y"}', true],
  [{ c: ["y"], $or: [{ a: ["x"] }, { b: ["x"] }] }, '{"b":"x"}', false],
  [{ i: { $or: [{ a: [1] }, { b: [2] }], c: [3] } }, '{"i":[{"a":1},{"b":2,"c":3}]}', true],
];

test("objects, arrays of objects and $or hold as the table of spec/filters.md says", () => {
  for (const [tree, json, passes] of trees) {
    const shown = `${JSON.stringify(tree)} ${json}`;
    assert.equal(compile({ data: tree }).passes(viewOfData(json)), passes, shown);
  }
});

test("the whole data is compared as a value, and as a text where it is no JSON", () => {
  assert(compile({ data: ["x"] }).passes(viewOfData('"x"')));
  assert(compile({ data: [2] }).passes(viewOfData("[1,2]")));
  assert(
    compile({ data: [{ prefix: "he" }] }).passes(viewOfBytes(Buffer.from("hello"), "text/plain")),
  );
  const bytes = viewOfBytes(Buffer.from([0xff]), "application/octet-stream");
  assert(!compile({ data: [{ "anything-but": "x" }] }).passes(bytes));
  assert(compile({ data: [{ exists: true }] }).passes(bytes));
  const none = viewOfBytes(undefined, undefined);
  assert(compile({ data: [{ exists: false }] }).passes(none));
  assert(!compile({ data: [{ "anything-but": "x" }] }).passes(none));
  assert(!compile({ data: { a: ["x"] } }).passes(none));
});

test("$or beside attributes and data takes any of the alternatives", () => {
  const filter = compile({ source: ["/s"], $or: [{ type: ["a"] }, { data: { x: [1] } }] });
  assert(filter.passes(viewOf({ source: "/s", type: "a" })));
  assert(filter.passes(viewOf({ source: "/s", type: "b", data: { x: 1 } })));
  assert(!filter.passes(viewOf({ source: "/s", type: "b", data: { x: 2 } })));
  assert(!filter.passes(viewOf({ source: "/t", type: "a" })));
});

const anchored: readonly [pattern: unknown, anchorings: readonly string[]][] = [
  [{ type: ["a", "b"] }, ["type=a,b"]],
  [{ type: ["a"], source: ["s"] }, ["type=a", "source=s"]],
  [{ type: ["a", { prefix: "b" }] }, ["type=a or type^b"]],
  [{ subject: [{ suffix: ".png" }] }, ["subject$.png"]],
  [{ subject: ["a", { exists: false }] }, []],
  [{ type: ["a", 5] }, []],
  [{ type: [{ prefix: { "equals-ignore-case": "b" } }] }, []],
  [{ type: [{ "anything-but": "b" }] }, []],
  [{ $or: [{ type: ["a"] }, { type: ["b"], subject: ["x"] }] }, ["type=a,b"]],
  [{ $or: [{ type: ["a"] }, { subject: ["x"] }] }, ["type=a or subject=x"]],
  [{ $or: [{ type: ["a"] }, { n: ["x"] }] }, []],
  [{ data: { type: ["a"] } }, []],
];

test("what a pattern asks of type, source and subject serves the index", () => {
  for (const [pattern, anchorings] of anchored) {
    assert.deepEqual(anchoringsOf(compile(pattern)), anchorings, JSON.stringify(pattern));
  }
});

const refusals: readonly [pattern: unknown, path: string, message: RegExp][] = [
  ["x", "", /expected an object.*not a string/],
  [{}, "", /the object is empty/],
  [{ data: {} }, ".data", /the object is empty/],
  [{ data: { a: {} } }, ".data.a", /the object is empty/],
  [{ type: "x" }, ".type", /expected a list of values, as in \["x"\]/],
  [{ type: null }, ".type", /not null/],
  [{ type: [] }, ".type", /the list is empty/],
  [{ data: { a: [[1]] } }, ".data.a[0]", /expected a value or a matcher, not a list/],
  [{ data: { a: 5 } }, ".data.a", /as in \[5\]/],
  [{ "data.a": ["x"] }, '["data.a"]', /written as a tree/],
  [{ detail: ["x"], "detail-type": ["y"] }, '["detail-type"]', /CloudEvents call it 'type'/],
  [{ Type: ["x"] }, ".Type", /can be no attribute's name/],
  [{ subject: { a: ["x"] } }, ".subject", /has no members; the data is written/],
  [{ subject: [null] }, ".subject[0]", /never null; write {"exists": false}/],
  [{ type: [{ exists: false }] }, ".type", /every event has the attribute 'type'/],
  [{ a: [{ nosuch: 1 }] }, ".a[0].nosuch", /unknown matcher "nosuch"; known: "prefix"/],
  [{ a: [{}] }, ".a[0]", /a matcher has one member/],
  [{ a: [{ prefix: "x", suffix: "y" }] }, ".a[0]", /this one has 2/],
  [{ a: [{ prefix: 5 }] }, ".a[0].prefix", /expected a text/],
  [{ a: [{ exists: "yes" }] }, ".a[0].exists", /expected true or false/],
  [{ a: [{ wildcard: "a**" }] }, ".a[0].wildcard", /column 3: '\*\*' says no more/],
  [{ a: [{ wildcard: "a\\b" }] }, ".a[0].wildcard", /column 2: a backslash stands before/],
  [{ a: [{ cidr: "10.0.0.0" }] }, ".a[0].cidr", /one address is 10.0.0.0\/32/],
  [{ a: [{ numeric: [] }] }, ".a[0].numeric", /a list of 0/],
  [{ a: [{ numeric: [">", "5"] }] }, ".a[0].numeric[1]", /expected a number, not a string/],
  [{ a: [{ numeric: ["==", 5] }] }, ".a[0].numeric[0]", /not "=="/],
  [{ a: [{ numeric: [">", 5, ">=", 6] }] }, ".a[0].numeric[2]", /a lower bound already/],
  [{ a: [{ numeric: ["=", 5, "<", 6] }] }, ".a[0].numeric[2]", /an upper bound already/],
  [{ a: [{ numeric: [">", 5, "<", 5] }] }, ".a[0].numeric", /no number is within/],
  [{ a: [2 ** 60] }, ".a[0]", /beyond 2\^53/],
  [{ a: [{ "anything-but": [] }] }, '.a[0]["anything-but"]', /the list is empty/],
  [
    { a: [{ "anything-but": { cidr: "10.0.0.0/8" } }] },
    '.a[0]["anything-but"]',
    /an object with one of/,
  ],
  [
    { a: [{ "anything-but": [{ prefix: "x" }] }] },
    '.a[0]["anything-but"][0]',
    /instead of the list/,
  ],
  [{ $or: [] }, '["$or"]', /at least one pattern/],
  [{ $or: [{ type: ["a"] }, 5] }, '["$or"][1]', /expected a pattern, not a number/],
  [{ data: { $or: [{}] } }, '.data["$or"][0]', /the object is empty/],
];

test("what can never be right in a pattern is refused with its path", () => {
  for (const [pattern, path, message] of refusals) {
    const compilation = compileFilters([{ pattern }]);
    assert(!compilation.ok, JSON.stringify(pattern));
    const last = compilation.violations.at(-1);
    assert.equal(last?.path, `filters[0].pattern${path}`);
    assert.match(last?.message ?? "", message);
  }
});

test("patterns are bounded in depth and size, however they come (P7)", () => {
  let deep: unknown = ["x"];
  for (let level = 0; level < 100_000; level += 1) deep = { a: deep };
  for (const pattern of [{ data: deep }, { a: [deep] }, { a: [{ prefix: deep }] }]) {
    assert(!compileFilters([{ pattern }]).ok);
  }
  const many = Array.from({ length: limits.filterNodesMax + 1 }, (_, index) => String(index));
  const [first] = violationsOf({ type: many });
  assert.equal(first?.code, "too_large");
  assert.equal(violationsOf({ a: ["x".repeat(limits.filterTextBytesMax)] })[0]?.code, "too_large");
});

function violationsOf(pattern: unknown): readonly { code: string }[] {
  const compilation = compileFilters([{ pattern }]);
  return compilation.ok ? [] : compilation.violations;
}

test("explain names each part with the value it saw and what it wanted", () => {
  const filter = compile({
    type: ["a"],
    data: { n: [{ numeric: [">", 3] }], items: { sku: ["A"] } },
    $or: [{ subject: ["x"] }, { subject: [{ exists: false }] }],
  });
  const event = { type: "b", data: { n: 2, items: [{ sku: "B" }] } };
  assert.deepEqual(filter.explain(viewOf(event)), [
    {
      path: "filters[0].pattern",
      passed: false,
      reason: "the event does not look like the pattern",
    },
    {
      path: "filters[0].pattern.type",
      passed: false,
      reason: 'type is "b", which is none of ["a"]',
    },
    {
      path: "filters[0].pattern.data.n",
      passed: false,
      reason: 'the value is 2, which is none of [{"numeric":[">",3]}]',
    },
    {
      path: "filters[0].pattern.data.items",
      passed: false,
      reason: "no element of 1 holds all 1 parts",
    },
    { path: 'filters[0].pattern["$or"]', passed: true, reason: "1 of 2 alternatives hold" },
    {
      path: 'filters[0].pattern["$or"][0].subject',
      passed: false,
      reason: `the event has no attribute 'subject', which is none of ["x"]`,
    },
    {
      path: 'filters[0].pattern["$or"][1].subject',
      passed: true,
      reason: `the event has no attribute 'subject', which is one of [{"exists":false}]`,
    },
  ]);
});

test("numbers beyond a double compare by their digits, as written in the event", () => {
  const event =
    '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"v":9007199254740993}}';
  const filter = compile({ data: { v: [{ numeric: ["<=", 9007199254740991] }] } });
  assert(!filter.passes(viewOfText(event)));
});
