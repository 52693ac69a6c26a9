import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventView } from "../../src/event/event-view.ts";
import { compileFilters } from "../../src/filter/compile.ts";
import type { CompiledFilter } from "../../src/filter/filter.ts";
import type { FilterShorthand } from "../../src/filter/shorthand.ts";
import type { Violation } from "../../src/kernel/errors.ts";
import { limits } from "../../src/kernel/limits.ts";
import { viewOf, viewOfBytes, viewOfData } from "../support/event-views.ts";
import { anchoringsOf } from "../support/anchorings.ts";

function compile(filters: unknown, shorthand: FilterShorthand = {}): CompiledFilter {
  const compilation = compileFilters(filters, shorthand);
  assert(compilation.ok, JSON.stringify(compilation));
  return compilation.filter;
}

function violationsOf(filters: unknown, shorthand: FilterShorthand = {}): readonly Violation[] {
  const compilation = compileFilters(filters, shorthand);
  assert(!compilation.ok, "the filters are refused");
  return compilation.violations;
}

const scalars: readonly [value: unknown, data: string, passes: boolean][] = [
  ["text", '"text"', true],
  ["te\nxt", '"te\\u000axt"', true],
  ["5", "5", true],
  [5, "5", true],
  [5, '"5"', true],
  [5, "5.0", false],
  ["5.0", "5.0", true],
  ["1000000.5", "1000000.5", true],
  ["1e400", "1e400", true],
  ["9007199254740993", "9007199254740993", true],
  ["9007199254740993", "9007199254740992", false],
  [true, "true", true],
  ["true", "true", true],
  [false, "true", false],
  ["null", "null", false],
  ["{}", "{}", false],
  ["[]", "[]", false],
];

test("a scalar of the data compares by its JSON text, and nothing else compares", () => {
  for (const [value, data, passes] of scalars) {
    const filter = compile([{ exact: { "data.v": value } }]);
    const shown = `${JSON.stringify(value)} ${data}`;
    assert.equal(filter.passes(viewOfData(`{"v":${data}}`)), passes, shown);
  }
});

test("the key data compares the raw text of the data, JSON or not", () => {
  assert(compile([{ exact: { data: '{ "a": 1 }' } }]).passes(viewOfData('{ "a": 1 }')));
  assert(!compile([{ exact: { data: '{"a":1}' } }]).passes(viewOfData('{ "a": 1 }')));
  const bytes = Buffer.from("hello");
  assert(compile([{ prefix: { data: "he" } }]).passes(viewOfBytes(bytes, "text/plain")));
  assert(!compile([{ prefix: { data: "he" } }]).passes(viewOfBytes(undefined, undefined)));
});

test("data that is not JSON has nothing at any path", () => {
  const filter = compile([{ exact: { "data.a": "x" } }]);
  const views: readonly EventView[] = [
    viewOfBytes(Buffer.from('{"a":"x"}'), "text/plain"),
    viewOfBytes(Buffer.from('{"a":"x"'), "application/json"),
    viewOfBytes(Buffer.from([0x22, 0xff, 0x22]), "application/json"),
    viewOfBytes(undefined, "application/json"),
  ];
  for (const view of views) {
    assert.equal(filter.passes(view), false);
    assert.equal(compile([{ not: { exact: { "data.a": "x" } } }]).passes(view), true);
  }
});

test("keys of the data are never looked up on JavaScript objects", () => {
  for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const filter = compile([{ prefix: { [`data.${key}`]: "f" } }]);
    assert.equal(filter.passes(viewOfData("{}")), false, key);
    assert.equal(filter.passes(viewOfData(`{"${key}":"found"}`)), true, key);
  }
  assert.equal(
    violationsOf([JSON.parse('{"__proto__":{"type":"x"}}')])[0]?.code,
    "unknown_dialect",
  );
  assert.equal(violationsOf([{ constructor: {} }])[0]?.code, "unknown_dialect");
});

test("an attribute compares by its canonical string", () => {
  const view = viewOf({ count: 5, flag: true, time: "2026-01-02T03:04:05.600Z" });
  const wanted = { count: "5", flag: "true", time: "2026-01-02T03:04:05.600Z", specversion: "1.0" };
  assert(compile([{ exact: wanted }]).passes(view));
});

test("no filters match everything", () => {
  for (const filters of [[], undefined]) {
    const filter = compile(filters);
    assert(filter.passes(viewOf({})));
    assert.deepEqual(filter.anchorings, []);
    assert.deepEqual(filter.explain(viewOf({})), []);
  }
});

