import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { createServer, request } from "node:http";
import { suite, test } from "node:test";
import { CloudEvent as SdkEvent, HTTP } from "cloudevents";
import fc from "fast-check";
import {
  binaryHeaderBytes,
  canBeBinary,
  decodeBinary,
  detectMode,
  encodeBinary,
  hasCeHeaders,
} from "../../src/event/http-binding.ts";
import type { EventReading } from "../../src/event/event.ts";
import { limits } from "../../src/kernel/limits.ts";
import {
  acceptedOf,
  allViolations,
  arbitraryEvent,
  dataText,
  eventOf,
  refusalOf,
} from "./support.ts";

const required = ["ce-specversion", "1.0", "ce-id", "1", "ce-source", "/s", "ce-type", "t"];

function read(headers: readonly string[], body: string | Buffer = ""): EventReading {
  return decodeBinary([...required, ...headers], Buffer.from(body));
}

function subjectOf(header: string): string | undefined {
  return acceptedOf(read(["ce-subject", header])).subject;
}

/** What node's server makes of a header value whose bytes are UTF-8. */
function wireUtf8(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

suite("the content mode", () => {
  for (const [contentType, mode] of [
    ["application/cloudevents+json", "structured"],
    ["application/cloudevents+json; charset=utf-8", "structured"],
    ["Application/CloudEvents+JSON;charset=UTF-8", "structured"],
    [" application/cloudevents+json ", "structured"],
    ["application/cloudevents-batch+json", "batch"],
    ["APPLICATION/CLOUDEVENTS-BATCH+JSON; charset=utf-8", "batch"],
    ["application/cloudevents", "unsupported"],
    ["application/cloudevents; charset=utf-8", "unsupported"],
    ["application/cloudevents+xml", "unsupported"],
    ["application/cloudevents+jsonx", "unsupported"],
    ["application/cloudevents-batch", "unsupported"],
    ["application/cloudevents-batch+avro", "unsupported"],
  ] as const) {
    test(`S2: of '${contentType}' is ${mode}, with or without ce- headers`, () => {
      assert.equal(detectMode(contentType, true), mode);
      assert.equal(detectMode(contentType, false), mode);
    });
  }

  for (const contentType of [
    undefined,
    "",
    "application/json",
    "text/plain",
    "text/application/cloudevents",
  ]) {
    test(`of ${contentType ?? "no Content-Type"} is binary with ce- headers and none without`, () => {
      assert.equal(detectMode(contentType, true), "binary");
      assert.equal(detectMode(contentType, false), "none");
    });
  }

  test("goes by names that begin with ce-, whatever their case", () => {
    assert.equal(hasCeHeaders(["Host", "x", "CE-Id", "1"]), true);
    assert.equal(hasCeHeaders(["Host", "ce-id", "cez", "1", "ce", "2", "xce-id", "3"]), false);
  });

  test("none is refused with the way out", () => {
    const refusal = refusalOf(
      decodeBinary(["Content-Type", "application/json"], Buffer.from("{}")),
    );
    assert.equal(refusal.code, "invalid_event");
    assert.match(
      refusal.violations[0]?.message ?? "",
      /"application\/json" and no ce- headers; send ce-id/,
    );
  });
});

suite("binary mode in", () => {
  test("B1: takes header names in any case and Content-Type as datacontenttype", () => {
    const headers = [
      "CE-SpecVersion",
      "1.0",
      "Ce-Id",
      "1",
      "cE-SOURCE",
      "/s",
      "ce-Type",
      "t",
      "content-TYPE",
      "Text/Plain; charset=x",
    ];
    assert.deepEqual(
      acceptedOf(decodeBinary(headers, Buffer.from("x"))),
      eventOf({ datacontenttype: "Text/Plain; charset=x", data: Buffer.from("x") }),
    );
  });

  test("B1: refuses ce-datacontenttype", () => {
    assert.deepEqual(allViolations(read(["ce-datacontenttype", "text/plain"])), [
      "datacontenttype invalid_name",
    ]);
  });

  test("B1: refuses Content-Type given twice", () => {
    assert.deepEqual(allViolations(read(["Content-Type", "a/b", "content-type", "a/b"])), [
      "datacontenttype repeated",
    ]);
  });

  for (const [header, value] of [
    ['"a b"', "a b"],
    ['"a \\"b\\" \\\\c"', 'a "b" \\c'],
    ['"%22\\%41"', '"A'],
    ['a "b" c', 'a "b" c'],
    ['"', '"'],
  ] as const) {
    test(`B2: reads ${header} as ${value}, quotes before escapes`, () =>
      assert.equal(subjectOf(header), value));
  }

  for (const [header, value] of [
    ["a%20b", "a b"],
    ["Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"],
    ["%e2%82%ac", "€"],
    ["%41%42", "AB"],
    ["%2525", "%25"],
    ["%22%25%22", '"%"'],
  ] as const) {
    test(`B3: reads ${header} as ${value}, decoding once`, () =>
      assert.equal(subjectOf(header), value));
  }

  for (const header of [
    "%C0%A0",
    "%ED%A0%80",
    "%E2%82",
    "%FF",
    "a%80b",
    "%E2%82x%AC",
    "%F8%88%80%80%80",
  ]) {
    test(`B4: refuses ${header}, which is not UTF-8`, () => {
      assert.deepEqual(allViolations(read(["ce-subject", header])), ["subject invalid_value"]);
    });
  }

  for (const value of ["100%", "%", "%zz", "%4", "50% off%", "%%"]) {
    test(`B5: keeps ${value} as it is`, () => assert.equal(subjectOf(value), value));
  }

  test("B6: takes raw spaces", () => assert.equal(subjectOf("a b  c"), "a b  c"));

  test("B7: reads raw bytes as UTF-8, else as latin1", () => {
    assert.equal(subjectOf(wireUtf8("é € 😀")), "é € 😀");
    assert.equal(subjectOf("caf\u00e9"), "café");
    assert.equal(subjectOf(`${wireUtf8("é")}%20%E2%82%AC`), "é €");
  });

  for (const header of ["a\u0080b", "\u0093quoted\u0094", wireUtf8("\u0085")]) {
    test(`B7: refuses ${JSON.stringify(header)}, neither UTF-8 text nor latin1 text`, () => {
      assert.deepEqual(allViolations(read(["ce-subject", header])), ["subject invalid_value"]);
    });
  }

  for (const header of ["a%0D%0Ax: y", "%00", "%7F", "%C2%85", "%EF%BF%BF"]) {
    test(`B8: refuses ${header}`, () => {
      assert.deepEqual(allViolations(read(["ce-ext", header])), ["ext invalid_value"]);
    });
  }

  test("B9: takes any bytes as data, uncopied", () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const reading = decodeBinary([...required, "Content-Type", "application/octet-stream"], body);
    assert.equal(acceptedOf(reading).data, body);
  });

  test("B10: carries a JSON body that is not JSON", () => {
    assert.equal(
      dataText(acceptedOf(read(["Content-Type", "application/json"], "{oops"))),
      "{oops",
    );
  });

  test("B11: leaves datacontenttype absent without a Content-Type", () => {
    const event = acceptedOf(read([], '{"a":1}'));
    assert.equal(event.datacontenttype, undefined);
    assert.equal(event.dataIsImpliedJson, false);
  });

  test("B12: takes no body as no data, whatever the Content-Type", () => {
    const event = acceptedOf(read(["Content-Type", "application/json"]));
    assert.equal(event.data, undefined);
    assert.equal(event.datacontenttype, "application/json");
  });

  test("B14: takes all values as strings", () => {
    const event = acceptedOf(read(["ce-flag", "true", "ce-count", "5"]));
    assert.deepEqual(
      [...event.extensions],
      [
        ["flag", "true"],
        ["count", "5"],
      ],
    );
  });

  test("refuses data beyond eventBytesMax", () => {
    const refusal = refusalOf(read([], Buffer.alloc(limits.eventBytesMax + 1)));
    assert.equal(refusal.code, "event_too_large");
  });

  test("ignores headers that are no attributes", () => {
    assert.deepEqual(
      acceptedOf(read(["Host", "x", "Content-Length", "0", "Set-Cookie", "a", "Set-Cookie", "b"])),
      eventOf(),
    );
  });
});

