import { decodeUtf8 } from "../kernel/bytes.ts";

/**
 * Attribute values as HTTP header values (HTTP binding §3.1.3.2): percent-encoded UTF-8 outside the
 * printable ASCII characters.
 */
const NEEDS_ENCODING = /[^!-~]|["%]/;
const NEEDS_ENCODING_RUNS = /(?:[^!-~]|["%])+/gu;

export function encodeHeaderValue(value: string): string {
  if (!NEEDS_ENCODING.test(value)) return value;
  return value.replace(NEEDS_ENCODING_RUNS, percentEncode);
}

function percentEncode(run: string): string {
  let encoded = "";
  for (const byte of Buffer.from(run, "utf8")) {
    encoded += `%${byte < 0x10 ? "0" : ""}${byte.toString(16).toUpperCase()}`;
  }
  return encoded;
}

/** Values that are printable ASCII and carry what they say: no quotes, no escapes. */
const PLAIN = /^[ !#$&-~]*$/;

export function isPlainHeaderValue(header: string): boolean {
  return PLAIN.test(header);
}

const NOT_ASCII = /[^\0-\x7f]/;
const PERCENT_RUNS = /(?:%[0-9A-Fa-f]{2})+/g;

/**
 * The value that a header carries, or undefined when its escapes are not UTF-8. Quotes go first,
 * then one round of percent-decoding; a `%` without two digits stays as it is, because many SDKs
 * encode nothing.
 */
export function decodeHeaderValue(header: string): string | undefined {
  const value = NOT_ASCII.test(header) ? readBytes(header) : header;
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  const unquoted = isQuoted ? unquote(value) : value;
  return unquoted.includes("%") ? percentDecode(unquoted) : unquoted;
}

/** Node hands over the bytes above 0x7F as latin1; most senders meant UTF-8, node itself latin1. */
function readBytes(header: string): string {
  return decodeUtf8(Buffer.from(header, "latin1")) ?? header;
}

function unquote(value: string): string {
  return value.slice(1, -1).replace(/\\(.)/gs, "$1");
}

function percentDecode(value: string): string | undefined {
  let isUtf8 = true;
  const decoded = value.replace(PERCENT_RUNS, (run) => {
    const text = decodeUtf8(Buffer.from(run.replaceAll("%", ""), "hex"));
    if (text === undefined) isUtf8 = false;
    return text ?? run;
  });
  return isUtf8 ? decoded : undefined;
}
