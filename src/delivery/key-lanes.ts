import { assert } from "../kernel/assert.ts";
import type { Delivery } from "./entry.ts";
import { keyNone, keyUnknown } from "./ordering.ts";

/** The deliveries of one key that are not settled, in the order of offsets, linked by `behind`. */
interface Lane {
  first: Delivery;
  last: Delivery;
  size: number;
  /** The one that may be attempted or is; the others wait for it. */
  chosen: Delivery | undefined;
}

/** A circuit opens after a handful of failures; more letters than this in a row are its own affair. */
const lettersNoted = 1000;

/**
 * Order by key (P5): of each key only the lowest offset that is not settled may be attempted. A
 * lane exists as long as something of its key is unsettled, so an idle key costs nothing, and it
 * links deliveries that exist anyway, so a waiting event costs nothing more.
 *
 * States: ordering, and learning, while there are deliveries whose key is not known (unsettled at a
 * restart, or from before the ordering was changed). Nothing is chosen while learning, for any of
 * those might come first.
 */
export class KeyLanes {
  /** The path that the keys were found by. */
  readonly by: string;
  readonly #lanes: Map<number, Lane> = new Map();
  readonly #unknown: Set<Delivery> = new Set();
  /** Ended, and not stored yet; and those of them that the commit under way takes in. */
  readonly #leaving: Set<Delivery> = new Set();
  #storing: readonly Delivery[] = [];
  /** Without a key, and to be chosen when learning is over. */
  readonly #keyless: Delivery[] = [];
  /** Heads that only an operator can move, in the order in which they were blocked. */
  readonly blocked: Set<Delivery> = new Set();
  /** Keys of which a letter was made since the last success, and up to where they were sent since. */
  readonly #sentAfterLetter: Map<number, number> = new Map();
  #hasTooManyLetters = false;

  constructor(by: string) {
    this.by = by;
  }

  get isLearning(): boolean {
    return this.#unknown.size > 0;
  }

  /** How many keys have something unsettled. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Its key is to be learned before anything goes on. */
  addUnknown(delivery: Delivery): void {
    delivery.key = keyUnknown;
    delivery.behind = undefined;
    this.#unknown.add(delivery);
  }

  isUnknown(delivery: Delivery): boolean {
    return this.#unknown.has(delivery);
  }

