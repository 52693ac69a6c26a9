/** Event views made of structured events, through the broker's own reader. */
import assert from "node:assert/strict";
import type { EventView } from "../../src/event/event-view.ts";
import { createEventView } from "../../src/event/event-view.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { noExtensions } from "../../src/event/event.ts";
import { decodeStructured } from "../../src/event/json-format.ts";

/** Of the JSON text of a structured event, whose numbers stay as written. */
export function viewOfText(json: string): EventView {
  const reading = decodeStructured(Buffer.from(json));
  assert(reading.ok, `the event of the test is valid: ${JSON.stringify(reading)}`);
  return createEventView(reading.event);
}

/** Of attributes and `data`; what is required and absent is filled in. */
export function viewOf(members: Readonly<Record<string, unknown>>): EventView {
  const required = { specversion: "1.0", id: "1", source: "/test", type: "test" };
  return viewOfText(JSON.stringify({ ...required, ...members }));
}

/** Of JSON data as written. */
export function viewOfData(json: string): EventView {
  return viewOfBytes(Buffer.from(json), "application/json");
}

export function viewOfBytes(
  data: Uint8Array | undefined,
  datacontenttype: string | undefined,
): EventView {
  const event: CloudEvent = {
    id: "1",
    source: "/test",
    type: "test",
    subject: undefined,
    time: undefined,
    datacontenttype,
    dataschema: undefined,
    extensions: noExtensions,
    data,
    dataIsImpliedJson: false,
  };
  return createEventView(event);
}
