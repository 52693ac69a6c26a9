import type { Gap, RecordBatch, ReadLimit } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { encodeStructured } from "../event/json-format.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { GapList } from "./event-scan.ts";
import type { ScanVisitor } from "./event-scan.ts";

export interface ReadPageOptions {
  readonly from: Offset;
  readonly limit: number;
  /** Whoever asked for the earliest event begins there: what was trimmed before is no gap. */
  readonly isFromEarliest: boolean;
  readonly isFiltered: boolean;
  /** Takes bytes of what all pages may hold together (negative gives back), or answers false. */
  readonly reserve: (bytes: number) => boolean;
}

/** Brackets around, or a comma before each. */
const SEPARATOR_BYTES = 1;

/**
 * One answer to a read while it is filled: structured events, offsets, gaps. It is full when the
 * client's limit, its bytes as they will be sent, the number of gaps, what a filter may look at in
 * one request, or the memory of all pages is used up; `next` says where to go on in any case.
 */
export class ReadPage implements ScanVisitor {
  readonly events: Buffer[] = [];
  readonly offsets: Offset[] = [];
  readonly gaps: GapList = new GapList();
  next: Offset;
  readonly #options: ReadPageOptions;
  #bytes = 2 * SEPARATOR_BYTES;
  #scannedEvents = 0;
  #scannedBytes = 0;
  #isFull = false;
  #isReleased = false;

  constructor(options: ReadPageOptions) {
    this.#options = options;
    this.next = options.from;
  }

  get isFull(): boolean {
    return this.#isFull || this.offsets.length >= this.#options.limit;
  }

  get isEmpty(): boolean {
    return this.offsets.length === 0 && this.gaps.size === 0;
  }

  /** What to read next: a slice of what is still wanted. */
  get turnLimit(): ReadLimit {
    const { limit, isFiltered } = this.#options;
    const wanted = isFiltered ? limits.readTurnEventsMax : limit - this.offsets.length;
    const records = Math.min(wanted, limits.readTurnEventsMax);
    return { records, bytes: limits.readTurnBytesMax };
  }

  /** Notes what has been looked at; the page ends with the batch that reaches the limit. */
  scanned(batch: RecordBatch): void {
    this.#scannedEvents += batch.count;
    this.#scannedBytes += (batch.ends[batch.count - 1] ?? 0) - (batch.starts[0] ?? 0);
    if (this.#scannedEvents >= limits.readScanEventsMax) this.#isFull = true;
    if (this.#scannedBytes >= limits.readScanBytesMax) this.#isFull = true;
  }

  readonly event = (offset: Offset, event: CloudEvent): boolean => {
    if (this.offsets.length >= this.#options.limit) return false;
    const encoded = encodeStructured(event);
    const bytes = encoded.length + SEPARATOR_BYTES;
    const isFirst = this.offsets.length === 0;
    if (!isFirst && this.#bytes + bytes > limits.readBytesMax) {
      this.#isFull = true;
      return false;
    }
    if (!this.#options.reserve(bytes)) {
      this.#isFull = true;
      if (isFirst) throw overloaded();
      return false;
    }
    this.#bytes += bytes;
    this.events.push(encoded);
    this.offsets.push(offset);
    return true;
  };

  readonly gap = (gap: Gap): boolean => {
    const { from, isFromEarliest } = this.#options;
    if (isFromEarliest && gap.reason === "trimmed" && gap.from <= from) return true;
    if (this.gaps.size >= limits.gapRangesMax) {
      this.#isFull = true;
      return false;
    }
    this.gaps.add(gap);
    return true;
  };

  /** The batch in the JSON event format, in pieces. */
  body(): Buffer[] {
    const pieces: Buffer[] = [];
    for (const event of this.events) pieces.push(pieces.length === 0 ? openBracket : comma, event);
    if (pieces.length === 0) pieces.push(openBracket);
    pieces.push(closeBracket);
    return pieces;
  }

  /** Gives back its memory; idempotent. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#options.reserve(-(this.#bytes - 2 * SEPARATOR_BYTES));
  }
}

function overloaded(): BrokerError {
  const detail = `answers under way hold ${limits.readInFlightBytesMax} bytes (readInFlightBytesMax)`;
  return new BrokerError("overloaded", detail);
}

const openBracket = Buffer.from("[");
const comma = Buffer.from(",");
const closeBracket = Buffer.from("]");
