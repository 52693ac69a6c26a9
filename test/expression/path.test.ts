import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PathReading } from "../../src/expression/path.ts";
import {
  compileLookup,
  compileManyLookup,
  parseDollarPath,
  parsePlainPath,
} from "../../src/expression/path.ts";
import type { JsonDocument } from "../../src/kernel/json.ts";
import { missing, readJson } from "../../src/kernel/json.ts";
import { limits } from "../../src/kernel/limits.ts";

function documentOf(text: string): JsonDocument {
  const reading = readJson(text);
  assert(reading.ok);
  return reading.document;
}

function find(reading: PathReading, json: string): string | undefined {
  assert(reading.ok, JSON.stringify(reading));
  const document = documentOf(json);
  if (reading.path.findsMany) {
    const nodes = compileManyLookup(reading.path.steps)(document, {
      matchesLeft: limits.pathMatchesMax,
    });
    return nodes === "too_many" ? nodes : nodes.map((node) => document.raw(node)).join(" ");
  }
  const node = compileLookup(reading.path.steps)(document);
  return node === missing ? undefined : document.raw(node);
}

const plainPaths: readonly [path: string, json: string, found: string | undefined][] = [
  ["data", "[1, 2]", "[1, 2]"],
  ["data.a", '{"a":1}', "1"],
  ["data.a.b.c.d", '{"a":{"b":{"c":{"d":4}}}}', "4"],
  ["data.items[1].sku", '{"items":[{},{"sku":"x"}]}', '"x"'],
  ["data[0][1]", "[[1,2]]", "2"],
  ['data["odd key"]', '{"odd key":1}', "1"],
  ['data["a.b[0]"].c', '{"a.b[0]":{"c":1}}', "1"],
  ['data[""]', '{"":1}', "1"],
  ['data["quo\\"te\\u0041"]', '{"quo\\"teA":1}', "1"],
  ["data.a-b_c9", '{"a-b_c9":1}', "1"],
  ["data.__proto__", "{}", undefined],
  ["data.__proto__.x", '{"__proto__":{"x":1}}', "1"],
  ["data.constructor", '{"constructor":7}', "7"],
  ["data.length", "[1,2]", undefined],
  ["data.a.b", '{"a":"text"}', undefined],
  ["data[5]", "[1]", undefined],
  ["data.a", '{"a":1,"a":2}', "2"],
  ["data.n", '{"n":9007199254740993}', "9007199254740993"],
];

test("a plain path finds one value of the data", () => {
  for (const [path, json, found] of plainPaths) {
    assert.equal(find(parsePlainPath(path), json), found, path);
  }
});

const dollarPaths: readonly [path: string, json: string, found: string | undefined][] = [
  ["$.data", "1", "1"],
  ["$.data.a[-1]", '{"a":[1,2,3]}', "3"],
  ["$.data.a[-4]", '{"a":[1,2,3]}', undefined],
  ["$.data['odd \\'key\\'']", `{"odd 'key'":1}`, "1"],
  ["$.data['say \"x\"']", '{"say \\"x\\"":1}', "1"],
  ["$.data[1:3]", "[0,1,2,3]", "1 2"],
  ["$.data[:]", "[0,1]", "0 1"],
  ["$.data[::2]", "[0,1,2,3]", "0 2"],
  ["$.data[-2:]", "[0,1,2,3]", "2 3"],
  ["$.data[:-3]", "[0,1,2,3]", "0"],
  ["$.data[5:1:-2]", "[0,1,2,3,4,5,6]", "5 3"],
  ["$.data[9:0:-3]", "[0,1,2,3]", "3"],
  ["$.data[::-1]", "[0,1]", ""],
  ["$.data[*].a", '[{"a":1},{},{"a":2}]', "1 2"],
  ["$.data[*]", '{"x":1,"y":2}', "1 2"],
  ["$.data[*][*]", "[[1,2],[3],4]", "1 2 3"],
  ["$.data.a[*]", '{"a":"text"}', ""],
];

test("a dollar path also counts from the end, slices and takes every value", () => {
  for (const [path, json, found] of dollarPaths) {
    assert.equal(find(parseDollarPath(path), json), found, path);
  }
});

test("an attribute is a path of one name", () => {
  for (const name of ["type", "datacontenttype", "datax", "0day", "partitionkey"]) {
    const plain = parsePlainPath(name);
    const dollar = parseDollarPath(`$.${name}`);
    assert(plain.ok && dollar.ok);
    assert.deepEqual([plain.path.root, plain.path.steps], [name, []]);
    assert.deepEqual([dollar.path.root, dollar.path.steps], [name, []]);
  }
});

