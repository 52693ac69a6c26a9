import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { limits } from "../../src/kernel/limits.ts";
import { decodeBatch, encodeBatch } from "../../src/event/batch.ts";
import { allViolations, eventOf, refusalOf } from "./support.ts";

function batchOf(...events: readonly string[]): Buffer {
  return Buffer.from(`[${events.join(",")}]`);
}

function eventJson(id: number | string, more = ""): string {
  return `{"specversion":"1.0","id":"${id}","source":"/s","type":"t"${more}}`;
}

function eventsOf(body: Buffer) {
  const reading = decodeBatch(body);
  assert.ok(reading.ok, reading.ok ? "" : JSON.stringify(reading.violations));
  return reading.events;
}

suite("a batch", () => {
  test("T1: holds events with every kind of data, in order", () => {
    const events = eventsOf(
      batchOf(
        eventJson(1, ',"data":{"n": 1.10}'),
        eventJson(2, ',"datacontenttype":"text/plain","data":"é"'),
        eventJson(3, ',"data_base64":"AP8="'),
        eventJson(4),
      ),
    );
    assert.deepEqual(
      events.map((event) => event.id),
      ["1", "2", "3", "4"],
    );
    assert.deepEqual(
      events.map((event) =>
        event.data === undefined ? undefined : Buffer.from(event.data).toString("latin1"),
      ),
      ['{"n": 1.10}', "\u00c3\u00a9", "\u0000\u00ff", undefined],
    );
  });

  test("T1: may be empty", () => {
    assert.deepEqual(eventsOf(Buffer.from(" [ ] ")), []);
  });

  test("S15: may begin with a byte order mark", () => {
    assert.equal(eventsOf(Buffer.concat([Buffer.from("\ufeff"), batchOf(eventJson(1))])).length, 1);
  });

  for (const [name, body] of Object.entries({
    "one object": eventJson(1),
    "a string": '"x"',
    null: "null",
    nothing: "",
    "broken JSON": `[${eventJson(1)},]`,
    "a cut-off array": `[${eventJson(1)}`,
    "text after the array": `[${eventJson(1)}] x`,
  })) {
    test(`T2: is refused when it is ${name}`, () => {
      assert.equal(refusalOf(decodeBatch(Buffer.from(body))).code, "invalid_event");
    });
  }

  test("T2: is refused when it is not UTF-8", () => {
    assert.equal(
      refusalOf(decodeBatch(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d]))).code,
      "invalid_event",
    );
  });

  for (const element of ["[]", "1", '"x"', "null", "[[]]", `[${eventJson(2)}]`]) {
    test(`T2: is refused when an element is ${element}, and names its index`, () => {
      const refusal = refusalOf(decodeBatch(batchOf(eventJson(1), element)));
      assert.deepEqual(
        refusal.violations.map(({ path, code, index }) => ({ path, code, index })),
        [{ path: "", code: "invalid_type", index: 1 }],
      );
    });
  }

  test("T3: is refused when one event has another specversion", () => {
    const other = eventJson(2).replace("1.0", "0.3");
    assert.deepEqual(allViolations(decodeBatch(batchOf(eventJson(1), other))), [
      "1 specversion invalid_value",
    ]);
  });

  test("T4: is refused as a whole, naming every fault of every bad event", () => {
    const body = batchOf(
      eventJson(0),
      '{"specversion":"1.0","id":"","source":"/s"}',
      eventJson(2),
      eventJson(3, ',"time":"now","Bad":1'),
    );
    assert.deepEqual(allViolations(decodeBatch(body)), [
      "1 id invalid_value",
      "1 type missing",
      "3 time invalid_value",
      "3 Bad invalid_name",
    ]);
  });

  test("T4: lists no more faults than validationErrorsMax", () => {
    const bad = Array.from({ length: 200 }, () => "{}");
    assert.equal(
      refusalOf(decodeBatch(batchOf(...bad))).violations.length,
      limits.validationErrorsMax,
    );
  });

  test("is refused beyond batchEventsMax events, and taken up to it", () => {
    const events = Array.from({ length: limits.batchEventsMax }, (_, index) => eventJson(index));
    assert.equal(eventsOf(batchOf(...events)).length, limits.batchEventsMax);
    assert.equal(
      refusalOf(decodeBatch(batchOf(...events, eventJson("last")))).code,
      "batch_too_large",
    );
  });

  test("is refused beyond batchBytesMax bytes", () => {
    const body = Buffer.concat([batchOf(eventJson(1)), Buffer.alloc(limits.batchBytesMax, " ")]);
    assert.equal(refusalOf(decodeBatch(body)).code, "batch_too_large");
  });

  for (const letter of ["x", "é", "漢"]) {
    test(`is refused when one of its events is larger than eventBytesMax, counted in bytes of '${letter}'`, () => {
      const room = limits.eventBytesMax - Buffer.byteLength(eventJson(1, ',"data":""'));
      const width = Buffer.byteLength(letter);
      const fits = letter.repeat(Math.floor(room / width));
      assert.equal(eventsOf(batchOf(eventJson(0), eventJson(1, `,"data":"${fits}"`))).length, 2);
      const refusal = refusalOf(
        decodeBatch(batchOf(eventJson(0), eventJson(1, `,"data":"${fits}${letter}"`))),
      );
      assert.equal(refusal.code, "event_too_large");
      assert.equal(refusal.violations[0]?.index, 1);
    });
  }

  test("T5: comes back as it was written", () => {
    const events = [eventOf({ id: "1" }), eventOf({ id: "2", data: Buffer.from([0, 255]) })];
    assert.deepEqual(eventsOf(encodeBatch(events)), events);
    assert.equal(encodeBatch([]).toString(), "[]");
  });
});
