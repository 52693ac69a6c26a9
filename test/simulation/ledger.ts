import assert from "node:assert/strict";
import type { EventLog, Gap, ReadLimit } from "../../src/engine/engine.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { decodeEvent, encodeEvent } from "../../src/event/stored-form.ts";
import type { BrokerError } from "../../src/kernel/errors.ts";

type Fate = "open" | "acknowledged" | "refused" | "unknown";

/** One append: all of it is stored, or nothing. */
export interface Publish {
  readonly number: number;
  readonly events: readonly PublishedEvent[];
  /** Which life of the broker took it. */
  readonly life: number;
  fate: Fate;
  first: number | undefined;
}

export interface PublishedEvent {
  readonly event: CloudEvent;
  readonly payload: Buffer;
  readonly publish: () => Publish;
}

/**
 * P1, kept by somebody who stands outside: what was published, what was answered, and what anybody
 * has ever seen of the bus. Whatever was seen is never to change.
 */
export class Ledger {
  readonly #byId = new Map<string, PublishedEvent>();
  /** Offset → id, for whatever was acknowledged, read or delivered. */
  readonly #known = new Map<number, string>();
  readonly #offsets = new Map<string, number>();
  /** Offsets that a reported gap has taken away. */
  readonly #gone = new Set<number>();
  readonly publishes: Publish[] = [];
  #next = 0;
  /** Nothing at or above was ever asked to be trimmed. */
  trimAsked = 0;
  /** How many bits of the medium were changed. */
  rotted = 0;
  /** Acknowledgements do not wait for syncs: a power cut may take back what nobody has synced. */
  readonly #isWeak: boolean;
  /** Then a weak broker may find holes in what it took for synced. */
  syncFailed = false;
  #mayLose = false;

  constructor(options: { readonly isWeak: boolean }) {
    this.#isWeak = options.isWeak;
  }

  get isWeak(): boolean {
    return this.#isWeak;
  }

  /** Every offset that anybody has seen, and its event. */
  *known(): Iterable<readonly [number, PublishedEvent]> {
    for (const [offset, id] of this.#known) {
      const published = this.#byId.get(id);
      if (published !== undefined) yield [offset, published];
    }
  }

  powerCut(): void {
    this.#mayLose = this.#isWeak;
  }

  publish(life: number, events: readonly CloudEvent[]): Publish {
    const publish: Publish = {
      number: this.publishes.length,
      life,
      fate: "open",
      first: undefined,
      events: events.map((event) => {
        const own = { event, payload: Buffer.from(encodeEvent(event)), publish: () => publish };
        this.#byId.set(event.id, own);
        return own;
      }),
    };
    this.publishes.push(publish);
    return publish;
  }

  settled(publish: Publish, failure: BrokerError | undefined, first: number): void {
    assert.equal(publish.fate, "open", "an append is answered once");
    if (failure !== undefined) {
      publish.fate = failure.code === "outcome_unknown" ? "unknown" : "refused";
      for (const { event } of publish.events) {
        const seen: number | undefined =
          publish.fate === "refused" ? this.#offsets.get(event.id) : undefined;
        assert.equal(seen, undefined, `event ${event.id} was refused, but seen at ${seen} (P1)`);
      }
      return;
    }
    publish.fate = "acknowledged";
    publish.first = first;
    for (const [index, { event }] of publish.events.entries()) this.learn(first + index, event.id);
  }

  /** The process is gone: whoever still waited will never know. */
  lifeEnded(): void {
    for (const publish of this.publishes) if (publish.fate === "open") publish.fate = "unknown";
  }

  get open(): number {
    return this.publishes.filter((publish) => publish.fate === "open").length;
  }

  /** Somebody has seen this event at this offset. */
  learn(offset: number, id: string): void {
    const known = this.#known.get(offset);
    if (known === id) return;
    assert.equal(known, undefined, `offset ${offset} was given to ${known} and to ${id} (P1)`);
    const elsewhere = this.#offsets.get(id);
    assert.equal(elsewhere, undefined, `event ${id} is at ${elsewhere} and at ${offset} (P1)`);
    const published = this.#byId.get(id);
    assert(published !== undefined, `event ${id} at ${offset} was never published (P1)`);
    const { fate } = published.publish();
    assert.notEqual(fate, "refused", `event ${id} was refused and is at ${offset} (P1)`);
    this.#known.set(offset, id);
    this.#offsets.set(id, offset);
    this.#next = Math.max(this.#next, offset + 1);
  }

