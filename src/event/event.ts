import type { ErrorCode } from "../kernel/error-codes.ts";
import type { Violation } from "../kernel/errors.ts";

/**
 * A CloudEvent 1.0 as the broker holds it: attributes as the text (or JSON scalar) that was
 * published, data as bytes. Nothing is normalised: an event leaves as it came (P9).
 */

/** Binary mode knows strings only; JSON also booleans and 32-bit integers. */
export type AttributeValue = string | number | boolean;

export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  /** RFC 3339, as the producer wrote it. */
  readonly time: string | undefined;
  readonly datacontenttype: string | undefined;
  readonly dataschema: string | undefined;
  /** In the order of publishing. A Map, because `constructor` is a legal attribute name. */
  readonly extensions: ReadonlyMap<string, AttributeValue>;
  /** Raw bytes of the data; undefined when the event has none (empty is not none). */
  readonly data: Uint8Array | undefined;
  /**
   * True when the data came as a JSON value of a structured event without datacontenttype: it is
   * JSON although no attribute says so. Binary delivery then says application/json; structured
   * delivery leaves the attribute out, as it came.
   */
  readonly dataIsImpliedJson: boolean;
}

/** What came of reading an event from the wire. A refusal lists everything that is wrong with it. */
export type EventReading = { readonly ok: true; readonly event: CloudEvent } | EventRefusal;

export interface EventRefusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly violations: readonly Violation[];
}

export const noExtensions: ReadonlyMap<string, AttributeValue> = new Map();

/** The context attributes of the specification, in the order in which they are written out. */
export const coreAttributes = [
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
] as const;
export type CoreAttribute = (typeof coreAttributes)[number];

/** The value of any attribute by name, `specversion` included; undefined when absent. */
export function attributeOf(event: CloudEvent, name: string): AttributeValue | undefined {
  switch (name) {
    case "type":
      return event.type;
    case "source":
      return event.source;
    case "subject":
      return event.subject;
    case "id":
      return event.id;
    case "time":
      return event.time;
    case "datacontenttype":
      return event.datacontenttype;
    case "dataschema":
      return event.dataschema;
    case "specversion":
      return "1.0";
    default:
      return event.extensions.get(name);
  }
}

/** Attribute names are lower-case letters and digits; `data` is the data, never an attribute. */
const ATTRIBUTE_NAME = /^[a-z0-9]+$/;

export function isAttributeName(name: string): boolean {
  return ATTRIBUTE_NAME.test(name) && name !== "data";
}

/** Whether a media type is JSON: subtype `json` or suffix `+json`, parameters and case ignored. */
export function isJsonMediaType(mediaType: string): boolean {
  if (mediaType === "application/json") return true;
  const semicolon = mediaType.indexOf(";");
  const essence = (semicolon === -1 ? mediaType : mediaType.slice(0, semicolon))
    .trim()
    .toLowerCase();
  const slash = essence.indexOf("/");
  if (slash <= 0) return false;
  const subtype = essence.slice(slash + 1);
  return subtype === "json" || subtype.endsWith("+json");
}

/** Whether the data of this event claims to be JSON. */
export function hasJsonData(event: CloudEvent): boolean {
  if (event.data === undefined) return false;
  if (event.datacontenttype === undefined) return event.dataIsImpliedJson;
  return isJsonMediaType(event.datacontenttype);
}