  /** The next one that is to be read for its key. */
  nextUnknown(): Delivery | undefined {
    for (const delivery of this.#unknown) if (!delivery.isTaken) return delivery;
    return undefined;
  }

  /** Answers whether that was the last one: then the lanes may choose, see chooseAll. */
  learned(delivery: Delivery, key: number): boolean {
    assert(this.#unknown.has(delivery), "a key is learned once");
    // Still learning: whom the lane chooses is told by chooseAll, once and for all of them.
    this.add(delivery, key);
    this.#unknown.delete(delivery);
    return this.#unknown.size === 0;
  }

  /** Puts it in its place. Answers who may be attempted because of it. */
  add(delivery: Delivery, key: number): Delivery | undefined {
    delivery.key = key;
    delivery.behind = undefined;
    if (key === keyNone) return this.#chooseKeyless(delivery);
    const lane = this.#lanes.get(key);
    if (lane !== undefined) {
      insert(lane, delivery);
      return this.#choose(lane);
    }
    const made: Lane = { first: delivery, last: delivery, size: 1, chosen: undefined };
    this.#lanes.set(key, made);
    return this.#choose(made);
  }

  /** Whether an event of this key that comes last waits behind one that has failed. */
  isHeldBack(key: number): boolean {
    const last = key === keyNone ? undefined : this.#lanes.get(key)?.last;
    return last?.retry !== undefined && !this.#leaving.has(last);
  }

  /** Every lane chooses; for when the last key has been learned. */
  *chooseAll(): Iterable<Delivery> {
    yield* this.#keyless.splice(0);
    for (const lane of this.#lanes.values()) {
      const chosen = this.#choose(lane);
      if (chosen !== undefined) yield chosen;
    }
  }

  /** Whether it may be attempted now as far as order goes. */
  isChosen(delivery: Delivery): boolean {
    if (delivery.key === keyNone) return !this.isLearning;
    return this.#lanes.get(delivery.key)?.chosen === delivery;
  }

  /** It is settled. Answers who may be attempted now. */
  leave(delivery: Delivery): Delivery | undefined {
    this.blocked.delete(delivery);
    if (this.#unknown.delete(delivery) || delivery.key <= keyNone) return undefined;
    const lane = this.#lanes.get(delivery.key);
    assert(lane !== undefined, "what is unsettled is in the lane of its key");
    if (lane.chosen === delivery) lane.chosen = undefined;
    if (lane.size === 1) {
      this.#lanes.delete(delivery.key);
      return undefined;
    }
    remove(lane, delivery);
    return this.#choose(lane);
  }

  /**
   * It has ended without having been taken: it keeps its place until that is durable. Otherwise a
   * crash would bring it back after a later one of its key has been sent.
   */
  leaveWhenStored(delivery: Delivery): void {
    this.blocked.delete(delivery);
    delivery.isTaken = true;
    this.#leaving.add(delivery);
  }

  /** A circuit has taken its end back. Answers who may be attempted now. */
  stay(delivery: Delivery): Delivery | undefined {
    return this.#leaving.delete(delivery)
      ? this.landed(delivery)
      : this.add(delivery, delivery.key);
  }

  /** A commit takes in everything until now. */
  commitBegins(): void {
    this.#storing = this.#leaving.size === 0 ? [] : [...this.#leaving];
  }

  /** That commit is durable. Answers who has left for good; each is to be handed to `leave`. */
  commitEnded(): readonly Delivery[] {
    const stored = this.#storing.filter((delivery) => this.#leaving.delete(delivery));
    this.#storing = [];
    return stored;
  }

  /** What the lanes before these were waiting to have stored keeps these waiting too. */
  inherit(earlier: KeyLanes): void {
    for (const delivery of earlier.#leaving) {
      this.addUnknown(delivery);
      this.#leaving.add(delivery);
    }
  }

  /** Its attempt is over and it is not settled. Answers who may be attempted now: mostly itself. */
  landed(delivery: Delivery): Delivery | undefined {
    if (this.#unknown.has(delivery)) return undefined;
    if (delivery.key === keyNone) return this.#chooseKeyless(delivery);
    const lane = this.#lanes.get(delivery.key);
    assert(lane !== undefined, "what is unsettled is in the lane of its key");
    if (lane.chosen === delivery) lane.chosen = undefined;
    return this.#choose(lane);
  }

  /** How many wait behind it. */
  behindCount(delivery: Delivery): number {
    const lane = this.#lanes.get(delivery.key);
    return lane === undefined ? 0 : lane.size - 1;
  }

  // -- Letters that a circuit may take back --------------------------------------------------------

  noteLetter({ key, offset }: Delivery): void {
    if (key <= keyNone || this.#sentAfterLetter.has(key)) return;
    if (this.#sentAfterLetter.size < lettersNoted) this.#sentAfterLetter.set(key, offset);
    else this.#hasTooManyLetters = true;
  }

  noteAttempt({ key, offset }: Delivery): void {
    if (this.#sentAfterLetter.size === 0) return;
    const sent = this.#sentAfterLetter.get(key);
    if (sent !== undefined && sent < offset) this.#sentAfterLetter.set(key, offset);
  }

  noteSuccess(): void {
    if (this.#sentAfterLetter.size === 0) return;
    this.#sentAfterLetter.clear();
    this.#hasTooManyLetters = false;
  }

  /** Whether a letter may still be taken back: nothing later of its key has been sent. */
  mayReturn({ key, offset }: Pick<Delivery, "key" | "offset">): boolean {
    if (key === keyNone) return true;
    // Without its key nobody can tell, and a letter can still be redriven.
    if (key === keyUnknown || this.#hasTooManyLetters) return false;
    return (this.#sentAfterLetter.get(key) ?? offset) <= offset;
  }

  #chooseKeyless(delivery: Delivery): Delivery | undefined {
    if (!this.isLearning) return delivery;
    this.#keyless.push(delivery);
    return undefined;
  }

  /** The lowest is chosen unless one of the lane is in flight. */
  #choose(lane: Lane): Delivery | undefined {
    if (this.isLearning) return undefined;
    const { chosen } = lane;
    if (chosen !== undefined) {
      if (chosen === lane.first || chosen.state === "inFlight") return undefined;
      // One below it has come back: where it is listed to be attempted, that is void.
      chosen.ticket += 1;
    }
    lane.chosen = lane.first;
    return lane.first;
  }
}

function insert(lane: Lane, delivery: Delivery): void {
  lane.size += 1;
  if (delivery.offset > lane.last.offset) {
    lane.last.behind = delivery;
    lane.last = delivery;
    return;
  }
  if (delivery.offset < lane.first.offset) {
    delivery.behind = lane.first;
    lane.first = delivery;
    return;
  }
  let before = lane.first;
  while (before.behind !== undefined && before.behind.offset < delivery.offset) {
    before = before.behind;
  }
  assert(before.behind?.offset !== delivery.offset, "an offset is in its lane once");
  delivery.behind = before.behind;
  before.behind = delivery;
}

function remove(lane: Lane, delivery: Delivery): void {
  lane.size -= 1;
  if (lane.first === delivery) {
    assert(delivery.behind !== undefined, "a lane of more than one has a second");
    lane.first = delivery.behind;
  } else {
    let before = lane.first;
    while (before.behind !== delivery) {
      assert(before.behind !== undefined, "what leaves a lane is in it");
      before = before.behind;
    }
    before.behind = delivery.behind;
    if (lane.last === delivery) lane.last = before;
  }
  delivery.behind = undefined;
}
