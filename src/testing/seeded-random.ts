import { assert } from "../kernel/assert.ts";
import type { Random } from "../kernel/random.ts";

/**
 * Chance that repeats: the same seed gives the same numbers, ids and bytes, so that a failing test
 * prints its seed and replays exactly. The generator is sfc32 (a public-domain 128-bit design):
 * small, fast, and good enough for anything but secrets.
 */
export class SeededRandom implements Random {
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), "a seed is an integer");
    this.seed = seed;
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = 0x9e3779b9 | 0;
    // Seeds that differ in one bit start out alike; these rounds drive them apart.
    for (let round = 0; round < 16; round += 1) this.uint32();
  }

  next(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  id(): string {
    const bytes = Buffer.from(this.bytes(16));
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
    const hex = bytes.toString("hex");
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      hex.slice(12, 16),
      hex.slice(16, 20),
      hex.slice(20),
    ].join("-");
  }

  bytes(count: number): Uint8Array {
    const bytes = Buffer.alloc(count);
    for (let position = 0; position < count; position += 1) bytes[position] = this.uint32() >>> 24;
    return bytes;
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform among the integers from `low` up to and including `high`. */
  integer(low: number, high: number): number {
    assert(low <= high, "an empty range has no integer");
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.integer(0, items.length - 1)];
    assert(item !== undefined, "the index lies within the list");
    return item;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
