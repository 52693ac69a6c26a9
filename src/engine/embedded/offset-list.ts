import { assert } from "../../kernel/assert.ts";
import type { Offset } from "../../kernel/ids.ts";

/**
 * Ascending offsets as they stand in the `unsettled` column:
 *
 * | bytes  | what                                                        |
 * |--------|-------------------------------------------------------------|
 * | varint | the first offset                                            |
 * | varint | each further offset less the one before it; at least 1      |
 *
 * A varint has seven bits a byte, the lowest first; the high bit says that more follow. Neighbours
 * on a bus are close together, so that an offset mostly costs one byte.
 */
const varintBytesMax = 8;

export function encodeOffsets(offsets: readonly Offset[]): Uint8Array {
  const ascending = isAscending(offsets) ? offsets : toAscending(offsets);
  const buffer = new Uint8Array(ascending.length * varintBytesMax);
  let position = 0;
  let previous = 0;
  for (const offset of ascending) {
    assert(Number.isSafeInteger(offset) && offset >= 0, "an offset is an integer from 0 on");
    let rest = offset - previous;
    previous = offset;
    // Division instead of shifts: bit operations end at 32 bits, offsets at 53.
    while (rest >= 128) {
      buffer[position] = (rest % 128) + 128;
      position += 1;
      rest = Math.floor(rest / 128);
    }
    buffer[position] = rest;
    position += 1;
  }
  return buffer.slice(0, position);
}

export function decodeOffsets(bytes: Uint8Array): Offset[] {
  const offsets: Offset[] = [];
  let previous = 0;
  let value = 0;
  let unit = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * unit;
    unit *= 128;
    if (byte >= 128) continue;
    previous += value;
    assert(Number.isSafeInteger(previous), "a stored offset fits 2^53");
    offsets.push(previous);
    value = 0;
    unit = 1;
  }
  assert(unit === 1, "a stored list of offsets ends with a whole number");
  return offsets;
}

function isAscending(offsets: readonly Offset[]): boolean {
  for (let index = 1; index < offsets.length; index += 1) {
    if ((offsets[index - 1] ?? 0) >= (offsets[index] ?? 0)) return false;
  }
  return true;
}

function toAscending(offsets: readonly Offset[]): Offset[] {
  return [...new Set(offsets)].toSorted((left, right) => left - right);
}
