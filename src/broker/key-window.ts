import { KEY_BYTES } from "../engine/record-facts.ts";
import { assert } from "../kernel/assert.ts";
import type { Offset } from "../kernel/ids.ts";

/** What the window knows of an identity. */
export interface KnownKey {
  readonly offset: Offset;
  readonly hasSameContent: boolean;
}

const WORDS = KEY_BYTES / 4;
const IDENTITY_WORDS = 4;
const CAPACITY_MIN = 256;

/**
 * The keys of the events of the last while, the oldest first: a ring of entries, and an open
 * hash table of their places. Typed arrays, because a Map of strings takes three times the memory
 * and makes the garbage collector walk through all of it.
 *
 *   entry: 24 bytes key, 8 offset, 8 time; table: 4 bytes a slot, at least 1.5 slots an entry
 *
 * Pure: times come in, in any unit, and never go back. Where an identity is added again, the newer
 * entry counts and the older one only waits to be dropped.
 */
export class KeyWindow {
  readonly #keysMax: number;
  /** Whoever wants to fill one corner of the table would have to know it. */
  readonly #seed: number;
  #capacity = 0;
  #words: Uint32Array = new Uint32Array(0);
  #offsets: Float64Array = new Float64Array(0);
  #times: Float64Array = new Float64Array(0);
  /** Of each slot: the place of its entry plus 1; 0 is free. */
  #slots: Uint32Array = new Uint32Array(0);
  #mask = 0;
  #head = 0;
  #count = 0;
  /** The key that is looked at, read once. */
  readonly #probe: Uint32Array = new Uint32Array(WORDS);

  constructor(keysMax: number, seed: number) {
    assert(keysMax >= 1 && keysMax < 2 ** 31, "a place fits a slot of the table");
    this.#keysMax = keysMax;
    this.#seed = seed;
    this.#resize(Math.min(CAPACITY_MIN, keysMax));
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.#keysMax;
  }

  /** The time of the oldest entry; undefined when there is none. */
  get oldestTime(): number | undefined {
    return this.#count === 0 ? undefined : this.#times[this.#head];
  }

