/**
 * The books of the crash tests, kept outside the broker: what it acknowledged, what a reader saw,
 * what consumers were sent and how they answered. Nothing in here asks the broker.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";

/** A success so shortly before its sink died may not have reached the broker. */
const UNCERTAIN_MS = 300;
/** How far back slow answers excuse a late commit: both wait for the same loop and the same disk. */
const SLOWNESS_WINDOW_MS = 2000;

export interface TestEvent {
  readonly id: string;
  readonly type: "com.example.wanted" | "com.example.other";
  readonly contentType: string;
  readonly data: Buffer;
}

/** An event follows from its id alone, so the books need not keep its bytes. */
export function testEvent(id: string): TestEvent {
  const digest = hash("sha256", id, "buffer");
  const type = digest.readUInt8(0) < 85 ? "com.example.other" : "com.example.wanted";
  const length = digest.readUInt8(1) === 0 ? 60_000 : digest.readUInt16LE(2) % 700;
  const kind = digest.readUInt8(4) % 3;
  const noise = digest
    .toString("base64")
    .repeat(Math.ceil(length / 44))
    .slice(0, length);
  if (kind === 0) {
    const data = Buffer.from(`Größe ✓ of ${id} ${noise}`);
    return { id, type, contentType: "text/plain", data };
  }
  if (kind === 1) {
    const data = Buffer.concat([Buffer.from([0, 255, 128]), digest, Buffer.from(noise)]);
    return { id, type, contentType: "application/octet-stream", data };
  }
  // Neither the blanks nor the number survive anybody who parses and prints it.
  const data = Buffer.from(`{"id": "${id}",  "n": 12345678901234567890, "text": "${noise}"}`);
  return { id, type, contentType: "application/json", data };
}

/** What one bus owes. */
export class BusBook {
  readonly name: string;
  /** Event id by offset, as acknowledged. */
  readonly acknowledged: Map<number, string> = new Map();
  /** Event id by offset, as a reader saw it. */
  readonly seen: Map<number, string> = new Map();
  /** When, by the wall clock, each event was sent first. */
  readonly sent: Map<string, number> = new Map();
  /** Delayed events that were acknowledged: id of the delay by id of the event. */
  readonly delayed: Map<string, string> = new Map();
  readonly cancelAsked: Set<string> = new Set();
  readonly cancelled: Set<string> = new Set();

  constructor(name: string) {
    this.name = name;
  }

  acknowledge(offset: number, id: string): void {
    assert.ok(Number.isSafeInteger(offset), `${id} was acknowledged with offset ${offset}`);
    const before = this.acknowledged.get(offset) ?? this.seen.get(offset);
    assert.ok(before === undefined || before === id, `offset ${offset}: ${before}, then ${id}`);
    this.acknowledged.set(offset, id);
  }

  send(id: string): void {
    if (!this.sent.has(id)) this.sent.set(id, Date.now());
  }

  see(offset: number, id: string): void {
    const before = this.acknowledged.get(offset) ?? this.seen.get(offset);
    assert.ok(before === undefined || before === id, `offset ${offset}: ${before}, then ${id}`);
    this.seen.set(offset, id);
  }
}

interface Success {
  readonly at: number;
  readonly life: number;
}

export interface Repeat {
  readonly id: string;
  /** How long before the crash the event had been answered with success. */
  readonly ageMs: number;
  readonly allowedMs: number;
  /** What half of the publishes took then. */
  readonly typicalMs: number;
}

/** What one subscription was sent. */
export class SubscriptionBook {
  readonly name: string;
  readonly bus: BusBook;
  readonly successes: Map<string, Success> = new Map();
  readonly repeats: Repeat[] = [];
  readonly wrong: string[] = [];
  /** A subscription that is moved back is sent again what it had; nothing bounds that. */
  readonly isSought: boolean;
  readonly #lives: Lives;
  readonly #deaths: number[] = [];

  constructor(name: string, bus: BusBook, lives: Lives, options: { isSought: boolean }) {
    this.name = name;
    this.bus = bus;
    this.#lives = lives;
    this.isSought = options.isSought;
  }

  /** The consumer is about to die with answers on their way. */
  die(): void {
    this.#deaths.push(performance.now());
  }

  /** Called when the consumer answers an event with success. */
  succeed(id: string): void {
    const now = performance.now();
    const { current } = this.#lives;
    const before = this.successes.get(id);
    this.successes.set(id, { at: now, life: current });
    if (before === undefined || this.isSought) return;
    const isUncertain = this.#deaths.some(
      (at) => before.at <= at && before.at >= at - UNCERTAIN_MS,
    );
    if (isUncertain) return;
    if (before.life !== current) {
      this.repeats.push({ id, ...this.#lives.ageAtDeath(before.life, before.at) });
    } else {
      this.wrong.push(`${id} again after ${Math.round(now - before.at)} ms, without a crash`);
    }
  }
}

interface Death {
  readonly at: number;
  readonly allowedMs: number;
  readonly typicalMs: number;
}

/** The lives of the broker, and how slow it was when each of them ended. */
export class Lives {
  current = 0;
  readonly #deaths: Death[] = [];
  readonly #underWay: Set<{ readonly since: number }> = new Set();
  #slowest: { readonly at: number; readonly tookMs: number }[] = [];

  /** Measures a request that waits for the broker's loop and its disk. */
  async timed<T>(work: () => Promise<T>): Promise<T> {
    const token = { since: performance.now() };
    this.#underWay.add(token);
    try {
      return await work();
    } finally {
      this.#underWay.delete(token);
      const at = performance.now();
      this.#slowest.push({ at, tookMs: at - token.since });
    }
  }

  /** To be called right before the kill. */
  die(): void {
    const at = performance.now();
    this.#slowest = this.#slowest.filter((each) => each.at > at - SLOWNESS_WINDOW_MS);
    const answered = this.#slowest.map(({ tookMs }) => tookMs);
    const waiting = [...this.#underWay].map(({ since }) => at - since);
    const slowMs = Math.max(0, ...answered, ...waiting);
    // P2: what settled in the last 100 ms, or since the last finished commit began if commits take
    // longer. A commit and the answer before it wait as a publish does, each at most once.
    this.#deaths[this.current] = { at, allowedMs: 100 + 2 * slowMs, typicalMs: median(answered) };
  }

  /** To be called after a clean stop: everything was settled, and nothing may come again. */
  stop(): void {
    this.#deaths[this.current] = { at: performance.now(), allowedMs: 0, typicalMs: 0 };
  }

  /** To be called when nothing of the old life can arrive any more. */
  begin(): void {
    this.current++;
  }

  ageAtDeath(life: number, at: number): Omit<Repeat, "id"> {
    const death = this.#deaths[life];
    assert.ok(death !== undefined, `life ${life} has ended`);
    const { allowedMs, typicalMs } = death;
    return { ageMs: death.at - at, allowedMs, typicalMs };
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