test("source and types restrict beside the filters", () => {
  const filter = compile([{ prefix: { subject: "a" } }], { source: "/s", types: ["t", "u"] });
  assert(filter.passes(viewOf({ source: "/s", type: "u", subject: "ab" })));
  assert(!filter.passes(viewOf({ source: "/other", type: "u", subject: "ab" })));
  assert(!filter.passes(viewOf({ source: "/s", type: "v", subject: "ab" })));
  assert(!filter.passes(viewOf({ source: "/s", type: "u", subject: "b" })));
  assert.deepEqual(anchoringsOf(filter), ["source=/s", "type=t,u", "subject^a"]);
});

const anchored: readonly [filters: unknown, anchorings: readonly string[]][] = [
  [[{ exact: { type: "a" } }], ["type=a"]],
  [[{ exact: { type: "a", source: "s" } }], ["type=a", "source=s"]],
  [[{ exact: { subject: "s" } }], ["subject=s"]],
  [[{ exact: { "data.type": "a" } }], []],
  [[{ exact: { id: "a" } }], []],
  [[{ prefix: { type: "a" } }], ["type^a"]],
  [[{ suffix: { source: "a" } }], ["source$a"]],
  [[{ not: { exact: { type: "a" } } }], []],
  [[{ cel: "event.type == 'a'" }], []],
  [[{ any: [{ exact: { type: "a" } }, { exact: { type: "b" } }] }], ["type=a,b"]],
  [[{ any: [{ exact: { type: "a" } }, { prefix: { source: "s" } }] }], ["type=a or source^s"]],
  [[{ any: [{ exact: { type: "a" } }, { exact: { id: "s" } }] }], []],
  [[{ all: [{ prefix: { source: "s" } }, { exact: { type: "a" } }] }], ["type=a", "source^s"]],
  [[{ all: [{ exact: { id: "1" } }, { prefix: { source: "s" } }] }], ["source^s"]],
  [
    [{ prefix: { type: "a" } }, { prefix: { source: "abc" } }],
    ["source^abc", "type^a"],
  ],
  [[{ exact: { type: "a" } }, { exact: { type: "b" } }], ["type="]],
  [
    [
      { any: [{ exact: { type: "a" } }, { exact: { type: "b" } }] },
      { any: [{ exact: { type: "b" } }, { exact: { type: "c" } }] },
    ],
    ["type=b"],
  ],
];

test("a filter says what must hold of type, source and subject, the cheapest first", () => {
  for (const [filters, anchorings] of anchored) {
    assert.deepEqual(anchoringsOf(compile(filters)), anchorings, JSON.stringify(filters));
  }
});

const refusals: readonly [filters: unknown, path: string, code: string, message: RegExp][] = [
  [{}, "filters", "invalid_value", /list of filters, not an object/],
  [null, "filters", "invalid_value", /not null/],
  [[null], "filters[0]", "invalid_value", /not null/],
  [["x"], "filters[0]", "invalid_value", /not a string/],
  [[{}], "filters[0]", "invalid_filter", /empty; name one dialect of exact/],
  [
    [{ exact: { type: "a" }, prefix: { type: "a" } }],
    "filters[0]",
    "invalid_filter",
    /holds 2: "exact", "prefix"/,
  ],
  [[{ regexp: {} }], "filters[0].regexp", "unknown_dialect", /"regexp"; known: exact, prefix/],
  [[{ exact: {} }], "filters[0].exact", "invalid_value", /at least one attribute/],
  [[{ exact: [] }], "filters[0].exact", "invalid_value", /not a list/],
  [[{ exact: { "": "x" } }], 'filters[0].exact[""]', "invalid_path", /name is missing/],
  [[{ exact: { type: "" } }], "filters[0].exact.type", "invalid_value", /empty/],
  [[{ exact: { "data.a": "" } }], 'filters[0].exact["data.a"]', "invalid_value", /empty/],
  [[{ exact: { type: null } }], "filters[0].exact.type", "invalid_value", /null/],
  [[{ exact: { count: 5 } }], "filters[0].exact.count", "invalid_value", /write "5"/],
  [[{ exact: { flag: true } }], "filters[0].exact.flag", "invalid_value", /write "true"/],
  [
    [{ exact: { "data.n": 2 ** 53 } }],
    'filters[0].exact["data.n"]',
    "invalid_value",
    /as a string/,
  ],
  [[{ exact: { "data.n": 1e-9 } }], 'filters[0].exact["data.n"]', "invalid_value", /as a string/],
  [[{ exact: { "data.n": {} } }], 'filters[0].exact["data.n"]', "invalid_value", /an object/],
  [
    [{ exact: { Type: "x" } }],
    "filters[0].exact.Type",
    "invalid_path",
    /'Type' can be no attribute/,
  ],
  [[{ exact: { "data..a": "x" } }], 'filters[0].exact["data..a"]', "invalid_path", /column 5/],
  [[{ all: [] }], "filters[0].all", "invalid_value", /at least one filter/],
  [[{ any: {} }], "filters[0].any", "invalid_value", /not an object/],
  [[{ not: [] }], "filters[0].not", "invalid_value", /not a list/],
  [[{ not: {} }], "filters[0].not", "invalid_filter", /empty/],
  [
    [{ exact: { type: "a" } }, { all: [{ exact: { type: "" } }] }],
    "filters[1].all[0].exact.type",
    "invalid_value",
    /empty/,
  ],
];

