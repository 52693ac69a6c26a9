import type { EventLog, ReadLimit } from "../engine/engine.ts";
import { encodeStructured } from "../event/json-format.ts";
import type { Clock } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Buses, RunningBus } from "./buses.ts";
import { EventPump } from "./event-pump.ts";
import type { PumpSink } from "./event-pump.ts";
import { GapList, readableAt, scanBatch } from "./event-scan.ts";
import { ReadPage } from "./read-page.ts";
import type { EventMatcher } from "./read-filter.ts";
import { ReadTurns } from "./read-turns.ts";
import { resolvePosition } from "./start-position.ts";

export { decodeAt } from "./event-scan.ts";

export interface ReadQuery {
  /** `earliest`, `latest`, an offset or an RFC 3339 time. */
  readonly from: string;
  readonly limit: number;
  /** How long to wait for a first event when there is none. */
  readonly waitMs: number;
  readonly matcher: EventMatcher | undefined;
  readonly signal: AbortSignal;
}

export interface RangeQuery {
  readonly from: string;
  /** Exclusive; undefined is where the bus ends now. */
  readonly to: string | undefined;
}

/** A part of a bus, resolved: what is known about it before it is read. */
export interface ReadRange {
  readonly from: Offset;
  readonly to: Offset;
  readonly gaps: GapList;
}

export interface FollowQuery {
  readonly from: Offset;
  readonly to: Offset | undefined;
  readonly matcher: EventMatcher | undefined;
  readonly limit: ReadLimit;
}

/** Reads buses for those who have no subscription. */
export class EventReader {
  readonly #buses: Buses;
  readonly #clock: Clock;
  readonly #turns: ReadTurns;
  /** Bytes of pages that nobody has taken yet. */
  #pageBytes = 0;

  constructor(buses: Buses, clock: Clock) {
    this.#buses = buses;
    this.#clock = clock;
    this.#turns = new ReadTurns(clock);
  }

  /** The caller releases the page when it has been sent or given up. */
  async read(busName: string, query: ReadQuery): Promise<ReadPage> {
    const { log } = this.#buses.require(busName);
    const from = await this.#start(log, query.from);
    const page = new ReadPage({
      from,
      limit: query.limit,
      isFromEarliest: query.from === "earliest",
      isFiltered: query.matcher !== undefined,
      reserve: (bytes) => this.#reserve(bytes),
    });
    try {
      await this.#fill(page, log, query);
      return page;
    } catch (thrown) {
      page.release();
      throw thrown;
    }
  }

