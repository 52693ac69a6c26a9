import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CloudEvent as SdkEvent, HTTP } from "cloudevents";
import fc from "fast-check";
import { createEventView } from "../../src/event/event-view.ts";
import type { CloudEvent, EventReading } from "../../src/event/event.ts";
import { encodeBinary } from "../../src/event/http-binding.ts";
import { decodeStructured, encodeStructured } from "../../src/event/json-format.ts";
import { limits } from "../../src/kernel/limits.ts";
import {
  acceptedOf,
  allViolations,
  arbitraryEvent,
  dataText,
  eventOf,
  refusalOf,
} from "./support.ts";

const required = '"specversion":"1.0","id":"1","source":"/s","type":"t"';

function read(members: string): EventReading {
  return decodeStructured(Buffer.from(`{${required}${members === "" ? "" : `,${members}`}}`));
}

function written(event: CloudEvent): Record<string, unknown> {
  return JSON.parse(encodeStructured(event).toString()) as Record<string, unknown>;
}

suite("structured mode in", () => {
  for (const body of [
    "[]",
    `[{${required}}]`,
    '"x"',
    "1",
    "null",
    "",
    " ",
    "{",
    `{${required}} x`,
    `{${required},}`,
    `{${required}}{}`,
  ]) {
    test(`S1: refuses ${JSON.stringify(body)}`, () => {
      assert.equal(refusalOf(decodeStructured(Buffer.from(body))).code, "invalid_event");
    });
  }

  test("S1: names the position of what is not JSON", () => {
    const [violation] = refusalOf(decodeStructured(Buffer.from('{\n"id": x}'))).violations;
    assert.match(violation?.message ?? "", /line 2, column 7: unexpected 'x'/);
  });

  for (const bytes of ["ff", "c0a0", "eda080", "e282"]) {
    test(`S1: refuses a body that is not UTF-8 (${bytes})`, () => {
      const body = Buffer.concat([
        Buffer.from(`{${required},"data":"`),
        Buffer.from(bytes, "hex"),
        Buffer.from('"}'),
      ]);
      assert.deepEqual(allViolations(decodeStructured(body)), [" invalid_utf8"]);
    });
  }

  test("S3: takes null as absent", () => {
    assert.deepEqual(acceptedOf(read('"subject":null,"time":null,"ext":null')), eventOf());
    const body = '{"specversion":"1.0","id":null,"source":"/s","type":"t"}';
    assert.deepEqual(allViolations(decodeStructured(Buffer.from(body))), ["id missing"]);
    assert.deepEqual(allViolations(read('"Bad":null')), ["Bad invalid_name"]);
  });

  test("S4: keeps the types of extensions", () => {
    const event = acceptedOf(read('"flag":true,"off":false,"count":-5,"text":"5"'));
    assert.deepEqual(
      [...event.extensions],
      [
        ["flag", true],
        ["off", false],
        ["count", -5],
        ["text", "5"],
      ],
    );
  });

  for (const [name, value] of [
    ["time", "1"],
    ["subject", "true"],
    ["datacontenttype", "1.5"],
    ["dataschema", "false"],
  ] as const) {
    test(`S5: refuses ${name} ${value}, which is no string`, () => {
      assert.deepEqual(allViolations(read(`"${name}":${value}`)), [`${name} invalid_type`]);
    });
  }

  test("S5: refuses id 123 and specversion 1.0 as numbers", () => {
    const body = '{"specversion":1.0,"id":123,"source":"/s","type":"t"}';
    assert.deepEqual(allViolations(decodeStructured(Buffer.from(body))), [
      "specversion invalid_type",
      "id invalid_type",
    ]);
  });

  for (const type of ["application/json", "text/JSON; x=y", "application/vnd.a+json"]) {
    for (const data of [
      '{"a": [1, 2]}',
      "[]",
      '"text"',
      '"{\\"a\\":1}"',
      "12",
      "null",
      "false",
      '""',
      "0",
    ]) {
      test(`S7, S12: keeps ${data} of ${type} as the value it is`, () => {
        const event = acceptedOf(read(`"datacontenttype":"${type}","data": ${data} `));
        assert.equal(dataText(event), data);
        assert.equal(event.dataIsImpliedJson, false);
      });
    }
  }

  test("S8: takes data without datacontenttype as JSON, explicit in binary mode", () => {
    const event = acceptedOf(read('"data":{"a":1}'));
    assert.deepEqual(event, eventOf({ data: Buffer.from('{"a":1}'), dataIsImpliedJson: true }));
    assert.deepEqual(encodeBinary(event).slice(-2), ["content-type", "application/json"]);
    assert.deepEqual(written(event), {
      specversion: "1.0",
      id: "1",
      source: "/s",
      type: "t",
      data: { a: 1 },
    });
  });

  test("S9: takes the content of a string as data of other types", () => {
    const event = acceptedOf(read('"datacontenttype":"text/plain","data":"a\\n\\u00e9 \\"q\\""'));
    assert.equal(dataText(event), 'a\né "q"');
  });

  for (const data of ["1", "{}", "[]", "true", "null"]) {
    test(`S9: refuses ${data} as data of text/plain`, () => {
      assert.deepEqual(allViolations(read(`"datacontenttype":"text/plain","data":${data}`)), [
        "data invalid_data",
      ]);
    });
  }

  test("S9: looks at a datacontenttype that comes after the data", () => {
    assert.equal(
      dataText(acceptedOf(read('"data":"a\\tb","datacontenttype":"text/plain"'))),
      "a\tb",
    );
  });

  test("refuses text with a lone surrogate, but carries it inside JSON", () => {
    assert.deepEqual(allViolations(read('"datacontenttype":"text/plain","data":"\\ud800"')), [
      "data invalid_data",
    ]);
    assert.equal(dataText(acceptedOf(read('"data":"\\ud800"'))), '"\\ud800"');
  });

  test("S10: decodes data_base64 and invents no type", () => {
    const event = acceptedOf(read('"data_base64":"AP8\\u003d"'));
    assert.deepEqual(event, eventOf({ data: Buffer.from([0, 255]) }));
    assert.equal(acceptedOf(read('"data_base64":""')).data?.length, 0);
  });

  for (const value of ['"AP8"', '"AP8-"', '"AP_/"', '"AP8=\\n"', '"a b="', "5", "{}", "false"]) {
    test(`S10: refuses data_base64 ${value}`, () => {
      assert.deepEqual(allViolations(read(`"data_base64":${value}`)), ["data_base64 invalid_data"]);
    });
  }

  test("S11: refuses data beside data_base64, null in the latter excepted", () => {
    assert.deepEqual(allViolations(read('"data":null,"data_base64":""')), [
      "data_base64 invalid_data",
    ]);
    assert.deepEqual(allViolations(read('"data":1,"data_base64":"x"')), [
      "data_base64 invalid_data",
    ]);
    assert.equal(dataText(acceptedOf(read('"data":1,"data_base64":null'))), "1");
    assert.equal(acceptedOf(read('"data_base64":null')).data, undefined);
  });

  test("S12: tells data null from no data", () => {
    assert.equal(dataText(acceptedOf(read('"data":null'))), "null");
    assert.equal(acceptedOf(read("")).data, undefined);
  });

  test("S13: keeps numbers, blanks, repeated keys and characters of JSON data", () => {
    const data = '{"id": 9223372036854775807, "x":1e400,"y" : 1.10, "a":1,"a":2, "é":"\\u00e9😀"}';
    assert.equal(dataText(acceptedOf(read(`"subject":"é","data":${data}`))), data);
    assert.equal(
      dataText(acceptedOf(read(`"data":${data.replaceAll(/[^ -~]/gu, "")}`))),
      data.replaceAll(/[^ -~]/gu, ""),
    );
  });

  test("S14: refuses __proto__ as an attribute and carries it inside data", () => {
    assert.deepEqual(allViolations(read('"__proto__":"x"')), ["__proto__ invalid_name"]);
    assert.deepEqual(allViolations(read('"__proto__":{"id":"x"}')), ["__proto__ invalid_type"]);
    const data = '{"__proto__":{"polluted":true},"constructor":{}}';
    assert.equal(dataText(acceptedOf(read(`"data":${data}`))), data);
    assert.equal(Reflect.get({}, "polluted"), undefined);
  });

  test("S14: carries data as deep as jsonDepthMax and refuses deeper data", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    const event = acceptedOf(read(`"data":${nested(limits.jsonDepthMax)}`));
    assert.ok(createEventView(event).dataDocument() !== undefined);
    assert.deepEqual(allViolations(read(`"data":${nested(limits.jsonDepthMax + 1)}`)), [
      " invalid_json",
    ]);
    assert.deepEqual(allViolations(read(`"data":${nested(200_000)}`)), [" invalid_json"]);
  });

  test("S15: takes a byte order mark, and the data after it byte for byte", () => {
    const event = acceptedOf(
      decodeStructured(Buffer.from(`\ufeff{${required},"data":{"a": "b"}}`)),
    );
    assert.equal(dataText(event), '{"a": "b"}');
  });

  test("refuses a body beyond eventBytesMax", () => {
    const body = Buffer.concat([
      Buffer.from(`{${required}}`),
      Buffer.alloc(limits.eventBytesMax, " "),
    ]);
    assert.equal(refusalOf(decodeStructured(body)).code, "event_too_large");
  });
});