test("what can never be right is refused with its path, kind and way out", () => {
  for (const [filters, path, code, message] of refusals) {
    const violations = violationsOf(filters);
    const [first] = violations;
    assert.equal(violations.length, 1, JSON.stringify(violations));
    assert.equal(first?.path, path);
    assert.equal(first?.code, code, path);
    assert.match(first?.message ?? "", message, path);
  }
});

test("every violation is listed at once", () => {
  const filters = [
    {},
    { exact: { Key: "x", type: "", "data.a[": "y" } },
    { any: [{ sql: "x =" }, 5] },
  ];
  const paths = violationsOf(filters, { source: "", types: ["a", ""] }).map(({ path }) => path);
  assert.deepEqual(paths, [
    "source",
    "types[1]",
    "filters[0]",
    "filters[1].exact.Key",
    "filters[1].exact.type",
    'filters[1].exact["data.a["]',
    "filters[2].any[0].sql",
    "filters[2].any[1]",
  ]);
});

test("an empty list of types is refused, because nothing could pass", () => {
  assert.equal(violationsOf([], { types: [] })[0]?.path, "types");
});

function nested(depth: number): unknown {
  let filter: unknown = { exact: { type: "a" } };
  for (let level = 1; level < depth; level += 1) filter = { not: filter };
  return filter;
}

test("filters are at most filterDepthMax deep, however deep they come", () => {
  assert(compileFilters([nested(limits.filterDepthMax)]).ok);
  assert.equal(violationsOf([nested(limits.filterDepthMax + 1)])[0]?.code, "too_large");
  assert.equal(violationsOf([nested(200_000)])[0]?.code, "too_large");
});

test("filters have at most filterNodesMax parts and filterTextBytesMax bytes, said once", () => {
  const many = Array.from({ length: limits.filterNodesMax + 100 }, () => ({
    exact: { type: "a" },
  }));
  assert.deepEqual(
    violationsOf([{ any: many }]).map(({ code }) => code),
    ["too_large"],
  );
  const long = { exact: { type: "x".repeat(limits.filterTextBytesMax) } };
  assert.deepEqual(
    violationsOf([long]).map(({ code }) => code),
    ["too_large"],
  );
});

test("at most validationErrorsMax violations are listed", () => {
  const wrong = Array.from({ length: 500 }, () => ({}));
  assert.equal(violationsOf(wrong).length, limits.validationErrorsMax);
});

test("explain names each clause with the values compared", () => {
  const filter = compile([
    { exact: { type: "a", "data.user.name": "ada" } },
    { not: { any: [{ prefix: { subject: "x" } }, { suffix: { "data.list": "y" } }] } },
  ]);
  const view = viewOf({ type: "b", data: { user: { name: "ada" }, list: [] } });
  assert.deepEqual(filter.explain(view), [
    {
      path: "filters[0].exact.type",
      passed: false,
      reason: 'type is "b", which does not equal "a"',
    },
    {
      path: 'filters[0].exact["data.user.name"]',
      passed: true,
      reason: 'data.user.name is "ada", which equals "ada"',
    },
    { path: "filters[1].not", passed: true, reason: "the filter inside does not hold" },
    { path: "filters[1].not.any", passed: false, reason: "0 of 2 filters hold" },
    {
      path: "filters[1].not.any[0].prefix.subject",
      passed: false,
      reason: "the event has no attribute 'subject'",
    },
    {
      path: 'filters[1].not.any[1].suffix["data.list"]',
      passed: false,
      reason: "data.list is an array, and only strings, numbers and booleans are compared",
    },
  ]);
});

test("explain shows long values cut", () => {
  const [verdict] = compile([{ exact: { subject: "a" } }]).explain(
    viewOf({ subject: "b".repeat(5000) }),
  );
  assert((verdict?.reason.length ?? 0) < 200);
  assert.match(verdict?.reason ?? "", /…" \(5000 characters\)/);
});
