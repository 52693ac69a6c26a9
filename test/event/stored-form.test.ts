import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decodeEvent, decodeEventKeys, encodeEvent } from "../../src/event/stored-form.ts";
import { AssertionFailed } from "../../src/kernel/assert.ts";
import { limits } from "../../src/kernel/limits.ts";
import { arbitraryEvent, eventOf } from "./support.ts";

/** Decodes from the middle of a larger buffer, as the log does. */
function roundTrip(event: Parameters<typeof encodeEvent>[0]) {
  const form = encodeEvent(event);
  const buffer = Buffer.concat([Buffer.from("before"), form, Buffer.from("after")]);
  return decodeEvent(buffer, 6, 6 + form.length);
}

suite("the stored form", () => {
  test("gives back arbitrary events", () => {
    fc.assert(
      fc.property(arbitraryEvent, fc.boolean(), (event, dataIsImpliedJson) => {
        const stored = { ...event, dataIsImpliedJson };
        const decoded = roundTrip(stored);
        assert.deepEqual(decoded, stored);
        assert.deepEqual([...decoded.extensions.keys()], [...stored.extensions.keys()]);
      }),
      { numRuns: 500 },
    );
  });

  test("its keys are read alone as they are read with all", () => {
    fc.assert(
      fc.property(arbitraryEvent, fc.nat(7), (event, before) => {
        const form = encodeEvent(event);
        const buffer = Buffer.concat([Buffer.alloc(before, 1), form, Buffer.from("behind")]);
        const end = before + form.length;
        const { type, source, subject } = decodeEvent(buffer, before, end);
        assert.deepEqual(decodeEventKeys(buffer, before, end), { type, source, subject });
      }),
    );
  });

  test("keeps earlier forms intact when memory is handed on", () => {
    const events = Array.from({ length: 3000 }, (_, index) =>
      eventOf({
        id: `event-${index}`,
        subject: "x".repeat(index % 300),
        data: Buffer.alloc(index % 700, index),
      }),
    );
    const forms = events.map((event) => encodeEvent(event));
    for (const [index, form] of forms.entries()) {
      assert.deepEqual(decodeEvent(Buffer.from(form), 0, form.length), events[index]);
    }
  });

  test("carries the largest events", () => {
    const event = eventOf({
      subject: "é".repeat(100_000),
      data: Buffer.alloc(limits.eventBytesMax, "x"),
      extensions: new Map(Array.from({ length: 5000 }, (_, index) => [`x${index}`, index])),
    });
    assert.deepEqual(roundTrip(event), event);
  });

  test("tells empty from absent", () => {
    assert.equal(roundTrip(eventOf()).data, undefined);
    assert.equal(roundTrip(eventOf({ data: new Uint8Array(0) })).data?.length, 0);
    assert.equal(roundTrip(eventOf()).subject, undefined);
    assert.equal(roundTrip(eventOf({ extensions: new Map([["x", ""]]) })).extensions.get("x"), "");
  });

  test("gives the data as a view, without a copy", () => {
    const form = Buffer.from(encodeEvent(eventOf({ data: Buffer.from("abc") })));
    assert.equal(decodeEvent(form, 0, form.length).data?.buffer, form.buffer);
  });

  test("has the bytes that spec/stored-form.md draws", () => {
    const event = eventOf({
      source: "/é",
      time: "2026-01-31T23:59:59Z",
      extensions: new Map<string, string | number | boolean>([
        ["a", "v"],
        ["b", -5],
        ["c", true],
      ]),
      data: Buffer.from("DATA"),
    });
    const text = "1/ét2026-01-31T23:59:59Zavb-5ctrue";
    const expected = Buffer.concat([
      Buffer.from([1, 1, 35, 0, 0, 0, 3, 2, 3, 2, 0, 21, 0, 0, 0, 1, 1, 1, 1, 2, 2, 1, 4]),
      Buffer.from(text),
      Buffer.from("DATA"),
    ]);
    assert.deepEqual(Buffer.from(encodeEvent(event)), expected);
    const long = Buffer.from(encodeEvent(eventOf({ id: "x".repeat(254) })));
    assert.deepEqual([...long.subarray(6, 14)], [0, 255, 255, 0, 0, 0, 3, 2]);
  });

  test("is refused, never misread, when it is cut off or of another version", () => {
    const form = Buffer.from(encodeEvent(eventOf({ extensions: new Map([["ext", "value"]]) })));
    for (let length = 0; length < form.length; length += 1) {
      assert.throws(() => decodeEvent(form, 0, length), AssertionFailed);
    }
    const newer = Buffer.from(form);
    newer[0] = 2;
    assert.throws(() => decodeEvent(newer, 0, newer.length), /format version 1/);
  });

  test("never does worse than an assertion on rubbish", () => {
    const form = Buffer.from(
      encodeEvent(eventOf({ extensions: new Map([["ext", 7]]), data: Buffer.from("x") })),
    );
    fc.assert(
      fc.property(fc.nat(form.length - 1), fc.nat(255), (at, byte) => {
        const mutated = Buffer.from(form);
        mutated[at] = byte;
        try {
          decodeEvent(mutated, 0, mutated.length);
        } catch (error) {
          assert.ok(error instanceof AssertionFailed, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