  /** What is known since `since` of the identity whose key lies in `keys` at `at`. */
  find(keys: Buffer, at: number, since: number): KnownKey | undefined {
    this.#read(keys, at);
    const slot = this.#slotOf(this.#probe, 0);
    const place = (this.#slots[slot] ?? 0) - 1;
    if (place < 0 || (this.#times[place] ?? 0) < since) return undefined;
    return { offset: this.#offsets[place] ?? 0, hasSameContent: this.#hasContentOfProbe(place) };
  }

  /** The window must not be full: what goes for it is the caller's decision, to be told. */
  add(keys: Buffer, at: number, entry: { readonly offset: Offset; readonly time: number }): void {
    assert(!this.isFull, "there is room for one more key");
    if (this.#count === this.#capacity) this.#resize(Math.min(this.#capacity * 2, this.#keysMax));
    this.#read(keys, at);
    const place = this.#placeOf(this.#count);
    this.#words.set(this.#probe, place * WORDS);
    this.#offsets[place] = entry.offset;
    this.#times[place] = entry.time;
    this.#slots[this.#slotOf(this.#probe, 0)] = place + 1;
    this.#count += 1;
  }

  dropOldest(): void {
    assert(this.#count > 0, "there is a key to drop");
    const place = this.#head;
    const slot = this.#slotOf(this.#words, place * WORDS);
    // Otherwise the identity came again: the slot belongs to the newer entry.
    if (this.#slots[slot] === place + 1) this.#free(slot);
    this.#head = place + 1 === this.#capacity ? 0 : place + 1;
    this.#count -= 1;
  }

  /** Drops entries older than `since`, at most so many; returns how many went. */
  dropOlderThan(since: number, countMax: number): number {
    let dropped = 0;
    while (dropped < countMax && this.#count > 0 && (this.#times[this.#head] ?? 0) < since) {
      this.dropOldest();
      dropped += 1;
    }
    return dropped;
  }

  /** Gives memory back when little of it is used. */
  shrink(): void {
    if (this.#capacity <= CAPACITY_MIN || this.#count * 8 > this.#capacity) return;
    this.#resize(Math.min(Math.max(CAPACITY_MIN, this.#count * 2), this.#keysMax));
  }

  #placeOf(index: number): number {
    const place = this.#head + index;
    return place < this.#capacity ? place : place - this.#capacity;
  }

  #read(keys: Buffer, at: number): void {
    for (let word = 0; word < WORDS; word++) {
      this.#probe[word] = keys.readUInt32LE(at + word * 4);
    }
  }

  /** The slot of this identity, or the free one where it would be. */
  #slotOf(words: Uint32Array, at: number): number {
    let slot = this.#wantedSlot(words, at);
    for (;;) {
      const place = (this.#slots[slot] ?? 0) - 1;
      if (place < 0 || this.#hasIdentity(place, words, at)) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  #wantedSlot(words: Uint32Array, at: number): number {
    const low = Math.imul((words[at] ?? 0) ^ this.#seed, 0x9e3779b1);
    const mixed = Math.imul(low ^ (low >>> 15) ^ (words[at + 1] ?? 0), 0x85ebca77);
    return (mixed ^ (mixed >>> 13)) & this.#mask;
  }

  #hasIdentity(place: number, words: Uint32Array, at: number): boolean {
    const start = place * WORDS;
    for (let word = 0; word < IDENTITY_WORDS; word++) {
      if (this.#words[start + word] !== words[at + word]) return false;
    }
    return true;
  }

  #hasContentOfProbe(place: number): boolean {
    const start = place * WORDS;
    for (let word = IDENTITY_WORDS; word < WORDS; word++) {
      if (this.#words[start + word] !== this.#probe[word]) return false;
    }
    return true;
  }

  /** Moves later entries of the run forward, so that every search still ends at a free slot. */
  #free(slot: number): void {
    const slots = this.#slots;
    let hole = slot;
    let next = slot;
    for (;;) {
      next = (next + 1) & this.#mask;
      const place = (slots[next] ?? 0) - 1;
      if (place < 0) break;
      const wanted = this.#wantedSlot(this.#words, place * WORDS);
      const mayMove = ((next - wanted) & this.#mask) >= ((next - hole) & this.#mask);
      if (!mayMove) continue;
      slots[hole] = place + 1;
      hole = next;
    }
    slots[hole] = 0;
  }

  #resize(capacity: number): void {
    assert(capacity >= this.#count, "what is known still fits");
    const from = this.#head;
    const first = Math.min(this.#count, this.#capacity - from);
    const rest = this.#count - first;
    const places = { from, first, rest };
    const words = { from: from * WORDS, first: first * WORDS, rest: rest * WORDS };
    this.#words = unrolled(this.#words, new Uint32Array(capacity * WORDS), words);
    this.#offsets = unrolled(this.#offsets, new Float64Array(capacity), places);
    this.#times = unrolled(this.#times, new Float64Array(capacity), places);
    this.#capacity = capacity;
    this.#head = 0;
    this.#rebuildTable();
  }

  #rebuildTable(): void {
    const slots = 2 ** Math.ceil(Math.log2(this.#capacity * 1.5));
    this.#slots = new Uint32Array(slots);
    this.#mask = slots - 1;
    // In order of age, so that of two entries with one identity the newer one counts.
    for (let place = 0; place < this.#count; place++) {
      this.#slots[this.#slotOf(this.#words, place * WORDS)] = place + 1;
    }
  }
}

interface Ring {
  /** Where the oldest begins. */
  readonly from: number;
  /** How many lie from there on, and how many at the front again. */
  readonly first: number;
  readonly rest: number;
}

/** The ring in order, at the front of other memory. */
function unrolled<Values extends Uint32Array | Float64Array>(
  values: Values,
  target: Values,
  { from, first, rest }: Ring,
): Values {
  target.set(values.subarray(from, from + first));
  target.set(values.subarray(0, rest), first);
  return target;
}
