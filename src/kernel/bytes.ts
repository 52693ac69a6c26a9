import { isAscii, isUtf8 } from "node:buffer";

/** A Buffer over the same memory; what already is one is returned as it is. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The bytes as text, or undefined when they are not UTF-8. Unlike Buffer.toString it never replaces
 * what it cannot read, and unlike TextDecoder it keeps a byte order mark.
 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const buffer = asBuffer(bytes);
  if (isAscii(buffer)) return buffer.toString("latin1");
  return isUtf8(buffer) ? buffer.toString("utf8") : undefined;
}

/** Whether the bytes begin with the UTF-8 form of U+FEFF. */
export function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

export const BYTE_ORDER_MARK_BYTES = 3;

/** RFC 4648 §4: the standard alphabet, padded. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Decodes base64 strictly: node's own decoder skips rubbish and takes the URL-safe alphabet too,
 * which would turn a sender's mistake into other data without a word.
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined;
  return Buffer.from(text, "base64");
}
