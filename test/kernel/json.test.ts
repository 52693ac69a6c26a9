import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { JsonDocument, JsonNode } from "../../src/kernel/json.ts";
import { missing, readJson } from "../../src/kernel/json.ts";
import { limits } from "../../src/kernel/limits.ts";

function read(text: string): JsonDocument {
  const reading = readJson(text);
  assert.ok(reading.ok, reading.ok ? "" : reading.failure.message);
  return reading.document;
}

/** Rebuilds the value through every accessor of the document. */
function valueOf(document: JsonDocument, node: JsonNode): unknown {
  switch (document.kind(node)) {
    case "object": {
      const entries: [string, unknown][] = [];
      document.eachMember(node, (key, value) => entries.push([key, valueOf(document, value)]));
      assert.equal(document.size(node), entries.length);
      return Object.fromEntries(entries);
    }
    case "array": {
      const elements: unknown[] = [];
      document.eachElement(node, (value, index) => {
        assert.equal(index, elements.length);
        assert.equal(document.element(node, index), value);
        elements.push(valueOf(document, value));
      });
      assert.equal(document.size(node), elements.length);
      return elements;
    }
    case "string":
      return document.string(node);
    case "number":
      return Number(document.raw(node));
    case "boolean":
      return document.raw(node) === "true";
    case "null":
      return null;
  }
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function agreesWithPlatform(text: string): void {
  const expected = parse(text);
  const reading = readJson(text, { depthMax: 1000 });
  assert.equal(reading.ok, expected !== undefined, JSON.stringify(text));
  if (!reading.ok || expected === undefined) return;
  const { document } = reading;
  assert.deepEqual(valueOf(document, document.root), expected.value);
}

suite("readJson agrees with JSON.parse", () => {
  test("on arbitrary JSON, blanks included", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 1, 2, "\t"), (json, indent) => {
        agreesWithPlatform(json);
        agreesWithPlatform(JSON.stringify(JSON.parse(json), null, indent));
      }),
      { numRuns: 400 },
    );
  });

  test("on strings of arbitrary characters, lone surrogates included", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (strings) => {
        agreesWithPlatform(JSON.stringify(strings));
        agreesWithPlatform(JSON.stringify(Object.fromEntries(strings.map((key) => [key, 1]))));
      }),
    );
  });

  test("on JSON with characters replaced, removed and inserted", () => {
    const characters = Array.from(
      '{}[]",:\\/0123456789+-.eEtfnu \n\t\r\u0000\u001f\u007fé😀\ufeff',
    );
    const character = fc.constantFrom(...characters);
    const edit = fc.record({
      at: fc.nat(),
      removed: fc.nat(2),
      inserted: fc.string({ unit: character, maxLength: 2 }),
    });
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 4 }),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        (json, edits) => {
          let text = json;
          for (const { at, removed, inserted } of edits) {
            const start = at % (text.length + 1);
            text = text.slice(0, start) + inserted + text.slice(start + removed);
          }
          agreesWithPlatform(text);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("on text made of JSON's own characters", () => {
    const token = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      '"a"',
      "1",
      "-",
      "0",
      ".5",
      "e1",
      "true",
      "null",
      " ",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) =>
        agreesWithPlatform(tokens.join("")),
      ),
      { numRuns: 3000 },
    );
  });

  for (const text of [
    "",
    " ",
    "null",
    " \n\ttrue\r",
    "-0",
    "-0.0e+10",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "1e+",
    "-",
    "0x1",
    "NaN",
    "tru",
    "nulll",
    "{}",
    "[]",
    "{,}",
    "[,]",
    "[1,]",
    '{"a":1,}',
    '{"a" 1}',
    "{a:1}",
    '"\\u12g4"',
    '"\\uD83D\\uDE00"',
    '"\\ud83d"',
    '"\\x"',
    '"\\',
    '"',
    '"\t"',
    '"\u007f\u2028"',
    "1 2",
    "{} {}",
    "\ufeff{}",
    "[1}",
    '{"a":1]',
    '"\u0000"',
    "\u0000",
    "1\u0000",
    "[1\u0000]",
    "\u00a01",
    "[\u0080]",
    '"é\n"',
  ]) {
    test(`on ${JSON.stringify(text)}`, () => agreesWithPlatform(text));
  }

  test("on texts that end at every place of a machine word", () => {
    for (let length = 0; length < 20; length += 1) {
      agreesWithPlatform(`"${"x".repeat(length)}"`);
      agreesWithPlatform(`"${"x".repeat(length)}`);
      agreesWithPlatform(`["${"x".repeat(length)}\\n","é${"y".repeat(length)}\u0001"]`);
    }
  });

  test("on texts larger than the scratch memory, before and after small ones", () => {
    const large = JSON.stringify({
      text: "é".repeat(200_000),
      list: Array.from({ length: 20_000 }, (_, i) => i),
    });
    agreesWithPlatform(large);
    agreesWithPlatform('{"a":[1]}');
    agreesWithPlatform(JSON.stringify("x".repeat(3_000_000)));
    agreesWithPlatform('{"a":[1');
  });
});

