import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decodeBinary } from "../../src/event/http-binding.ts";
import { decodeStructured } from "../../src/event/json-format.ts";
import type { AttributeValue, EventReading } from "../../src/event/event.ts";
import { attributeOf } from "../../src/event/event.ts";
import { validateEvent } from "../../src/event/validate.ts";
import { limits } from "../../src/kernel/limits.ts";
import { acceptedOf, allViolations, eventOf, refusalOf } from "./support.ts";

const valid = { specversion: "1.0", id: "1", source: "/s", type: "t" };
type Members = Readonly<Record<string, unknown>>;

/** The same attributes in both modes; undefined removes one. */
function structured(members: Members): EventReading {
  return decodeStructured(Buffer.from(JSON.stringify({ ...valid, ...members })));
}

function binary(members: Members): EventReading {
  const headers: string[] = [];
  for (const [name, value] of Object.entries({ ...valid, ...members })) {
    if (value === undefined) continue;
    if (name === "datacontenttype") headers.push("Content-Type", String(value));
    else headers.push(`ce-${name}`, encodeURIComponent(String(value)));
  }
  return decodeBinary(headers, Buffer.alloc(0));
}

/** Binary mode cannot say null or a number, so those rows run in JSON only. */
function readings(members: Members): readonly EventReading[] {
  const isText = Object.values(members).every(
    (value) => value === undefined || typeof value === "string",
  );
  return isText ? [structured(members), binary(members)] : [structured(members)];
}

function accepts(name: string, value: AttributeValue): void {
  for (const reading of readings({ [name]: value })) {
    assert.equal(attributeOf(acceptedOf(reading), name), value);
  }
}

function refuses(members: Members, ...expected: readonly string[]): void {
  for (const reading of readings(members)) {
    assert.equal(refusalOf(reading).code, "invalid_event");
    assert.deepEqual(allViolations(reading), expected);
  }
}

suite("I1: required attributes", () => {
  for (const name of ["id", "source", "type", "specversion"]) {
    test(`${name} is refused when it is missing`, () =>
      refuses({ [name]: undefined }, `${name} missing`));
    test(`${name} is refused when it is empty`, () => {
      refuses({ [name]: "" }, `${name} invalid_value`);
    });
  }
});

suite("I2: specversion", () => {
  for (const version of ["0.3", "1", "1.0 ", "1.1", "2.0"]) {
    test(`${JSON.stringify(version)} is refused`, () =>
      refuses({ specversion: version }, "specversion invalid_value"));
  }
});

suite("I3: attribute names", () => {
  for (const name of ["my-ext", "my_ext", "my.ext", "é", "a b", "__proto__"]) {
    test(`${JSON.stringify(name)} is refused`, () => {
      const json = JSON.stringify(valid).replace("}", `,${JSON.stringify(name)}:"v"}`);
      assert.deepEqual(allViolations(decodeStructured(Buffer.from(json))), [
        `${name} invalid_name`,
      ]);
    });
  }
  test("an empty name is refused", () => {
    const json = JSON.stringify({ ...valid, "": "v" });
    assert.deepEqual(allViolations(decodeStructured(Buffer.from(json))), [" invalid_name"]);
  });
  test("upper case is refused in JSON and folded in headers", () => {
    assert.deepEqual(allViolations(structured({ myExt: "v" })), ["myExt invalid_name"]);
    assert.equal(acceptedOf(binary({ myExt: "v" })).extensions.get("myext"), "v");
  });
  test("ce-data is refused", () =>
    assert.deepEqual(allViolations(binary({ data: "v" })), ["data invalid_name"]));
});

suite("I4: attribute names", () => {
  for (const name of [
    "averyveryverylongextensionname",
    "1st",
    "42",
    "constructor",
    "hasownproperty",
    "prototype",
  ]) {
    test(`${name} is legal`, () => accepts(name, "v"));
  }
});

suite("I5: an attribute given twice", () => {
  test("is refused in headers, whatever their case", () => {
    const headers = [
      "ce-id",
      "1",
      "CE-ID",
      "2",
      "ce-source",
      "/s",
      "ce-type",
      "t",
      "ce-specversion",
      "1.0",
      "ce-x",
      "1",
      "Ce-X",
      "1",
    ];
    assert.deepEqual(allViolations(decodeBinary(headers, Buffer.alloc(0))), [
      "id repeated",
      "x repeated",
    ]);
  });
  test("is refused in JSON, escaped names and data included", () => {
    const json =
      '{"specversion":"1.0","id":"1","source":"/s","type":"t","i\\u0064":"2","x":1,"x":null,"y":null,"y":"a","data":1,"data":1}';
    assert.deepEqual(allViolations(decodeStructured(Buffer.from(json))), [
      "id repeated",
      "x repeated",
      "y repeated",
      "data repeated",
    ]);
  });
});

