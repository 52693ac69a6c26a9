import { isUtf8 } from "node:buffer";
import {
  asBuffer,
  BYTE_ORDER_MARK_BYTES,
  decodeBase64,
  decodeUtf8,
  hasByteOrderMark,
} from "../kernel/bytes.ts";
import type { JsonDocument, JsonKind, JsonNode } from "../kernel/json.ts";
import { missing, readJson } from "../kernel/json.ts";
import { limits } from "../kernel/limits.ts";
import type { DraftData } from "./event-draft.ts";
import { EventDraft, refuse, refuseTooLarge } from "./event-draft.ts";
import type { CloudEvent, EventReading, EventRefusal } from "./event.ts";
import { hasJsonData, isJsonMediaType } from "./event.ts";
import { isCoreName, isInt32, notAnInteger, quote } from "./validate.ts";

export type { EventReading } from "./event.ts";

/** A body of JSON text, and its bytes when a position in the text is one in the bytes as well. */
export interface JsonBody {
  readonly document: JsonDocument;
  readonly asciiBytes: Buffer | undefined;
  /** Whether strings without escapes are printable ASCII: DEL is all that JSON lets pass else. */
  readonly isPrintable: boolean;
}

export type JsonBodyReading = { readonly ok: true; readonly body: JsonBody } | EventRefusal;

/** Reads the body of a structured-mode event (JSON event format §3). */
export function decodeStructured(body: Buffer): EventReading {
  if (body.length > limits.eventBytesMax) return refuseTooLarge(body.length);
  // The data may be as deep as in binary mode, and it lies one level down.
  const reading = readJsonBody(body, 1);
  if (!reading.ok) return reading;
  return readEventObject(reading.body, reading.body.document.root);
}

/** Reads a body whose events lie `eventDepth - 1` levels below its root. */
export function readJsonBody(body: Buffer, eventDepth: number): JsonBodyReading {
  if (!isUtf8(body)) {
    return refuse(
      "invalid_event",
      "invalid_utf8",
      "the body is not UTF-8; encode the JSON text in UTF-8",
    );
  }
  const bytes = hasByteOrderMark(body) ? body.subarray(BYTE_ORDER_MARK_BYTES) : body;
  const text = bytes.toString("utf8");
  const reading = readJson(text, {
    depthMax: limits.jsonDepthMax + eventDepth,
    unfoldDepth: eventDepth,
  });
  if (!reading.ok) {
    return refuse(
      "invalid_event",
      "invalid_json",
      `the body is not valid JSON: ${reading.failure.message}`,
    );
  }
  const asciiBytes = text.length === bytes.length ? bytes : undefined;
  const isPrintable = asciiBytes !== undefined && !text.includes("\x7f");
  return { ok: true, body: { document: reading.document, asciiBytes, isPrintable } };
}

/** Reads one event object of a body; `index` says which of a batch, for what is wrong with it. */
export function readEventObject(body: JsonBody, node: JsonNode, index?: number): EventReading {
  const { document } = body;
  const kind = document.kind(node);
  if (kind !== "object") {
    const message = `an event is a JSON object, but this is ${kindPhrases[kind]}; see the CloudEvents JSON format`;
    return refuse("invalid_event", "invalid_type", message, index);
  }
  const draft = new EventDraft(index);
  let data: JsonNode = missing;
  let base64: JsonNode = missing;
  document.eachMember(node, (name, value) => {
    if (name === "data") {
      if (data !== missing) draft.reportRepeated(name);
      data = value;
    } else if (name === "data_base64") {
      if (base64 !== missing) draft.reportRepeated(name);
      base64 = value;
    } else {
      readAttribute(draft, body, { name, value });
    }
  });
  // For data_base64 null is absence as it is for attributes; for data it is the value null.
  if (base64 !== missing && document.kind(base64) === "null") base64 = missing;
  return draft.finish(readData(draft, body, { data, base64 }));
}

const kindPhrases: Readonly<Record<JsonKind, string>> = {
  object: "an object",
  array: "an array",
  string: "a string",
  number: "a number",
  boolean: "a boolean",
  null: "null",
};

interface Member {
  readonly name: string;
  readonly value: JsonNode;
}

const INTEGER = /^-?\d+$/;

function readAttribute(draft: EventDraft, body: JsonBody, { name, value }: Member): void {
  const { document } = body;
  const kind = document.kind(value);
  switch (kind) {
    case "string":
      if (body.isPrintable && !document.hasEscape(value)) {
        draft.setPrintable(name, document.string(value));
      } else {
        draft.set(name, document.string(value));
      }
      break;
    case "boolean":
      draft.set(name, document.raw(value) === "true");
      break;
    case "number":
      readInteger(draft, name, document.raw(value));
      break;
    case "null":
      draft.setAbsent(name);
      break;
    case "object":
    case "array":
      draft.report(
        name,
        "invalid_type",
        `${quote(name)} is ${kindPhrases[kind]}; attributes are strings, integers or booleans, anything else belongs into data`,
      );
  }
}

function readInteger(draft: EventDraft, name: string, raw: string): void {
  const value = Number(raw);
  if (isCoreName(name) || (INTEGER.test(raw) && isInt32(value))) {
    // Adding 0 makes -0, which JSON can write and an Integer cannot be, a plain 0.
    draft.set(name, value + 0);
  } else {
    draft.report(name, "invalid_value", notAnInteger(name, raw));
  }
}

const noData: DraftData = { data: undefined, dataIsImpliedJson: false };

interface DataMembers {
  readonly data: JsonNode;
  readonly base64: JsonNode;
}