suite("a JSON document", () => {
  test("keeps the text of numbers that no double can hold", () => {
    const document = read('{"big": 12345678901234567890, "huge": 1e400, "exact": 1.10}');
    assert.equal(document.raw(document.member(document.root, "big")), "12345678901234567890");
    assert.equal(document.raw(document.member(document.root, "huge")), "1e400");
    assert.equal(document.raw(document.member(document.root, "exact")), "1.10");
  });

  test("gives raw slices of containers with their inner blanks", () => {
    const document = read(' { "a" : [ 1 , { } ] } ');
    const list = document.member(document.root, "a");
    assert.equal(document.raw(list), "[ 1 , { } ]");
    assert.equal(document.text.slice(document.start(list), document.end(list)), "[ 1 , { } ]");
  });

  test("takes the last of repeated keys and visits all of them", () => {
    const document = read('{"a":1,"b":2,"\\u0061":3}');
    assert.equal(document.raw(document.member(document.root, "a")), "3");
    const visited: string[] = [];
    document.eachMember(document.root, (key, value) => visited.push(key + document.raw(value)));
    assert.deepEqual(visited, ["a1", "b2", "a3"]);
  });

  test("finds keys by their content, whatever characters they hold", () => {
    const document = read('{"a\\"b":1,"a\\\\":2,"":3,"é":4,"\\ud83d\\ude00":5,"v":"k"}');
    const found = ['a"b', "a\\", "", "é", "😀", 'v":"k', "a"].map((key) =>
      document.member(document.root, key),
    );
    assert.deepEqual(
      found.map((node) => (node === missing ? "-" : document.raw(node))),
      ["1", "2", "3", "4", "5", "-", "-"],
    );
  });

  test("has no members that the text does not have", () => {
    const document = read("{}");
    for (const key of ["__proto__", "constructor", "toString"]) {
      assert.equal(document.member(document.root, key), missing);
    }
    const own = read('{"__proto__":{"constructor":1}}');
    const proto = own.member(own.root, "__proto__");
    assert.equal(own.raw(own.member(proto, "constructor")), "1");
  });

  test("answers missing for members of what is no object and elements of what is no array", () => {
    const document = read('{"list":[1,2],"text":"abc"}');
    const list = document.member(document.root, "list");
    assert.equal(document.member(list, "0"), missing);
    assert.equal(document.element(document.root, 0), missing);
    for (const index of [-1, 2, 0.5, Number.NaN])
      assert.equal(document.element(list, index), missing);
    const text = document.member(document.root, "text");
    assert.equal(document.size(text), 0);
    assert.equal(document.member(text, "length"), missing);
  });

  test("steps over subtrees to siblings", () => {
    const document = read('[{"deep":[[[{"x":1}]]]},{"x":2},[],"end"]');
    assert.equal(document.raw(document.element(document.root, 1)), '{"x":2}');
    assert.equal(document.string(document.element(document.root, 3)), "end");
  });

  test("shows lone surrogates in decoded strings", () => {
    const document = read('"\\ud800"');
    assert.equal(document.string(document.root), "\ud800");
    assert.equal(document.string(document.root).isWellFormed(), false);
  });

  test("refuses lookups in what was not found", () => {
    const document = read("{}");
    assert.throws(() => document.kind(missing), /compare with missing/);
  });

  test("unfolds only as deep as asked and keeps the raw text of the rest", () => {
    const text = '{"a":{"b":[1,2,{"c":3}],"d":[]},"e":[],"f":{"g":{}},"h":"\\n"}';
    const reading = readJson(text, { unfoldDepth: 1 });
    assert.ok(reading.ok);
    const { document } = reading;
    const members: string[] = [];
    document.eachMember(document.root, (key, value) =>
      members.push(`${key}=${document.raw(value)}`),
    );
    assert.deepEqual(members, ['a={"b":[1,2,{"c":3}],"d":[]}', "e=[]", 'f={"g":{}}', 'h="\\n"']);
    const a = document.member(document.root, "a");
    assert.equal(document.member(a, "b"), missing);
    assert.equal(readJson('{"a":{"b":[1,}}', { unfoldDepth: 1 }).ok, false);
  });
});

