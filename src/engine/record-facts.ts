import { assert } from "../kernel/assert.ts";

/**
 * The broker's facts about a record, beside the untouched event (P9). A block is a sequence of
 * `tag, length, bytes`, one byte each for tag and length; unknown tags are skipped, so that an
 * earlier version reads what a later one wrote.
 *
 *       1  id of the delayed event that this record was, ASCII
 *       2  deduplication key: 16 bytes that stand for source and id, 8 that stand for the content
 */
export interface RecordFacts {
  readonly delayedId: string | undefined;
  readonly key: Uint8Array | undefined;
}

export const KEY_BYTES = 24;

const TAG_DELAYED_ID = 1;
const TAG_KEY = 2;

/** Undefined when there is nothing to say. */
export function encodeFacts({ delayedId, key }: Partial<RecordFacts>): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  if (delayedId !== undefined) parts.push(tagged(TAG_DELAYED_ID, Buffer.from(delayedId, "latin1")));
  if (key !== undefined) {
    assert(key.length === KEY_BYTES, "a deduplication key has a fixed length");
    parts.push(tagged(TAG_KEY, key));
  }
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

/** A block that holds a key and nothing else, and where the key lies in it. */
export const KEY_BLOCK_BYTES = 26;
export const KEY_BLOCK_KEY_AT = 2;

/** Makes KEY_BLOCK_BYTES such a block; the key is written by the caller, without allocating. */
export function beginKeyBlock(buffer: Buffer, at: number): void {
  buffer[at] = TAG_KEY;
  buffer[at + 1] = KEY_BYTES;
}

/** The facts in [start, end) of the buffer; the key is a view into it. */
export function decodeFacts(buffer: Buffer, start: number, end: number): RecordFacts {
  let delayedId: string | undefined;
  let key: Uint8Array | undefined;
  let at = start;
  while (at + 2 <= end) {
    const tag = buffer[at];
    const valueAt = at + 2;
    const valueEnd = valueAt + (buffer[at + 1] ?? 0);
    if (valueEnd > end) break;
    if (tag === TAG_DELAYED_ID) delayedId = buffer.toString("latin1", valueAt, valueEnd);
    else if (tag === TAG_KEY) key = buffer.subarray(valueAt, valueEnd);
    at = valueEnd;
  }
  return { delayedId, key };
}

/** Whether a block of facts holds a deduplication key; cheaper than decoding it. */
export function hasKey(facts: Uint8Array): boolean {
  let at = 0;
  while (at + 2 <= facts.length) {
    if (facts[at] === TAG_KEY) return true;
    at += 2 + (facts[at + 1] ?? 0);
  }
  return false;
}

function tagged(tag: number, value: Uint8Array): Uint8Array {
  assert(value.length <= 0xff, "a fact has at most 255 bytes");
  return Buffer.concat([Buffer.from([tag, value.length]), value]);
}
