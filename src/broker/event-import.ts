import type { CloudEvent } from "../event/event.ts";
import type { Clock } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { RunningBus } from "./buses.ts";
import type { PublishOutcome, Publisher } from "./publisher.ts";

export interface ImportCounts {
  /** Lines that hold an event and were dealt with. */
  readonly lines: number;
  /** Events that are on the bus, or wait for their time, because of this import. */
  readonly imported: number;
  /** Events that the bus had already. */
  readonly duplicates: number;
  /** Of the first event imported; null when there is none. */
  readonly first: Offset | null;
  /** After the last event imported; others may have published in between. */
  readonly next: Offset | null;
}

/** Why an import ended early, and at which line; `line` is undefined when no line is to blame. */
export interface ImportFailure {
  readonly error: BrokerError;
  readonly line: number | undefined;
}

export interface ImportOptions {
  readonly bus: RunningBus;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** There is room again after write() had answered false. */
  readonly onRoom: () => void;
  /** Once, when everything taken is durable or has failed. */
  readonly onDone: (counts: ImportCounts, failure: ImportFailure | undefined) => void;
  /** Reads one line as an event; the bytes without their line break. */
  readonly readLine: (line: Buffer) => CloudEvent;
}

interface Group {
  readonly events: CloudEvent[];
  /** The number of each event's line. */
  readonly lines: number[];
  bytes: number;
}

/**
 * Events that arrive as JSON lines, appended in groups: while one group is being stored the next is
 * collected, and when that is full too, whoever sends has to wait. One group at a time, so that the
 * order of the lines is the order of the bus whatever fails.
 *
 * States: taking (write) → finishing (end, or a failure: what came before it is still stored) → done.
 */
export class EventImport {
  readonly #options: ImportOptions;
  #group: Group = emptyGroup();
  #rest: Buffer[] = [];
  #restBytes = 0;
  #lineNumber = 0;
  #state: "taking" | "finishing" | "done" = "taking";
  #isAppending = false;
  #isFull = false;
  #failure: ImportFailure | undefined;
  #counts: { -readonly [Name in keyof ImportCounts]: ImportCounts[Name] } = {
    lines: 0,
    imported: 0,
    duplicates: 0,
    first: null,
    next: null,
  };

  constructor(options: ImportOptions) {
    this.#options = options;
  }

  /** Takes a piece of the lines, which must not change any more. False: wait for onRoom. */
  write(chunk: Buffer): boolean {
    let start = 0;
    while (this.#state === "taking") {
      const end = chunk.indexOf(LINE_FEED, start);
      if (end === -1) break;
      this.#takeLine(this.#withRest(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (this.#state === "taking" && start < chunk.length) {
      this.#rest.push(chunk.subarray(start));
      this.#restBytes += chunk.length - start;
      if (this.#restBytes > limits.importLineBytesMax) this.#refuseLine(lineTooLong());
    }
    this.#append();
    this.#isFull = this.#state === "taking" && this.#isAppending && isFull(this.#group);
    return !this.#isFull;
  }

  /** Nothing more comes; a last line need not end with a line break. */
  end(): void {
    if (this.#state !== "taking") return;
    if (this.#restBytes > 0) this.#takeLine(this.#withRest(Buffer.alloc(0)));
    if (this.#state === "taking") this.#state = "finishing";
    this.#append();
  }

  /** Ends it for a reason that lies in no line; what was taken is still stored. */
  fail(error: BrokerError): void {
    if (this.#state !== "taking") return;
    this.#state = "finishing";
    this.#failure = { error, line: undefined };
    this.#append();
  }

  #withRest(tail: Buffer): Buffer {
    if (this.#rest.length === 0) return tail;
    const line = Buffer.concat([...this.#rest, tail]);
    this.#rest = [];
    this.#restBytes = 0;
    return line;
  }

  #takeLine(line: Buffer): void {
    this.#lineNumber += 1;
    if (line.length > limits.importLineBytesMax) {
      this.#refuseLine(lineTooLong(), this.#lineNumber);
      return;
    }
    if (isBlankLine(line)) return;
    try {
      this.#group.events.push(this.#options.readLine(line));
      this.#group.lines.push(this.#lineNumber);
      this.#group.bytes += line.length;
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      this.#refuseLine(thrown, this.#lineNumber);
    }
  }

  #refuseLine(error: BrokerError, line: number = this.#lineNumber + 1): void {
    this.#state = "finishing";
    this.#failure = { error, line };
    this.#rest = [];
    this.#restBytes = 0;
  }

  #append(): void {
    if (this.#isAppending || this.#state === "done") return;
    if (this.#group.events.length === 0) {
      if (this.#state === "finishing") this.#done();
      return;
    }
    const group = this.#group;
    this.#group = emptyGroup();
    this.#isAppending = true;
    this.#publish(group);
  }

  #publish(group: Group): void {
    const { publisher, bus, clock } = this.#options;
    publisher.publish(bus, group.events, (failure, first, outcome) => {
      if (failure?.code === "overloaded") {
        // Others publish faster than the disk takes it: an import has time.
        clock.after(limits.importRetryMs, () => this.#publish(group));
        return;
      }
      this.#isAppending = false;
      if (failure === undefined) this.#count(group, first, outcome);
      else this.#groupFailed(group, failure);
      this.#append();
      if (this.#isFull && this.#state === "taking" && !isFull(this.#group)) {
        this.#isFull = false;
        this.#options.onRoom();
      }
    });
  }

  #count(group: Group, first: Offset, outcome: PublishOutcome | undefined): void {
    const counts = this.#counts;
    const duplicates = new Set(outcome?.duplicates);
    counts.lines += group.events.length;
    counts.duplicates += duplicates.size;
    counts.imported += group.events.length - duplicates.size;
    for (let index = 0; index < group.events.length; index++) {
      const offset = outcome === undefined ? first + index : outcome.offsets[index];
      if (offset === null || offset === undefined || duplicates.has(index)) continue;
      counts.first ??= offset;
      counts.next = offset + 1;
    }
  }

  /** A group is all or nothing: when one event is to blame, those before it go first. */
  #groupFailed(group: Group, error: BrokerError): void {
    const at = error.violations[0]?.index;
    this.#state = "finishing";
    this.#failure = { error, line: at === undefined ? undefined : group.lines[at] };
    this.#group = emptyGroup();
    if (at === undefined || at === 0) return;
    this.#group.events.push(...group.events.slice(0, at));
    this.#group.lines.push(...group.lines.slice(0, at));
  }

  #done(): void {
    this.#state = "done";
    this.#options.onDone({ ...this.#counts }, this.#failure);
  }
}

const LINE_FEED = 0x0a;

function emptyGroup(): Group {
  return { events: [], lines: [], bytes: 0 };
}

function isFull(group: Group): boolean {
  const { importGroupEventsMax, importGroupBytesMax } = limits;
  return group.events.length >= importGroupEventsMax || group.bytes >= importGroupBytesMax;
}

function isBlankLine(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}

function lineTooLong(): BrokerError {
  const message = `the line has more than ${limits.importLineBytesMax} bytes (importLineBytesMax)`;
  return new BrokerError("event_too_large", message, {
    violations: [{ path: "", code: "too_large", message }],
  });
}