suite("a JSON failure names", () => {
  for (const [text, position, message] of [
    ['{"a": 1,\n "b": ]}', 15, "line 2, column 7: unexpected ']'; expected a value"],
    ["", 0, "line 1, column 1: unexpected end of the text; expected a value"],
    ["[1 2]", 3, "line 1, column 4: unexpected '2'; expected ',' or ']'"],
    ['{"a" 1}', 5, "line 1, column 6: unexpected '1'; expected ':'"],
    ["{1:2}", 1, "line 1, column 2: unexpected '1'; expected a member's name in quotes"],
    ["{} x", 3, "line 1, column 4: unexpected 'x'; expected nothing after the value"],
    ["01", 1, "line 1, column 2: unexpected '1'; expected nothing after the value"],
    [
      '"a\nb"',
      2,
      "line 1, column 3: unexpected character U+000A; expected it as an escape, as in \\n",
    ],
    [
      '"abc',
      4,
      "line 1, column 5: unexpected end of the text; expected the quote that ends the string",
    ],
    ['"é\\x"', 3, "line 1, column 4: unexpected 'x'; expected one of \"\\/bfnrtu after \\"],
    [
      '"\\u12g4"',
      5,
      "line 1, column 6: unexpected 'g'; expected four hexadecimal digits after \\u",
    ],
    ["-x", 1, "line 1, column 2: unexpected 'x'; expected a digit"],
    ["\ufeff1", 0, "line 1, column 1: unexpected byte order mark U+FEFF; expected a value"],
    ["trux", 3, "line 1, column 4: unexpected 'x'; expected true"],
  ] as const) {
    test(`the position in ${JSON.stringify(text)}`, () => {
      const reading = readJson(text);
      assert.ok(!reading.ok);
      assert.deepEqual(reading.failure, { position, message });
    });
  }

  test("the first bracket that is too deep", () => {
    assert.ok(readJson("[".repeat(limits.jsonDepthMax) + "]".repeat(limits.jsonDepthMax)).ok);
    const reading = readJson("[".repeat(limits.jsonDepthMax + 1));
    assert.ok(!reading.ok);
    assert.equal(reading.failure.position, limits.jsonDepthMax);
    assert.match(reading.failure.message, /expected at most 64 levels/);
    assert.equal(readJson("[[]]", { depthMax: 1 }).ok, false);
    assert.equal(readJson("1", { depthMax: 0 }).ok, true);
    assert.equal(readJson("[]", { depthMax: 0 }).ok, false);
  });

  test("a hundred thousand levels without a crash", () => {
    assert.equal(readJson("[".repeat(100_000)).ok, false);
    assert.equal(readJson('{"a":'.repeat(100_000), { depthMax: 200_000 }).ok, false);
    assert.equal(
      readJson("[".repeat(100_000) + "]".repeat(100_000), { depthMax: 200_000 }).ok,
      true,
    );
  });

  test("the limit on values", () => {
    const reading = readJson(`[${"0,".repeat(limits.jsonNodesMax)}0]`);
    assert.ok(!reading.ok);
    assert.match(reading.failure.message, /at most 1000000 values/);
  });
});
