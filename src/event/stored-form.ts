import { assert } from "../kernel/assert.ts";
import type { AttributeValue, CloudEvent } from "./event.ts";
import { noExtensions } from "./event.ts";

/**
 * The bytes of an event in the log. All text lies in one piece, so that one native call writes it
 * and one reads it; the lengths before it are in UTF-16 units, so that reading cuts by substring.
 *
 *   | bytes | what                                                                         |
 *   | ----- | ---------------------------------------------------------------------------- |
 *   | 1     | format version: 1                                                            |
 *   | 1     | flags: 1 has data, 2 the data is implied JSON, 4 the text is ASCII           |
 *   | 4     | bytes of the text, little-endian                                             |
 *   | L     | number of extensions                                                         |
 *   | 7 L   | lengths of id, source, type, subject, time, datacontenttype, dataschema, each |
 *   |       | plus 1; 0 stands for an absent attribute                                     |
 *   | 1+2 L | per extension: type (0 string, 1 integer, 2 boolean), lengths of name, value  |
 *   | …     | the text: the values above, then name and value of each extension, in UTF-8   |
 *   | rest  | the data, up to the end of the stored form                                   |
 *
 * L is one byte below 255, or the byte 255 and four bytes little-endian. Integers and booleans are
 * stored as their text. spec/stored-form.md says the same; both change together.
 */
const FORMAT_VERSION = 1;
const HAS_DATA = 1;
const IMPLIED_JSON = 2;
const ASCII_TEXT = 4;
const FIXED_BYTES = 6;
const LENGTH_BYTES_MAX = 5;
const CORE_COUNT = 7;
/** Of these the first are id, source, type and subject. */
const KEY_COUNT = 4;

const STRING_VALUE = 0;
const INTEGER_VALUE = 1;
const BOOLEAN_VALUE = 2;

const SLAB_BYTES = 256 * 1024;
/** Larger events get memory of their own, so that the rest of a slab is not thrown away for them. */
const SLAB_SHARE_MAX = SLAB_BYTES / 8;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabUsed = 0;

/**
 * The stored form of an event, as a view into memory shared with other events' forms. That memory
 * is never written again: it lives until the last of its views is gone.
 */
export function encodeEvent(event: CloudEvent): Uint8Array {
  const text = joinText(event);
  const dataBytes = event.data?.length ?? 0;
  const bytesMax =
    FIXED_BYTES +
    (1 + CORE_COUNT) * LENGTH_BYTES_MAX +
    event.extensions.size * (1 + 2 * LENGTH_BYTES_MAX) +
    text.length * 3 +
    dataBytes;
  if (bytesMax > SLAB_SHARE_MAX) {
    const own = Buffer.allocUnsafeSlow(bytesMax);
    return own.subarray(0, writeEvent(event, text, { buffer: own, at: 0 }));
  }
  if (slabUsed + bytesMax > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed = writeEvent(event, text, { buffer: slab, at: start });
  return slab.subarray(start, slabUsed);
}

function joinText(event: CloudEvent): string {
  let text =
    event.id +
    event.source +
    event.type +
    (event.subject ?? "") +
    (event.time ?? "") +
    (event.datacontenttype ?? "") +
    (event.dataschema ?? "");
  for (const [name, value] of event.extensions) text += name + String(value);
  return text;
}

interface Place {
  readonly buffer: Buffer;
  readonly at: number;
}

/** Returns where the form ends. */
function writeEvent(event: CloudEvent, text: string, { buffer, at }: Place): number {
  let position = writeLength(buffer, at + FIXED_BYTES, event.extensions.size);
  position = writeLength(buffer, position, event.id.length + 1);
  position = writeLength(buffer, position, event.source.length + 1);
  position = writeLength(buffer, position, event.type.length + 1);
  position = writeOptionalLength(buffer, position, event.subject);
  position = writeOptionalLength(buffer, position, event.time);
  position = writeOptionalLength(buffer, position, event.datacontenttype);
  position = writeOptionalLength(buffer, position, event.dataschema);
  for (const [name, value] of event.extensions) {
    buffer[position] = valueType(value);
    position = writeLength(buffer, position + 1, name.length);
    position = writeLength(buffer, position, String(value).length);
  }
  const textBytes = buffer.write(text, position, "utf8");
  buffer[at] = FORMAT_VERSION;
  buffer[at + 1] =
    (event.data === undefined ? 0 : HAS_DATA) |
    (event.dataIsImpliedJson ? IMPLIED_JSON : 0) |
    (textBytes === text.length ? ASCII_TEXT : 0);
  writeUint32(buffer, at + 2, textBytes);
  position += textBytes;
  if (event.data === undefined) return position;
  buffer.set(event.data, position);
  return position + event.data.length;
}

function valueType(value: AttributeValue): number {
  if (typeof value === "string") return STRING_VALUE;
  return typeof value === "number" ? INTEGER_VALUE : BOOLEAN_VALUE;
}

function writeOptionalLength(buffer: Buffer, at: number, value: string | undefined): number {
  return writeLength(buffer, at, value === undefined ? 0 : value.length + 1);
}

function writeLength(buffer: Buffer, at: number, length: number): number {
  if (length < 255) {
    buffer[at] = length;
    return at + 1;
  }
  buffer[at] = 255;
  writeUint32(buffer, at + 1, length);
  return at + LENGTH_BYTES_MAX;
}

function writeUint32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
  buffer[at + 2] = value >>> 16;
  buffer[at + 3] = value >>> 24;
}

