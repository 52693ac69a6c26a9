import type { Violation } from "../kernel/errors.ts";
import type { JsonNode } from "../kernel/json.ts";
import { limits } from "../kernel/limits.ts";
import { refuse, refuseTooLarge } from "./event-draft.ts";
import type { CloudEvent, EventRefusal } from "./event.ts";
import type { JsonBody } from "./json-format.ts";
import { encodeStructured, readEventObject, readJsonBody } from "./json-format.ts";

export type BatchReading =
  | { readonly ok: true; readonly events: readonly CloudEvent[] }
  | EventRefusal;

/**
 * Reads a batch (JSON event format §4): all of its events, in order, or none. What is wrong with
 * several events is listed together, each violation with the index of its event.
 */
export function decodeBatch(body: Buffer): BatchReading {
  if (body.length > limits.batchBytesMax) {
    return refuseBatch(`${body.length} bytes`, `${limits.batchBytesMax} (batchBytesMax)`);
  }
  const reading = readJsonBody(body, 2);
  if (!reading.ok) return reading;
  const { document } = reading.body;
  if (document.kind(document.root) !== "array") {
    return refuse("invalid_event", "invalid_type", "a batch is a JSON array of events");
  }
  const count = document.size(document.root);
  if (count > limits.batchEventsMax) {
    return refuseBatch(`${count} events`, `${limits.batchEventsMax} (batchEventsMax)`);
  }
  return readEvents(reading.body);
}

function refuseBatch(actual: string, allowed: string): EventRefusal {
  const message = `the batch has ${actual}; at most ${allowed} are taken, split it`;
  return refuse("batch_too_large", "too_large", message);
}

function readEvents(body: JsonBody): BatchReading {
  const { document } = body;
  const events: CloudEvent[] = [];
  const violations: Violation[] = [];
  let tooLarge: EventRefusal | undefined;
  document.eachElement(document.root, (node, index) => {
    const bytes = byteLength(body, node);
    if (bytes > limits.eventBytesMax) tooLarge ??= refuseTooLarge(bytes, index);
    if (violations.length >= limits.validationErrorsMax) return;
    const reading = readEventObject(body, node, index);
    if (reading.ok) events.push(reading.event);
    else violations.push(...reading.violations);
  });
  if (tooLarge !== undefined) return tooLarge;
  if (violations.length === 0) return { ok: true, events };
  return {
    ok: false,
    code: "invalid_event",
    violations: violations.slice(0, limits.validationErrorsMax),
  };
}

function byteLength({ document, asciiBytes }: JsonBody, node: JsonNode): number {
  const units = document.end(node) - document.start(node);
  // A UTF-16 unit takes at most three bytes, so most events need not be counted.
  if (asciiBytes !== undefined || units * 3 <= limits.eventBytesMax) return units;
  return Buffer.byteLength(document.raw(node), "utf8");
}

/** Writes a batch in the JSON event format. */
export function encodeBatch(events: readonly CloudEvent[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const event of events) {
    parts.push(parts.length === 0 ? openBracket : comma, encodeStructured(event));
  }
  if (parts.length === 0) parts.push(openBracket);
  parts.push(closeBracket);
  return Buffer.concat(parts);
}

const openBracket = Buffer.from("[");
const comma = Buffer.from(",");
const closeBracket = Buffer.from("]");