suite("binary mode out", () => {
  for (const [value, header] of [
    ["Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"],
    ['"%"', "%22%25%22"],
    ["a~!/?:@b", "a~!/?:@b"],
    ["\u00a0é", "%C2%A0%C3%A9"],
    [" ", "%20"],
  ] as const) {
    test(`E2: writes ${JSON.stringify(value)} as ${header}`, () => {
      const headers = encodeBinary(eventOf({ subject: value }));
      assert.equal(headers[headers.indexOf("ce-subject") + 1], header);
    });
  }

  test("E2: writes every attribute as ce-, datacontenttype as Content-Type", () => {
    const event = eventOf({
      subject: "s",
      time: "2026-01-31T23:59:59Z",
      dataschema: "https://x/s",
      datacontenttype: "text/plain",
      extensions: new Map<string, string | number | boolean>([
        ["flag", true],
        ["count", -5],
        ["empty", ""],
        ["constructor", "c"],
      ]),
    });
    assert.deepEqual(encodeBinary(event), [
      "ce-specversion",
      "1.0",
      "ce-id",
      "1",
      "ce-source",
      "/s",
      "ce-type",
      "t",
      "ce-subject",
      "s",
      "ce-time",
      "2026-01-31T23:59:59Z",
      "ce-dataschema",
      "https://x/s",
      "ce-flag",
      "true",
      "ce-count",
      "-5",
      "ce-empty",
      "",
      "ce-constructor",
      "c",
      "content-type",
      "text/plain",
    ]);
  });

  test("E3: has no Content-Type when there is none, and application/json when it was implied", () => {
    assert.equal(encodeBinary(eventOf({ data: Buffer.from("x") })).includes("content-type"), false);
    const implied = encodeBinary(eventOf({ data: Buffer.from("1"), dataIsImpliedJson: true }));
    assert.deepEqual(implied.slice(-2), ["content-type", "application/json"]);
  });

  test("gives back what came in, for arbitrary events", () => {
    fc.assert(
      fc.property(arbitraryEvent, (event) => {
        const headers = encodeBinary(event);
        for (const part of headers) assert.match(part, /^[ -~]*$/);
        const decoded = acceptedOf(decodeBinary(headers, Buffer.from(event.data ?? "")));
        const texts = [...event.extensions].map(([name, value]) => [name, String(value)]);
        assert.deepEqual([...decoded.extensions], texts);
        const data = event.data?.length === 0 ? undefined : event.data;
        assert.deepEqual({ ...decoded, extensions: event.extensions }, { ...event, data });
      }),
      { numRuns: 300 },
    );
  });

  test("is possible with data and headers within deliveryHeaderBytesMax only", () => {
    const data = Buffer.from("x");
    const fits = (event: ReturnType<typeof eventOf>) => canBeBinary(event, encodeBinary(event));
    assert.equal(fits(eventOf({ data })), true);
    assert.equal(fits(eventOf()), false);
    assert.equal(fits(eventOf({ data: Buffer.alloc(0) })), false);
    assert.equal(
      fits(eventOf({ data, subject: "x".repeat(limits.deliveryHeaderBytesMax) })),
      false,
    );
    assert.equal(
      fits(eventOf({ data, subject: "é".repeat(limits.deliveryHeaderBytesMax / 4) })),
      false,
    );
    assert.equal(binaryHeaderBytes(["a", "bc"]), "a: bc\r\n".length);
  });
});