suite("structured mode out", () => {
  const json = "application/json";
  for (const [name, event, members] of [
    [
      "JSON inline",
      { datacontenttype: json, data: Buffer.from('{"a": 1.10}') },
      '"data":{"a": 1.10}',
    ],
    ["implied JSON inline", { dataIsImpliedJson: true, data: Buffer.from("null") }, '"data":null'],
    [
      "JSON with characters inline",
      { datacontenttype: json, data: Buffer.from('"é😀"') },
      '"data":"é😀"',
    ],
    [
      "JSON that is none as base64",
      { datacontenttype: json, data: Buffer.from("{oops") },
      '"data_base64":"e29vcHM="',
    ],
    [
      "JSON with a byte order mark as base64",
      { datacontenttype: json, data: Buffer.from("\ufeff1") },
      '"data_base64":"77u/MQ=="',
    ],
    [
      "empty JSON data as base64",
      { datacontenttype: json, data: Buffer.alloc(0) },
      '"data_base64":""',
    ],
    [
      "text as a string",
      { datacontenttype: "text/plain", data: Buffer.from('a\n"é') },
      '"data":"a\\n\\"é"',
    ],
    [
      "XML as a string",
      { datacontenttype: "application/atom+xml", data: Buffer.from("<a/>") },
      '"data":"<a/>"',
    ],
    [
      "text that is not UTF-8 as base64",
      { datacontenttype: "text/plain", data: Buffer.from([0xe9]) },
      '"data_base64":"6Q=="',
    ],
    [
      "text of another charset as base64",
      { datacontenttype: "text/plain; charset=utf-16", data: Buffer.from("ab") },
      '"data_base64":"YWI="',
    ],
    [
      "bytes as base64",
      { datacontenttype: "image/png", data: Buffer.from("ab") },
      '"data_base64":"YWI="',
    ],
    ["data without a type as base64", { data: Buffer.from("{}") }, '"data_base64":"e30="'],
    ["no data as neither", { datacontenttype: json }, ""],
  ] as const) {
    test(`E4: writes ${name}`, () => {
      const type =
        "datacontenttype" in event ? `,"datacontenttype":"${event.datacontenttype}"` : "";
      const expected = `{${required}${type}${members === "" ? "" : `,${members}`}}`;
      assert.equal(encodeStructured(eventOf(event)).toString(), expected);
    });
  }

  test("E4: writes native types of extensions and escapes strings", () => {
    const extensions = new Map<string, string | number | boolean>([
      ["flag", true],
      ["count", -5],
      ["text", 'a"\\é'],
      ["constructor", ""],
    ]);
    const event = eventOf({ subject: 'q"', extensions });
    assert.equal(
      encodeStructured(event).toString(),
      `{${required},"subject":"q\\"","flag":true,"count":-5,"text":"a\\"\\\\é","constructor":""}`,
    );
  });

  test("E6: gives back what came in, for arbitrary events", () => {
    fc.assert(
      fc.property(arbitraryEvent, (event) => {
        assert.deepEqual(acceptedOf(decodeStructured(encodeStructured(event))), event);
      }),
      { numRuns: 400 },
    );
  });
});

