import { limits } from "../kernel/limits.ts";
import { EventDraft, refuse, refuseTooLarge } from "./event-draft.ts";
import type { AttributeValue, CloudEvent, EventReading, EventRefusal } from "./event.ts";
import { decodeHeaderValue, encodeHeaderValue, isPlainHeaderValue } from "./header-value.ts";
import { quote } from "./validate.ts";

export type { EventReading } from "./event.ts";

/**
 * How a request carries its event or events: `unsupported` is a CloudEvents media type that is not
 * spoken here (415), `none` neither a CloudEvents media type nor ce- headers (400).
 */
export type ContentMode = "binary" | "structured" | "batch" | "unsupported" | "none";

const BATCH_PREFIX = "application/cloudevents-batch";
const STRUCTURED_PREFIX = "application/cloudevents";
const JSON_SUFFIX = /^\+json[ \t]*(?:;|$)/;

export const structuredContentType = "application/cloudevents+json; charset=utf-8";
export const batchContentType = "application/cloudevents-batch+json; charset=utf-8";

/** Decides by the Content-Type first: ce- headers beside a structured body are mere copies. */
export function detectMode(contentType: string | undefined, hasCeHeaders: boolean): ContentMode {
  const mediaType = contentType?.trimStart().toLowerCase() ?? "";
  // The batch prefix begins with the other one, so it comes first.
  if (mediaType.startsWith(BATCH_PREFIX)) {
    return JSON_SUFFIX.test(mediaType.slice(BATCH_PREFIX.length)) ? "batch" : "unsupported";
  }
  if (mediaType.startsWith(STRUCTURED_PREFIX)) {
    return JSON_SUFFIX.test(mediaType.slice(STRUCTURED_PREFIX.length))
      ? "structured"
      : "unsupported";
  }
  return hasCeHeaders ? "binary" : "none";
}

/** Whether any header of node's flat list is a CloudEvents attribute. */
export function hasCeHeaders(rawHeaders: readonly string[]): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (isCeHeader(rawHeaders[index] ?? "")) return true;
  }
  return false;
}

function isCeHeader(name: string): boolean {
  return (
    name.charCodeAt(2) === 0x2d &&
    (name.charCodeAt(0) | 0x20) === 0x63 &&
    (name.charCodeAt(1) | 0x20) === 0x65
  );
}

/**
 * Reads a binary-mode event from node's flat rawHeaders, which unlike `headers` show repetitions.
 * The event's data is the body itself, not a copy.
 */
export function decodeBinary(rawHeaders: readonly string[], body: Buffer): EventReading {
  if (body.length > limits.eventBytesMax) return refuseTooLarge(body.length);
  const draft = new EventDraft();
  let isCloudEvent = false;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const { role, name } = headerRole(rawHeaders[index] ?? "");
    if (role === "attribute") {
      isCloudEvent = true;
      readAttribute(draft, name, rawHeaders[index + 1] ?? "");
    } else if (role === "content-type") {
      draft.set("datacontenttype", rawHeaders[index + 1] ?? "");
    }
  }
  if (!isCloudEvent) return refuseNoEvent(draft.datacontenttype);
  // On the wire no body and an empty one are the same; no data is the meaning that loses nothing.
  return draft.finish({ data: body.length === 0 ? undefined : body, dataIsImpliedJson: false });
}

/** What a header is for an event, and the attribute's name if it is one. */
interface HeaderRole {
  readonly role: "attribute" | "content-type" | "other";
  readonly name: string;
}

/** The roles of header names seen so far: to fold and cut a name costs as much as its value does. */
const headerRoles = new Map<string, HeaderRole>();
const HEADER_ROLES_MAX = 1000;
const HEADER_NAME_LENGTH_MAX = 64;

function headerRole(header: string): HeaderRole {
  const known = headerRoles.get(header);
  if (known !== undefined) return known;
  const role = findHeaderRole(header);
  // Whoever sends ever new names only keeps them from being remembered.
  if (headerRoles.size < HEADER_ROLES_MAX && header.length <= HEADER_NAME_LENGTH_MAX) {
    headerRoles.set(header, role);
  }
  return role;
}

function findHeaderRole(header: string): HeaderRole {
  const lower = header.toLowerCase();
  if (lower === "content-type") return { role: "content-type", name: "" };
  if (isCeHeader(lower)) return { role: "attribute", name: lower.slice(3) };
  return { role: "other", name: "" };
}

function readAttribute(draft: EventDraft, name: string, header: string): void {
  if (name === "datacontenttype") {
    draft.report(
      name,
      "invalid_name",
      "ce-datacontenttype is not allowed in binary mode; send Content-Type instead",
    );
    return;
  }
  if (isPlainHeaderValue(header)) {
    draft.setPrintable(name, header);
    return;
  }
  const value = decodeHeaderValue(header);
  if (value === undefined) {
    draft.report(
      name,
      "invalid_value",
      `ce-${name} ${quote(header)} has percent escapes that are not UTF-8; encode each character's UTF-8 bytes`,
    );
    return;
  }
  draft.set(name, value);
}

function refuseNoEvent(contentType: string | undefined): EventRefusal {
  const sent = contentType === undefined ? "no Content-Type" : `Content-Type ${quote(contentType)}`;
  return refuse(
    "invalid_event",
    "missing",
    `the request has ${sent} and no ce- headers; send ce-id, ce-source, ce-type and ce-specversion, or a body of application/cloudevents+json`,
  );
}

/**
 * The event's attributes as a flat list of header names and values. Without a datacontenttype there
 * is no Content-Type: whoever sends must not let a default slip in.
 */
export function encodeBinary(event: CloudEvent): string[] {
  const headers = ["ce-specversion", "1.0"];
  pushHeader(headers, "ce-id", event.id);
  pushHeader(headers, "ce-source", event.source);
  pushHeader(headers, "ce-type", event.type);
  if (event.subject !== undefined) pushHeader(headers, "ce-subject", event.subject);
  if (event.time !== undefined) pushHeader(headers, "ce-time", event.time);
  if (event.dataschema !== undefined) pushHeader(headers, "ce-dataschema", event.dataschema);
  for (const [name, value] of event.extensions) pushHeader(headers, `ce-${name}`, value);
  if (event.datacontenttype !== undefined) headers.push("content-type", event.datacontenttype);
  else if (event.dataIsImpliedJson) headers.push("content-type", "application/json");
  return headers;
}

function pushHeader(headers: string[], name: string, value: AttributeValue): void {
  headers.push(name, encodeHeaderValue(typeof value === "string" ? value : String(value)));
}

/** What the headers take on the wire, with `: ` and the line end of each. */
export function binaryHeaderBytes(headers: readonly string[]): number {
  let bytes = headers.length * 2;
  for (const part of headers) bytes += part.length;
  return bytes;
}

/**
 * Whether binary mode can carry the event as it is. Absent data and empty data look the same there,
 * and consumers fail on requests with neither body nor Content-Type; such events go structured.
 */
export function canBeBinary(event: CloudEvent, headers: readonly string[]): boolean {
  if (event.data === undefined || event.data.length === 0) return false;
  return (
    headers.length / 2 <= limits.headerCountMax &&
    binaryHeaderBytes(headers) <= limits.deliveryHeaderBytesMax
  );
}
