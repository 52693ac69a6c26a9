import assert from "node:assert/strict";
import { test } from "node:test";
import { contentAt, identityAt, writeKey } from "../../src/broker/deduplication-key.ts";
import { KEY_BYTES } from "../../src/engine/record-facts.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { decodeBinary } from "../../src/event/http-binding.ts";
import { decodeStructured } from "../../src/event/json-format.ts";
import { decodeEvent, encodeEvent } from "../../src/event/stored-form.ts";
import { asBuffer } from "../../src/kernel/bytes.ts";

function structured(members: Readonly<Record<string, unknown>>): CloudEvent {
  const event = { specversion: "1.0", id: "1", source: "/s", type: "t", ...members };
  const reading = decodeStructured(Buffer.from(JSON.stringify(event)));
  assert.ok(reading.ok, JSON.stringify(reading));
  return reading.event;
}

function binary(headers: Readonly<Record<string, string>>, body: string): CloudEvent {
  const all = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t" };
  const reading = decodeBinary(Object.entries({ ...all, ...headers }).flat(), Buffer.from(body));
  assert.ok(reading.ok, JSON.stringify(reading));
  return reading.event;
}

function keyOf(event: CloudEvent): { identity: string; content: string } {
  const key = Buffer.alloc(KEY_BYTES);
  writeKey(event, key, 0);
  return { identity: identityAt(key, 0), content: contentAt(key, 0) };
}

const json = { "content-type": "application/json" };
const same: readonly (readonly [string, CloudEvent, CloudEvent])[] = [
  [
    "binary and structured mode",
    binary({ ...json, "ce-subject": "é".replace("é", "%C3%A9") }, '{"a":1}'),
    structured({ subject: "é", datacontenttype: "application/json", data: { a: 1 } }),
  ],
  ["JSON by implication and by name", binary(json, "[1]"), structured({ data: [1] })],
  [
    "an integer, a boolean and the same as headers",
    binary({ "ce-n": "5", "ce-b": "true" }, ""),
    structured({ n: 5, b: true }),
  ],
  ["extensions in another order", structured({ a: "1", b: "2" }), structured({ b: "2", a: "1" })],
  [
    "no data and empty data",
    structured({ datacontenttype: "text/plain", data: "" }),
    binary({ "content-type": "text/plain" }, ""),
  ],
  ["an empty body that a client gave a type", structured({}), binary(json, "")],
  [
    "text and the same bytes in base64",
    structured({ datacontenttype: "text/plain", data: "x" }),
    structured({ datacontenttype: "text/plain", data_base64: "eA==" }),
  ],
  [
    "another time and another span of a trace: another attempt",
    structured({ time: "2026-01-01T00:00:00Z", traceparent: "00-a-b-01", tracestate: "x=1" }),
    structured({ time: "2026-01-01T00:00:01Z" }),
  ],
];
for (const [what, one, other] of same) {
  test(`the same event: ${what}`, () => assert.deepEqual(keyOf(one), keyOf(other)));
}

const base = { subject: "a", datacontenttype: "text/plain", data: "x", region: "eu" };
const otherContent: readonly Readonly<Record<string, unknown>>[] = [
  { type: "u" },
  { subject: "b" },
  { subject: null },
  { datacontenttype: "text/html" },
  { dataschema: "https://example.com/s" },
  { data: "y" },
  { data: "x".repeat(50_000) },
  { region: "us" },
  { region: null },
  { zone: "1" },
  // Moving text from one value to the next must not go unnoticed.
  { subject: "a1:x" },
];
for (const change of otherContent) {
  test(`other content, same identity: ${JSON.stringify(change).slice(0, 60)}`, () => {
    const [one, other] = [keyOf(structured(base)), keyOf(structured({ ...base, ...change }))];
    assert.equal(one.identity, other.identity);
    assert.notEqual(one.content, other.content);
  });
}

test("the identity is source and id, and where one ends and the other begins", () => {
  const identities = [
    { source: "/a", id: "bc" },
    { source: "/ab", id: "c" },
    { source: "/a", id: "bd" },
    { source: "/A", id: "bc" },
    { source: "/a2:b", id: "c" },
  ].map((members) => keyOf(structured(members)).identity);
  assert.equal(new Set(identities).size, identities.length);
});

test("an event read back from the log has the key it was published with", () => {
  for (const event of [
    structured({ ...base, n: 5 }),
    binary(json, "{}"),
    structured({ data: 1 }),
  ]) {
    const stored = asBuffer(encodeEvent(event));
    assert.deepEqual(keyOf(decodeEvent(stored, 0, stored.length)), keyOf(event));
  }
});

test("keys are stored in logs: they stay what they are", () => {
  const key = Buffer.alloc(KEY_BYTES);
  writeKey(structured({ ...base, n: 5 }), key, 0);
  assert.equal(key.toString("hex"), "86744608769e86175ed870fe592ca32c792b0c555280e32a");
});