function readData(draft: EventDraft, body: JsonBody, { data, base64 }: DataMembers): DraftData {
  if (base64 !== missing) {
    if (data !== missing) {
      draft.report("data_base64", "invalid_data", "both data and data_base64 are given; send one");
      return noData;
    }
    return readBase64(draft, body.document, base64);
  }
  if (data === missing) return noData;
  const mediaType = draft.datacontenttype;
  if (mediaType === undefined) return { data: rawBytes(body, data), dataIsImpliedJson: true };
  if (isJsonMediaType(mediaType)) return { data: rawBytes(body, data), dataIsImpliedJson: false };
  return readText(draft, body.document, data);
}

function readBase64(draft: EventDraft, document: JsonDocument, node: JsonNode): DraftData {
  const data = document.kind(node) === "string" ? decodeBase64(document.string(node)) : undefined;
  if (data === undefined) {
    draft.report(
      "data_base64",
      "invalid_data",
      "data_base64 is not base64; write it in the standard alphabet of RFC 4648 with padding",
    );
  }
  return { data, dataIsImpliedJson: false };
}

/** The data as it was written, so that numbers, blanks and repeated keys stay what they were. */
function rawBytes({ document, asciiBytes }: JsonBody, node: JsonNode): Buffer {
  if (asciiBytes === undefined) return Buffer.from(document.raw(node), "utf8");
  return asciiBytes.subarray(document.start(node), document.end(node));
}

/** Data of a type that is not JSON: the content of the string is the data. */
function readText(draft: EventDraft, document: JsonDocument, node: JsonNode): DraftData {
  const kind = document.kind(node);
  if (kind !== "string") {
    draft.report(
      "data",
      "invalid_data",
      `data is ${kindPhrases[kind]}, but datacontenttype ${quote(draft.datacontenttype ?? "")} is not JSON; send a string or data_base64`,
    );
    return noData;
  }
  const text = document.string(node);
  if (!text.isWellFormed()) {
    draft.report(
      "data",
      "invalid_data",
      "data holds a lone surrogate, which no UTF-8 text can hold; send data_base64",
    );
  }
  return { data: Buffer.from(text, "utf8"), dataIsImpliedJson: false };
}

/**
 * Writes the event in the JSON event format. Data that is JSON goes in byte for byte, text as a
 * string, anything else as base64.
 */
export function encodeStructured(event: CloudEvent): Buffer {
  const attributes = encodeAttributes(event);
  const { data } = event;
  if (data === undefined) return Buffer.from(`${attributes}}`, "utf8");
  const form = dataForm(event, data);
  switch (form.form) {
    case "json":
      return joinBytes(`${attributes},"data":`, data);
    case "text":
      return Buffer.from(`${attributes},"data":${JSON.stringify(form.text)}}`, "utf8");
    case "base64":
      return Buffer.from(
        `${attributes},"data_base64":"${asBuffer(data).toString("base64")}"}`,
        "utf8",
      );
  }
}

function encodeAttributes(event: CloudEvent): string {
  let json = `{"specversion":"1.0","id":${JSON.stringify(event.id)},"source":${JSON.stringify(event.source)},"type":${JSON.stringify(event.type)}`;
  if (event.subject !== undefined) json += `,"subject":${JSON.stringify(event.subject)}`;
  if (event.time !== undefined) json += `,"time":${JSON.stringify(event.time)}`;
  if (event.datacontenttype !== undefined) {
    json += `,"datacontenttype":${JSON.stringify(event.datacontenttype)}`;
  }
  if (event.dataschema !== undefined) json += `,"dataschema":${JSON.stringify(event.dataschema)}`;
  for (const [name, value] of event.extensions) json += `,"${name}":${JSON.stringify(value)}`;
  return json;
}

function joinBytes(prefix: string, data: Uint8Array): Buffer {
  const prefixBytes = Buffer.byteLength(prefix, "utf8");
  const joined = Buffer.allocUnsafe(prefixBytes + data.length + 1);
  joined.write(prefix, 0, "utf8");
  joined.set(data, prefixBytes);
  joined[prefixBytes + data.length] = 0x7d;
  return joined;
}

type DataForm =
  | { readonly form: "json" }
  | { readonly form: "text"; readonly text: string }
  | { readonly form: "base64" };

/**
 * Without a datacontenttype the member data means JSON, thus bytes of no stated type, and JSON that
 * is none, can go as base64 only.
 */
function dataForm(event: CloudEvent, data: Uint8Array): DataForm {
  if (hasJsonData(event)) {
    const text = decodeUtf8(data);
    const isJson = text !== undefined && readJson(text, { unfoldDepth: 0 }).ok;
    return { form: isJson ? "json" : "base64" };
  }
  if (event.datacontenttype === undefined || !isTextMediaType(event.datacontenttype)) {
    return { form: "base64" };
  }
  const text = decodeUtf8(data);
  return text === undefined ? { form: "base64" } : { form: "text", text };
}

const TEXT_TYPE =
  /^(?:text\/|application\/(?:xml|javascript|ecmascript|yaml|toml|graphql|sql|x-www-form-urlencoded)[ \t]*(?:;|$)|[^;]+\+(?:xml|yaml)[ \t]*(?:;|$))/;
const CHARSET = /;[ \t]*charset="?([^";\s]*)/;

/** Whether the data of this type is text in UTF-8; text in another charset travels as its bytes. */
function isTextMediaType(mediaType: string): boolean {
  const lower = mediaType.toLowerCase();
  if (!TEXT_TYPE.test(lower)) return false;
  const charset = CHARSET.exec(lower)?.[1];
  return charset === undefined || charset === "utf-8" || charset === "us-ascii";
}