suite("I6: characters of attribute values", () => {
  for (const character of [
    "\u0000",
    "\n",
    "\r",
    "\t",
    "\u001f",
    "\u007f",
    "\u0080",
    "\u009f",
    "\ufdd0",
    "\ufffe",
    "\uffff",
    "\u{1ffff}",
    "\u{10fffe}",
  ]) {
    const shown = `U+${character.codePointAt(0)?.toString(16)}`;
    for (const name of ["id", "source", "type", "subject", "ext"]) {
      test(`${shown} in ${name} is refused`, () =>
        refuses({ [name]: `a${character}b` }, `${name} invalid_value`));
    }
  }
  test("lone surrogates are refused", () => {
    for (const lone of ["\\ud800", "\\udc00", "\\udc00\\ud800"]) {
      const json = JSON.stringify(valid).replace("}", `,"ext":"${lone}"}`);
      assert.deepEqual(allViolations(decodeStructured(Buffer.from(json))), ["ext invalid_value"]);
    }
  });
  for (const value of ["é", "😀", "漢字", "\u00a0", "\ufffd", "\ufdcf", "\ufeff", 'a"b%c\\d']) {
    test(`${JSON.stringify(value)} is legal`, () => accepts("subject", value));
  }
});

suite("I7: integers", () => {
  for (const value of [0, 1, -1, 2147483647, -2147483648])
    test(`${value} is legal`, () => accepts("ext", value));
  for (const raw of [
    "2147483648",
    "-2147483649",
    "1.5",
    "1.0",
    "1e3",
    "1E0",
    "9007199254740993",
    "1e400",
  ]) {
    test(`${raw} is refused`, () => {
      const json = JSON.stringify(valid).replace("}", `,"ext":${raw}}`);
      const reading = decodeStructured(Buffer.from(json));
      assert.deepEqual(allViolations(reading), ["ext invalid_value"]);
      assert.ok(refusalOf(reading).violations[0]?.message.includes(raw));
    });
  }
  test("-0 is 0", () => {
    const json = JSON.stringify(valid).replace("}", ',"ext":-0}');
    assert.ok(Object.is(acceptedOf(decodeStructured(Buffer.from(json))).extensions.get("ext"), 0));
  });
});

suite("I8: attribute values", () => {
  for (const value of [{}, [], { a: 1 }, ["x"]]) {
    test(`${JSON.stringify(value)} is refused`, () => {
      refuses({ confluentrouting: value }, "confluentrouting invalid_type");
      refuses({ id: value }, "id invalid_type");
    });
  }
});

suite("I9: time", () => {
  for (const value of [
    "2026-01-31T23:59:59Z",
    "2026-01-31t23:59:59z",
    "2026-01-31T23:59:59+14:00",
    "2026-01-31T23:59:59-00:00",
    "2024-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "1990-12-31T23:59:60Z",
    "1990-12-31T15:59:60-08:00",
    "1937-01-01T12:00:27.87+00:20",
    "0000-01-01T00:00:00Z",
    "2026-01-31T23:59:59.123456789012345678901234567890Z",
    "1985-04-12T23:20:50.5Z",
  ]) {
    test(`${value} is legal and stays as it is`, () => accepts("time", value));
  }
  for (const value of [
    "",
    "now",
    "2026-01-31",
    "2026-01-31T23:59:59",
    "2026-01-31 23:59:59Z",
    "2026-1-31T23:59:59Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T23:60:00Z",
    "2026-01-31T23:59:61Z",
    "2026-01-31T12:00:60Z",
    "2026-01-31T23:59:59.Z",
    "2026-01-31T23:59:59,5Z",
    "2026-01-31T23:59:59+24:00",
    "2026-01-31T23:59:59+01:60",
    "2026-01-31T23:59:59+0100",
    "2026-01-31T23:59:59Z ",
    "20260131T235959Z",
    "1769903999",
    "٢٠٢٦-01-31T23:59:59Z",
  ]) {
    test(`${JSON.stringify(value)} is refused`, () =>
      refuses({ time: value }, "time invalid_value"));
  }
});

suite("I10: source is any URI-reference", () => {
  for (const value of [
    "1-555-123-4567",
    "mailto:a@b.c",
    "urn:uuid:6e8bc430",
    "/relative/path",
    "https://x/?q=1#f",
    "../up",
    "é/ü",
  ]) {
    test(`${value} is legal and stays as it is`, () => accepts("source", value));
  }
});

suite("I10: what is no URI-reference is refused", () => {
  for (const value of ["http://[bad", ":a", "/a\\b", "/100%"]) {
    test(`${value} is refused`, () => refuses({ source: value }, "source invalid_value"));
  }
});

test("I11: a source with a blank is legal", () => accepts("source", "/a b"));