suite("an event view", () => {
  test("derives text and document once, and only when there is such a thing", () => {
    const view = createEventView(
      eventOf({ datacontenttype: "application/json", data: Buffer.from('{"a":1}') }),
    );
    assert.equal(view.dataText(), '{"a":1}');
    const document = view.dataDocument();
    assert.ok(document !== undefined);
    assert.equal(document.raw(document.member(document.root, "a")), "1");
    assert.equal(view.dataDocument(), document);
  });

  for (const [name, event] of [
    ["there is no data", { datacontenttype: "application/json" }],
    ["the type is not JSON", { datacontenttype: "text/plain", data: Buffer.from("1") }],
    ["there is no type", { data: Buffer.from("1") }],
    ["the data is not JSON", { datacontenttype: "application/json", data: Buffer.from("{oops") }],
    [
      "the data is not UTF-8",
      { datacontenttype: "application/json", data: Buffer.from([0x22, 0xff, 0x22]) },
    ],
  ] as const) {
    test(`has no document when ${name}`, () => {
      assert.equal(createEventView(eventOf(event)).dataDocument(), undefined);
    });
  }

  test("has no text when the data is not UTF-8", () => {
    assert.equal(createEventView(eventOf({ data: Buffer.from([0xff]) })).dataText(), undefined);
  });
});

suite("beside the JavaScript SDK", () => {
  test("events that it sends in structured mode are read as it meant them", () => {
    const sent = new SdkEvent({
      id: "1",
      source: "/s",
      type: "t",
      time: "2026-01-31T23:59:59.000Z",
      datacontenttype: "application/json",
      data: { a: [1] },
      ext: 5,
    });
    const { body } = HTTP.structured(sent);
    const event = acceptedOf(decodeStructured(Buffer.from(body as string)));
    assert.deepEqual([event.id, event.time, event.extensions.get("ext")], ["1", sent.time, 5]);
    assert.equal(dataText(event), '{"a":[1]}');
  });

  test("events that we send in structured mode are read by it", () => {
    const event = eventOf({
      datacontenttype: "application/json",
      data: Buffer.from('{"a":1}'),
      extensions: new Map<string, string | boolean>([
        ["ext", "v"],
        ["flag", true],
      ]),
    });
    const headers = { "content-type": "application/cloudevents+json; charset=utf-8" };
    const received = HTTP.toEvent<{ a: number }>({
      headers,
      body: encodeStructured(event).toString(),
    });
    assert.ok(!Array.isArray(received));
    assert.deepEqual([received.id, received["ext"], received["flag"]], ["1", "v", true]);
    assert.deepEqual(received.data, { a: 1 });
  });
});