suite("over a real connection", () => {
  test("node's header bytes and repeated headers arrive as B7 and I5 expect", async () => {
    const { promise, resolve, reject } = Promise.withResolvers<EventReading>();
    const server = createServer((incoming, response) => {
      resolve(decodeBinary(incoming.rawHeaders, Buffer.alloc(0)));
      response.end();
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const { port } = server.address() as AddressInfo;
    const headers = [...required, "ce-subject", wireUtf8("née €"), "ce-x", "1", "ce-x", "2"];
    request({ port, host: "127.0.0.1", method: "POST", headers: ["host", "x", ...headers] })
      .on("error", reject)
      .end();
    const reading = await promise;
    server.closeAllConnections();
    server.close();
    assert.deepEqual(allViolations(reading), ["x repeated"]);
  });
});

suite("beside the JavaScript SDK", () => {
  test("events that it sends in binary mode are read as it meant them", () => {
    const sent = new SdkEvent({
      id: "1",
      source: "/s",
      type: "t",
      subject: "sub",
      time: "2026-01-31T23:59:59.000Z",
      data: { a: 1 },
      ext: "v",
    });
    const { headers, body } = HTTP.binary(sent);
    const event = acceptedOf(
      decodeBinary(Object.entries(headers).flat() as string[], Buffer.from(body as string)),
    );
    assert.deepEqual(
      [event.id, event.source, event.type, event.subject, event.time],
      ["1", "/s", "t", "sub", sent.time],
    );
    assert.equal(event.extensions.get("ext"), "v");
    assert.equal(dataText(event), '{"a":1}');
  });

  test("events that we send in binary mode are read by it", () => {
    const event = eventOf({
      datacontenttype: "application/json",
      data: Buffer.from('{"a":1}'),
      extensions: new Map([["ext", "v"]]),
    });
    const flat = encodeBinary(event);
    const headers: Record<string, string> = {};
    for (let index = 0; index < flat.length; index += 2)
      headers[flat[index] ?? ""] = flat[index + 1] ?? "";
    const received = HTTP.toEvent<{ a: number }>({ headers, body: dataText(event) ?? "" });
    assert.ok(!Array.isArray(received));
    assert.deepEqual(
      [received.id, received.source, received.type, received["ext"]],
      ["1", "/s", "t", "v"],
    );
    assert.deepEqual(received.data, { a: 1 });
  });
});