suite("I12: dataschema", () => {
  for (const value of [
    "https://example.com/s",
    "urn:x:y",
    "file:///s.json",
    "https://example.com/s#/definitions/a",
  ]) {
    test(`${value} is legal`, () => accepts("dataschema", value));
  }
  for (const value of [
    "",
    "/schema",
    "schema.json",
    "//host/s",
    "https:",
    "https://a b",
    "1x:y",
    "#f",
  ]) {
    test(`${JSON.stringify(value)} is refused`, () =>
      refuses({ dataschema: value }, "dataschema invalid_value"));
  }
});

test("I13: an empty subject is refused", () => refuses({ subject: "" }, "subject invalid_value"));

suite("I14: datacontenttype", () => {
  for (const value of [
    "application/json",
    "Application/JSON",
    "text/plain; charset=utf-8",
    "text/plain;charset=UTF-8",
    'application/vnd.a.b+json;v=1; x="a;b\\"c"',
    "a/b",
    "multipart/form-data; boundary=----x",
    "text/plain;",
    "text/plain ; a=b ;; c=d",
  ]) {
    test(`${value} is legal and stays as it is`, () => accepts("datacontenttype", value));
  }
  for (const value of [
    "",
    "json",
    "application/",
    "/json",
    "a/b/c",
    "text/plain, text/html",
    "text/plain; charset",
    "text/plain; =x",
    'a/b; x="y',
    "a b/c",
  ]) {
    test(`${JSON.stringify(value)} is refused`, () =>
      refuses({ datacontenttype: value }, "datacontenttype invalid_value"));
  }
  test("a hostile one is refused fast", { timeout: 2000 }, () => {
    refuses({ datacontenttype: `a/b${"; ".repeat(30_000)}/` }, "datacontenttype invalid_value");
    refuses({ datacontenttype: `a/b;x="${'\\"'.repeat(30_000)}` }, "datacontenttype invalid_value");
    refuses(
      { datacontenttype: `a/b${";a=b".repeat(20_000)};` + "é" },
      "datacontenttype invalid_value",
    );
  });
});

test("I15: any number of extensions is carried, in their order", () => {
  const members = Object.fromEntries(
    Array.from({ length: 500 }, (_, index) => [`ext${index}`, `v${index}`]),
  );
  for (const reading of readings(members)) {
    assert.deepEqual([...acceptedOf(reading).extensions], Object.entries(members));
  }
});

test("I16: an attribute of 60 000 characters is carried", () => accepts("ext", "x".repeat(60_000)));
test("I17: an empty extension is kept", () => accepts("ext", ""));

suite("a refusal", () => {
  test("lists every violation at once", () => {
    refuses(
      {
        id: undefined,
        source: "",
        time: "now",
        subject: "",
        dataschema: "x",
        datacontenttype: "y",
        specversion: "2",
        "bad-name": "1",
        ext: "\u0001",
      },
      "specversion invalid_value",
      "source invalid_value",
      "time invalid_value",
      "subject invalid_value",
      "dataschema invalid_value",
      "datacontenttype invalid_value",
      "bad-name invalid_name",
      "ext invalid_value",
      "id missing",
    );
  });

  test("names the attribute, the shortened value and the way out", () => {
    const [violation] = refusalOf(structured({ time: "y".repeat(500) })).violations;
    assert.match(
      violation?.message ?? "",
      /^time "y{60}…" is not an RFC 3339 timestamp; write it as 2026-/,
    );
    const [control] = refusalOf(structured({ ext: "a\nb" })).violations;
    assert.match(control?.message ?? "", /^ext "a\\nb" holds U\+000A; /);
  });

  test("is bounded", () => {
    const members = Object.fromEntries(
      Array.from({ length: 500 }, (_, index) => [`Bad${index}`, "v"]),
    );
    assert.equal(refusalOf(structured(members)).violations.length, limits.validationErrorsMax);
  });
});

suite("validateEvent", () => {
  test("finds nothing wrong with a valid event", () => {
    assert.deepEqual(
      validateEvent(
        eventOf({ subject: "x", time: "2026-01-31T23:59:59Z", extensions: new Map([["a", 1]]) }),
      ),
      [],
    );
  });

  test("finds everything wrong with an event made in memory", () => {
    const extensions = new Map<string, AttributeValue>([
      ["Bad", "1"],
      ["id", "2"],
      ["data", "3"],
      ["n", 1.5],
      ["s", "\u0000"],
      ["flag", true],
    ]);
    const violations = validateEvent(eventOf({ id: "", subject: "", time: "x", extensions }));
    assert.deepEqual(
      violations.map(({ path, code }) => `${path} ${code}`),
      [
        "id invalid_value",
        "subject invalid_value",
        "time invalid_value",
        "Bad invalid_name",
        "id invalid_name",
        "data invalid_name",
        "n invalid_value",
        "s invalid_value",
      ],
    );
  });
});
