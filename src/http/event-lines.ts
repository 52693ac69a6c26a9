import type { CloudEvent } from "../event/event.ts";
import { encodeStructured } from "../event/json-format.ts";
import { asBuffer } from "../kernel/bytes.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;

/**
 * The same JSON value on one line. Outside of strings a line break is as good as a blank, and
 * inside of them there is none: JSON has to escape it. The bytes are changed in place.
 */
export function onOneLine(json: Buffer): Buffer {
  for (const byte of [LINE_FEED, CARRIAGE_RETURN]) {
    for (let at = json.indexOf(byte); at !== -1; at = json.indexOf(byte, at + 1)) json[at] = SPACE;
  }
  return json;
}

/** What stands in an exported line for data that is JSON though no attribute says so. */
const IMPLIED_JSON_AS_BASE64 = ',"datacontenttype":null,"data_base64":"';
const DATA_AS_BASE64 = ',"data_base64":"';

/**
 * One structured event on one line, from which an import makes the same event with the same bytes
 * of data. JSON data with line breaks, or with blanks around it, would not come back byte for byte,
 * so it travels as base64. Base64 says nothing of a type: where the data is JSON without a
 * datacontenttype, the attribute is written as null, which in JSON means absent.
 */
export function exportLine(event: CloudEvent): Buffer {
  const { data } = event;
  if (data === undefined || !mustTravelAsBase64(event, data)) return encodeStructured(event);
  const attributes = encodeStructured({ ...event, data: undefined });
  const member = event.dataIsImpliedJson ? IMPLIED_JSON_AS_BASE64 : DATA_AS_BASE64;
  return Buffer.concat([
    attributes.subarray(0, -1),
    Buffer.from(`${member}${asBuffer(data).toString("base64")}"}`),
  ]);
}

/** Whether a line that was read back as an event without datacontenttype says that its data is JSON. */
export function isMarkedAsJson(line: Buffer): boolean {
  // Such an event has only scalars beside its data_base64, and no string holds a bare quote.
  return line.includes(IMPLIED_JSON_AS_BASE64);
}

function mustTravelAsBase64(event: CloudEvent, data: Uint8Array): boolean {
  const bytes = asBuffer(data);
  return (
    (bytes.includes(LINE_FEED) ||
      bytes.includes(CARRIAGE_RETURN) ||
      isBlank(bytes[0]) ||
      isBlank(bytes.at(-1))) &&
    !isPlainText(event)
  );
}

/** Text goes as a JSON string, whose escapes keep every character. */
function isPlainText({ datacontenttype }: CloudEvent): boolean {
  return (
    datacontenttype?.toLowerCase().startsWith("text/") === true && !/json/i.test(datacontenttype)
  );
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}
