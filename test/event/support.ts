import assert from "node:assert/strict";
import fc from "fast-check";
import type { BatchReading } from "../../src/event/batch.ts";
import type {
  AttributeValue,
  CloudEvent,
  EventReading,
  EventRefusal,
} from "../../src/event/event.ts";

export function eventOf(members: Partial<CloudEvent> = {}): CloudEvent {
  return {
    id: "1",
    source: "/s",
    type: "t",
    subject: undefined,
    time: undefined,
    datacontenttype: undefined,
    dataschema: undefined,
    extensions: new Map(),
    data: undefined,
    dataIsImpliedJson: false,
    ...members,
  };
}

export function acceptedOf(reading: EventReading): CloudEvent {
  assert.ok(reading.ok, reading.ok ? "" : JSON.stringify(reading.violations));
  return reading.event;
}

export function refusalOf(reading: EventReading | BatchReading): EventRefusal {
  assert.ok(!reading.ok, "the event was accepted");
  return reading;
}

/** What was wrong, as `[index ]path code`. */
export function allViolations(reading: EventReading | BatchReading): readonly string[] {
  return refusalOf(reading).violations.map(({ path, code, index }) =>
    index === undefined ? `${path} ${code}` : `${index} ${path} ${code}`,
  );
}

export function dataText(event: CloudEvent): string | undefined {
  return event.data === undefined ? undefined : Buffer.from(event.data).toString("utf8");
}

const text = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
  .filter((value) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(value));

const extensionName = fc
  .oneof(
    fc.stringMatching(/^[a-z0-9]{1,24}$/),
    fc.constantFrom("constructor", "valueof", "1", "hasownproperty"),
  )
  .filter((name) => !coreNames.has(name));
const coreNames = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
  "data",
]);

export const extensionValue: fc.Arbitrary<AttributeValue> = fc.oneof(
  text,
  fc.constant(""),
  fc.string({ maxLength: 600, minLength: 250 }).filter((value) => /^[ -~]*$/.test(value)),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.boolean(),
);

/** Events as they come in over HTTP: valid, with any data. */
export const arbitraryEvent: fc.Arbitrary<CloudEvent> = fc
  .record({
    id: text,
    source: text.map((path) => `/${path.replaceAll(/[!-~]/g, encodeURIComponent)}`),
    type: text,
    subject: fc.option(text, { nil: undefined }),
    time: fc.constantFrom(undefined, "2026-01-31T23:59:59.123456789z", "1990-12-31T15:59:60-08:00"),
    datacontenttype: fc.constantFrom(
      undefined,
      "application/json",
      "text/plain; charset=utf-8",
      "application/octet-stream",
      "application/vnd.x+json",
    ),
    dataschema: fc.constantFrom(undefined, "https://example.com/schema", "urn:x:y"),
    extensions: fc
      .array(fc.tuple(extensionName, extensionValue), { maxLength: 6 })
      .map((pairs) => new Map(pairs)),
    data: fc.oneof(
      fc.constant(undefined),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
      fc.string({ unit: "grapheme" }).map((value) => Buffer.from(value)),
    ),
  })
  .map((members) => ({ ...members, dataIsImpliedJson: false }));