const refusedPlain: readonly [path: string, position: number, message: RegExp][] = [
  ["", 0, /name is missing/],
  ["Key", 0, /'Key' can be no attribute's name/],
  ["my-attr", 0, /a-z and 0-9/],
  ["subject.x", 7, /did you mean data\.subject\?/],
  ["data.", 5, /expected a name/],
  ["data..a", 4, /'\.\.'/],
  ["data.9", 5, /expected a name/],
  ["data.a b", 6, /expected '\.', '\['/],
  ["data.a[", 6, /not closed/],
  ["data.a[]", 7, /index or a key in double quotes/],
  ["data.a[-1]", 7, /counts from the start/],
  ["data.a[01]", 7, /index or a key/],
  ["data.a[*]", 7, /transformers only/],
  ["data.a[1:2]", 7, /transformers only/],
  ["data['a']", 5, /double quotes/],
  ['data.["a"]', 5, /expected a name/],
  ['data["a', 5, /no closing quote/],
  ['data["a"', 8, /expected '\]'/],
  ['data["\\x"]', 5, /no valid JSON string/],
  ["data[?(@.a)]", 5, /filter expressions/],
  ["data[99999999999999999999]", 5, /index or a key/],
];

test("what is no plain path is refused at the wrong character", () => {
  for (const [path, position, message] of refusedPlain) {
    const reading = parsePlainPath(path);
    assert(!reading.ok, path);
    assert.match(reading.failure.message, message, path);
    assert.equal(reading.failure.position, position, path);
  }
});

const refusedDollar: readonly [path: string, position: number, message: RegExp][] = [
  ["$", 0, /begins with '\$\.'/],
  ["type", 0, /begins with '\$\.'/],
  ["$..x", 1, /'\.\.'/],
  ["$.data..x", 6, /'\.\.'/],
  ["$.a-bc", 2, /can be no attribute's name/],
  ["$.data[?(@.x > 1)]", 7, /filter expressions/],
  ["$.data[?@.x]", 7, /filter expressions/],
  ["$.data[(1)]", 7, /filter expressions/],
  ["$.data[0,1]", 7, /lists as in \[0,1\]/],
  ["$.data[1:2:0]", 7, /cannot be 0/],
  ["$.data[1:2:3:4]", 7, /a slice is/],
  ["$.data[a:b]", 7, /a slice is/],
  ["$.data.*", 7, /expected a name/],
];

test("what is no dollar path is refused at the wrong character", () => {
  for (const [path, position, message] of refusedDollar) {
    const reading = parseDollarPath(path);
    assert(!reading.ok, path);
    assert.match(reading.failure.message, message, path);
    assert.equal(reading.failure.position, position, path);
  }
});

test("a path has at most pathStepsMax steps", () => {
  assert(parsePlainPath(`data${".a".repeat(limits.pathStepsMax)}`).ok);
  assert(!parsePlainPath(`data${".a".repeat(limits.pathStepsMax + 1)}`).ok);
});

test("a path that finds more than pathMatchesMax values says so", () => {
  const many = `[${Array.from({ length: limits.pathMatchesMax + 1 }, () => "1").join(",")}]`;
  assert.equal(find(parseDollarPath("$.data[*]"), many), "too_many");
  assert.equal(find(parseDollarPath("$.data[:]"), many), "too_many");
});

test("parsing never throws, and a failure lies within the text", () => {
  const piece = fc.constantFrom(
    "data",
    ".",
    "[",
    "]",
    '"',
    "'",
    "\\",
    "a",
    "0",
    "-",
    ":",
    "*",
    "?",
  );
  const text = fc.oneof(
    fc.array(piece).map((pieces) => pieces.join("")),
    fc.array(piece).map((pieces) => `$.data${pieces.join("")}`),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (path) => {
      for (const reading of [parsePlainPath(path), parseDollarPath(path)]) {
        if (reading.ok) continue;
        assert(reading.failure.position >= 0 && reading.failure.position <= path.length);
      }
    }),
    { numRuns: 2000 },
  );
});

test("any key can be reached in quotes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (key) => {
      const json = JSON.stringify(key);
      assert.equal(find(parsePlainPath(`data[${json}]`), `{"a":0,${json}:1}`), "1");
    }),
  );
});