  /** The event that anybody has seen at this offset. */
  at(offset: number): PublishedEvent | undefined {
    const id = this.#known.get(offset);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  isGone(offset: number): boolean {
    return this.#gone.has(offset);
  }

  assertUnchanged(offset: number, event: CloudEvent): void {
    this.learn(offset, event.id);
    const published = this.#byId.get(event.id);
    const bytes = Buffer.from(encodeEvent(event));
    assert(published?.payload.equals(bytes), `event ${event.id} is not as published (P1, P9)`);
  }

  /** Reads all there is and compares; what the disk refuses to read is compared another time. */
  async check(log: EventLog, limit: ReadLimit, isOver: () => boolean): Promise<void> {
    const { first, next } = log.bounds();
    assert(first <= this.trimAsked, `the log begins at ${first}, asked was ${this.trimAsked}`);
    assert(next >= this.#next, `the log ends at ${next}, but ${this.#next - 1} was seen (P1)`);
    let at = first;
    let time = 0;
    while (at < next) {
      const batch = await log.read(at, limit);
      if (isOver()) return;
      const { starts, ends, times, buffer, offsets } = batch;
      const found = new Set(offsets);
      for (const [index, offset] of offsets.entries()) {
        const start = starts[index] ?? 0;
        const end = ends[index] ?? 0;
        const { id } = decodeEvent(buffer, start, end);
        this.learn(offset, id);
        const same = this.#byId.get(id)?.payload.equals(buffer.subarray(start, end)) ?? false;
        assert(same, `the bytes of event ${id} at ${offset} are not those published (P1, P9)`);
        assert((times[index] ?? 0) >= time, `append times run backwards at offset ${offset}`);
        time = times[index] ?? 0;
      }
      for (const gap of batch.gaps) this.#assertExplained(gap, log, found);
      const gone = batch.gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
      const told = found.size + gone;
      assert.equal(told, batch.next - at, `of [${at}, ${batch.next}) some offsets are not told`);
      assert(batch.next > at, `reading stands still at ${at}, the log goes on to ${next}`);
      at = batch.next;
    }
    this.#mayLose = false;
    this.#assertWhole(first, next);
  }

  /** A batch is there as a whole, in one piece, or not at all. */
  #assertWhole(first: number, next: number): void {
    for (const { number, events } of this.publishes) {
      const seen = events.map(({ event }) => this.#offsets.get(event.id));
      const start = seen[0];
      const found = seen.filter((offset) => offset !== undefined);
      // What was appended or trimmed while it was read is compared another time.
      if (found.length === 0 || found.some((one) => one < first || one >= next)) continue;
      const isWhole = found.length === seen.length && !found.some((one) => this.isGone(one));
      if ((this.rotted > 0 || this.#isWeak) && !isWhole) continue;
      for (const [index, offset] of seen.entries()) {
        assert.equal(offset, (start ?? 0) + index, `publish ${number} is stored in part (P1)`);
      }
    }
    this.#assertOrder();
  }

  /** The total order of the bus: what one life acknowledged lies in the order of the calls. */
  #assertOrder(): void {
    let last = -1;
    for (const { fate, first, number } of this.publishes) {
      if (fate !== "acknowledged" || first === undefined) continue;
      assert(first > last, `publish ${number} is at ${first}, an earlier one at ${last} (P1)`);
      last = first;
    }
  }

  #assertExplained(gap: Gap, log: EventLog, found: ReadonlySet<number>): void {
    const { from, to, reason } = gap;
    const isTrimmed = reason === "trimmed" && to < log.bounds().first;
    const isRotten = reason === "damaged" && this.rotted > 0;
    const isJump = this.#isWeak && (reason === "jumped" || this.syncFailed);
    const isExplained = isTrimmed || isRotten || isJump;
    assert(isExplained, `gap ${from}-${to} is ${reason}, and nothing explains it (P1)`);
    for (const offset of found) assert(offset < from || offset > to, `${offset} is in a gap`);
    for (const offset of this.#known.keys()) {
      if (offset < from || offset > to || this.#gone.has(offset)) continue;
      const isExcused = isTrimmed || isRotten || this.#mayLose;
      assert(isExcused, `offset ${offset} is lost, and no power was cut (P1)`);
      this.#gone.add(offset);
    }
  }
}