/**
 * Reads the stored form in [start, end). The data of the event is a view of the buffer. The log's
 * checksums guard these bytes, so anything malformed is an error of the program.
 */
export function decodeEvent(buffer: Buffer, start: number, end: number): CloudEvent {
  return new StoredEventReader(buffer, start, end).read();
}

/** What an event is found by, without the rest of it. */
export interface EventKeys {
  readonly type: string;
  readonly source: string;
  readonly subject: string | undefined;
}

/**
 * Reads of the stored form in [start, end) only what filters are found by: for most events that is
 * all that anybody wants to know. It checks less than decodeEvent.
 */
export function decodeEventKeys(buffer: Buffer, start: number, end: number): EventKeys {
  return new StoredEventReader(buffer, start, end).readKeys();
}

class StoredEventReader {
  readonly #buffer: Buffer;
  readonly #start: number;
  readonly #end: number;
  #position: number;
  #text = "";
  #textPosition = 0;

  constructor(buffer: Buffer, start: number, end: number) {
    assert(
      start >= 0 && end <= buffer.length && start + FIXED_BYTES <= end,
      "a stored event lies within its buffer and has a header",
    );
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
    this.#position = start + FIXED_BYTES;
  }

  read(): CloudEvent {
    const version = this.#buffer[this.#start];
    assert(version === FORMAT_VERSION, "the stored event has format version 1");
    const flags = this.#buffer[this.#start + 1] ?? 0;
    const extensionCount = this.#length();
    const lengthsAt = this.#position;
    this.#skipLengths(extensionCount);
    const dataAt = this.#readText((flags & ASCII_TEXT) !== 0);
    this.#position = lengthsAt;
    const event = {
      id: this.#required(),
      source: this.#required(),
      type: this.#required(),
      subject: this.#optional(),
      time: this.#optional(),
      datacontenttype: this.#optional(),
      dataschema: this.#optional(),
      extensions: extensionCount === 0 ? noExtensions : this.#extensions(extensionCount),
      data: (flags & HAS_DATA) === 0 ? undefined : this.#buffer.subarray(dataAt, this.#end),
      dataIsImpliedJson: (flags & IMPLIED_JSON) !== 0,
    };
    assert(
      this.#textPosition === this.#text.length,
      "the lengths of a stored event cover its text",
    );
    assert(event.data !== undefined || dataAt === this.#end, "a stored event ends with its data");
    return event;
  }

  readKeys(): EventKeys {
    assert(this.#buffer[this.#start] === FORMAT_VERSION, "the stored event has format version 1");
    const isAscii = ((this.#buffer[this.#start + 1] ?? 0) & ASCII_TEXT) !== 0;
    const extensionCount = this.#length();
    const idUnits = this.#length() - 1;
    const sourceUnits = this.#length() - 1;
    const typeUnits = this.#length() - 1;
    const subjectUnits = this.#length() - 1;
    for (let index = KEY_COUNT; index < CORE_COUNT; index += 1) this.#length();
    this.#skipExtensionLengths(extensionCount);
    const units = sourceUnits + typeUnits + Math.max(0, subjectUnits);
    if (isAscii) {
      const from = this.#position + idUnits;
      assert(from + units <= this.#end, "the text of a stored event lies within it");
      this.#text = this.#buffer.toString("latin1", from, from + units);
    } else {
      this.#readText(false);
      this.#textPosition = idUnits;
    }
    return {
      source: this.#cut(sourceUnits),
      type: this.#cut(typeUnits),
      subject: subjectUnits < 0 ? undefined : this.#cut(subjectUnits),
    };
  }

  #skipLengths(extensionCount: number): void {
    for (let index = 0; index < CORE_COUNT; index += 1) this.#length();
    this.#skipExtensionLengths(extensionCount);
  }

  #skipExtensionLengths(extensionCount: number): void {
    for (let index = 0; index < extensionCount; index += 1) {
      this.#position += 1;
      this.#length();
      this.#length();
      assert(this.#position <= this.#end, "the lengths of a stored event lie within it");
    }
  }

  /** Returns where the text ends and the data begins. */
  #readText(isAscii: boolean): number {
    const from = this.#position;
    const to = from + this.#uint32(this.#start + 2);
    assert(to <= this.#end, "the text of a stored event lies within it");
    this.#text = this.#buffer.toString(isAscii ? "latin1" : "utf8", from, to);
    return to;
  }

  #required(): string {
    const value = this.#optional();
    assert(value !== undefined, "a stored event has an id, a source and a type");
    return value;
  }

  #optional(): string | undefined {
    const length = this.#length();
    return length === 0 ? undefined : this.#cut(length - 1);
  }

  #extensions(count: number): ReadonlyMap<string, AttributeValue> {
    const extensions = new Map<string, AttributeValue>();
    for (let index = 0; index < count; index += 1) {
      const type = this.#buffer[this.#position];
      this.#position += 1;
      const nameLength = this.#length();
      const valueLength = this.#length();
      const name = this.#cut(nameLength);
      extensions.set(name, readValue(type, this.#cut(valueLength)));
    }
    return extensions;
  }

  #cut(length: number): string {
    const from = this.#textPosition;
    this.#textPosition = from + length;
    return this.#text.slice(from, from + length);
  }

  #length(): number {
    const first = this.#buffer[this.#position] ?? 0;
    if (first < 255) {
      this.#position += 1;
      return first;
    }
    const length = this.#uint32(this.#position + 1);
    this.#position += LENGTH_BYTES_MAX;
    return length;
  }

  #uint32(at: number): number {
    const buffer = this.#buffer;
    const low = (buffer[at] ?? 0) | ((buffer[at + 1] ?? 0) << 8) | ((buffer[at + 2] ?? 0) << 16);
    return low + (buffer[at + 3] ?? 0) * 2 ** 24;
  }
}

function readValue(type: number | undefined, text: string): AttributeValue {
  if (type === STRING_VALUE) return text;
  if (type === INTEGER_VALUE) return Number(text);
  assert(type === BOOLEAN_VALUE, "an extension of a stored event is a string, integer or boolean");
  return text === "true";
}
