import type { EventLog, Gap, RecordBatch } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { decodeEvent } from "../event/stored-form.ts";
import type { Clock } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Buses } from "./buses.ts";
import { resolvePosition } from "./start-position.ts";

export interface ReadQuery {
  /** `earliest`, `latest`, an offset or an RFC 3339 time. */
  readonly from: string;
  readonly limit: number;
  /** How long to wait for a first event when there is none. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export interface ReadPage {
  readonly events: readonly CloudEvent[];
  readonly offsets: readonly Offset[];
  /** Where to read on. */
  readonly next: Offset;
  readonly gaps: readonly Gap[];
}

/** Reads buses for those who have no subscription. */
export class EventReader {
  readonly #buses: Buses;
  readonly #clock: Clock;

  constructor(buses: Buses, clock: Clock) {
    this.#buses = buses;
    this.#clock = clock;
  }

  async read(busName: string, query: ReadQuery): Promise<ReadPage> {
    const { log } = this.#buses.require(busName);
    const from = await this.#start(log, query.from);
    const limit = { records: query.limit, bytes: limits.readBytesMax };
    let batch = await log.read(from, limit);
    if (batch.next === from && query.waitMs > 0) {
      await untilAdvance(log, from, { clock: this.#clock, ...query });
      batch = await log.read(from, limit);
    }
    return decodeBatch(batch, trimmedGap(from, batch, query.from));
  }

  async get(busName: string, offset: Offset): Promise<CloudEvent> {
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
    const batch = await log.read(offset, { records: 1, bytes: 1 });
    if (batch.count > 0 && batch.offsets[0] === offset) return decodeAt(batch, 0);
    const gap = batch.gaps.find(({ from, to }) => from <= offset && offset <= to);
    if (gap?.reason === "trimmed") throw expired(where, log.bounds().first);
    throw new BrokerError("event_damaged", `there is no readable event ${where}`);
  }

  /** Reading from a trimmed offset starts there: the log reports what is gone as a gap. */
  async #start(log: EventLog, from: string): Promise<Offset> {
    if (/^\d{1,16}$/.test(from) && Number(from) < log.bounds().first) return Number(from);
    const position = await resolvePosition(from, log, this.#clock.now());
    if (position.ok) return position.offset;
    throw new BrokerError("invalid_request", `from: ${position.message}`, {
      violations: [{ path: "from", code: "invalid_position", message: position.message }],
    });
  }
}

export function decodeAt(batch: RecordBatch, index: number): CloudEvent {
  const { buffer, starts, ends } = batch;
  return decodeEvent(buffer, starts[index] ?? 0, ends[index] ?? 0);
}

function decodeBatch(batch: RecordBatch, gaps: readonly Gap[]): ReadPage {
  const events: CloudEvent[] = [];
  for (let index = 0; index < batch.count; index++) events.push(decodeAt(batch, index));
  return { events, offsets: batch.offsets.slice(0, batch.count), next: batch.next, gaps };
}

function expired(where: string, first: Offset): BrokerError {
  const detail = `the event ${where} is no longer kept; the oldest kept is ${first}`;
  return new BrokerError("event_expired", detail);
}

/** The earliest event is where a reader of `earliest` begins: what was before is no gap to it. */
function trimmedGap(from: Offset, batch: RecordBatch, asked: string): readonly Gap[] {
  if (asked !== "earliest") return batch.gaps;
  return batch.gaps.filter((gap) => gap.reason !== "trimmed" || gap.from > from);
}

interface Wait {
  readonly clock: Clock;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

function untilAdvance(log: EventLog, from: Offset, wait: Wait): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      listener.dispose();
      timer.dispose();
      wait.signal.removeEventListener("abort", done);
      resolve();
    };
    const listener = log.onAdvance((next) => {
      if (next > from) done();
    });
    const timer = wait.clock.after(wait.waitMs, done);
    wait.signal.addEventListener("abort", done, { once: true });
    // Something may have come, or the reader gone, between the read and the listener.
    if (log.bounds().next > from || wait.signal.aborted) done();
  });
}