  async #fill(page: ReadPage, log: EventLog, query: ReadQuery): Promise<void> {
    const { matcher, signal, waitMs } = query;
    const endsAt = this.#clock.monotonic() + waitMs;
    while (!page.isFull) {
      const before = page.next;
      const at = { from: before, limit: page.turnLimit };
      await this.#turns.loadWith(log, at, (batch) => {
        page.scanned(batch);
        page.next = scanBatch(batch, { matcher }, page);
      });
      if (signal.aborted) return;
      if (page.next > before) continue;
      const leftMs = endsAt - this.#clock.monotonic();
      if (page.isFull || !page.isEmpty || leftMs <= 0) return;
      await this.#untilAdvance(log, before, { waitMs: leftMs, signal });
    }
  }

  #reserve(bytes: number): boolean {
    if (bytes > 0 && this.#pageBytes + bytes > limits.readInFlightBytesMax) return false;
    this.#pageBytes += bytes;
    return true;
  }

  async get(busName: string, offset: Offset): Promise<Buffer> {
    const { log } = this.#buses.require(busName);
    const { first, next } = log.bounds();
    const where = `at offset ${offset} of bus '${busName}'`;
    if (offset >= next) {
      throw new BrokerError(
        "event_not_found",
        `there is no event ${where} yet; the next is ${next}`,
      );
    }
    if (offset < first) throw expired(where, first);
    const at = { from: offset, limit: { records: 1, bytes: 1 } };
    const found = await this.#turns.loadWith(log, at, (batch) => {
      const event =
        batch.count > 0 && batch.offsets[0] === offset ? readableAt(batch, 0) : undefined;
      if (event !== undefined) return encodeStructured(event);
      return batch.gaps.find(({ from, to }) => from <= offset && offset <= to);
    });
    if (Buffer.isBuffer(found)) return found;
    if (found?.reason === "trimmed") throw expired(where, log.bounds().first);
    throw new BrokerError("event_damaged", `there is no readable event ${where}`);
  }

  /** Where a reader that asked for `from` begins; a trimmed offset stays, its gap is told. */
  position(busName: string, from: string, path: string = "from"): Promise<Offset> {
    return this.#start(this.#buses.require(busName).log, from, path);
  }

  /** Pours a bus into the sink from a position on, at the pace of the sink. */
  follow(busName: string, query: FollowQuery, sink: PumpSink): EventPump {
    const { log } = this.#buses.require(busName);
    return new EventPump({ ...query, log, turns: this.#turns }, sink);
  }

  /** Undefined once the bus is gone, also when another one of its name has been made. */
  bus(busName: string): RunningBus | undefined {
    return this.#buses.running(busName);
  }

  async range(busName: string, query: RangeQuery): Promise<ReadRange> {
    const { log } = this.#buses.require(busName);
    const from = await this.#start(log, query.from);
    const { next } = log.bounds();
    const to = query.to === undefined ? next : await this.#resolve(log, "to", query.to);
    if (to < from) {
      const message = `${query.to} is offset ${to}, before from, which is ${from}`;
      throw invalidPosition("to", message);
    }
    return { from, to, gaps: knownGaps(log, from, to) };
  }

  /** Reading from a trimmed offset starts there: the log reports what is gone as a gap. */
  async #start(log: EventLog, from: string, path: string = "from"): Promise<Offset> {
    if (/^\d{1,16}$/.test(from) && Number(from) < log.bounds().first) return Number(from);
    return this.#resolve(log, path, from);
  }

  async #resolve(log: EventLog, path: string, wanted: string): Promise<Offset> {
    const position = await resolvePosition(wanted, log, this.#clock.now());
    if (position.ok) return position.offset;
    throw invalidPosition(path, position.message);
  }

  #untilAdvance(
    log: EventLog,
    from: Offset,
    wait: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        listener.dispose();
        timer.dispose();
        wait.signal.removeEventListener("abort", done);
        resolve();
      };
      const listener = this.#turns.onceAdvanced(log, done);
      const timer = this.#clock.after(wait.waitMs, done);
      wait.signal.addEventListener("abort", done, { once: true });
      // Something may have come, or the reader gone, between the read and the listener.
      if (log.bounds().next > from || wait.signal.aborted) done();
    });
  }
}

/** What the log knows of a range without reading it: trimmed, jumped, and damage found so far. */
function knownGaps(log: EventLog, from: Offset, to: Offset): GapList {
  const found: { from: Offset; to: Offset }[] = [];
  const { first } = log.bounds();
  if (from < first) found.push({ from, to: first - 1 });
  const segments = log.segments();
  for (const [index, segment] of segments.entries()) {
    const following = segments[index + 1];
    if (following !== undefined && following.first > segment.next) {
      found.push({ from: segment.next, to: following.first - 1 });
    }
  }
  for (const damage of log.damages()) {
    if (damage.to >= damage.from) found.push({ from: damage.from, to: damage.to });
  }
  const gaps = new GapList();
  for (const each of found.toSorted((left, right) => left.from - right.from)) {
    const part = { from: Math.max(from, each.from), to: Math.min(to - 1, each.to) };
    if (part.from <= part.to && gaps.size < limits.gapRangesMax) gaps.add(part);
  }
  return gaps;
}

function invalidPosition(path: string, message: string): BrokerError {
  return new BrokerError("invalid_request", `${path}: ${message}`, {
    violations: [{ path, code: "invalid_position", message }],
  });
}

function expired(where: string, first: Offset): BrokerError {
  const detail = `the event ${where} is no longer kept; the oldest kept is ${first}`;
  return new BrokerError("event_expired", detail);
}
