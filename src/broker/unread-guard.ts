import type { Retention } from "../api/api.ts";
import type { BusDelivery, UnreadMark } from "../delivery/delivery.ts";
import type { EventLog, SegmentFacts } from "../engine/engine.ts";
import type { Clock } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";

export interface UnreadGuardOptions {
  readonly bus: BusName;
  readonly log: EventLog;
  readonly delivery: BusDelivery;
  readonly clock: Clock;
}

/** Waiting longer than a retention round tells a publisher nothing new. */
const RETRY_AFTER_SECONDS = 2;

/**
 * The wall of a bus with `keepUnread`: publishing is refused while retention would have to expire
 * an event that some subscription has not read. What was read and still waits for its delivery does
 * not count: it is rescued when its segment goes. A bus without subscriptions is never full.
 */
export class UnreadGuard {
  readonly #options: UnreadGuardOptions;
  #retention: Retention | undefined;
  /** Retention by age wants to delete everything below. */
  #tooOldBefore: Offset = 0;
  /** What may be published before the next look; a publish more than this is still let in. */
  #roomBytes = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #refusal: BrokerError | undefined;

  constructor(options: UnreadGuardOptions) {
    this.#options = options;
  }

  /** The hot path asks this first: nearly no bus has it on. */
  get isOn(): boolean {
    return this.#retention !== undefined;
  }

  change(retention: Retention): void {
    this.#retention = retention.keepUnread ? retention : undefined;
    this.#tooOldBefore = 0;
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  /** Retention has looked at the age of the segments. */
  aged(tooOldBefore: Offset): void {
    this.#tooOldBefore = tooOldBefore;
  }

  /** Why a publish of so many bytes cannot be taken now. */
  refusal(bytes: number): BrokerError | undefined {
    if (this.#retention === undefined) return undefined;
    const sinceMs = this.#options.clock.monotonic() - this.#lookedAt;
    const isKnown =
      this.#refusal === undefined
        ? this.#roomBytes > 0 && sinceMs < limits.retentionIntervalMs
        : sinceMs < limits.busFullRecheckMs;
    if (!isKnown) this.#look(this.#retention);
    if (this.#refusal === undefined) this.#roomBytes -= bytes;
    return this.#refusal;
  }

  #look(retention: Retention): void {
    const { log, delivery, clock } = this.#options;
    this.#lookedAt = clock.monotonic();
    const mark = delivery.lowestUnread();
    const unreadBytes = mark === undefined ? 0 : bytesFrom(log.segments(), mark.offset);
    this.#roomBytes = (retention.maxBytes ?? Number.POSITIVE_INFINITY) - unreadBytes;
    if (mark === undefined) this.#refusal = undefined;
    else if (this.#roomBytes <= 0) {
      const why = `hold ${unreadBytes} bytes, and retention.maxBytes is ${retention.maxBytes}`;
      this.#refusal = this.#full(mark, why);
    } else if (mark.offset < this.#tooOldBefore) {
      const why = `are older than retention.maxAge, ${retention.maxAge}`;
      this.#refusal = this.#full(mark, why);
    } else {
      this.#refusal = undefined;
    }
  }

  #full({ subscription, offset }: UnreadMark, why: string): BrokerError {
    const detail =
      `bus '${this.#options.bus}' keeps what is unread: the events from offset ${offset} on that ` +
      `subscription '${subscription}' has not read ${why}`;
    return new BrokerError("bus_full", detail, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }
}

/** Bytes of the events from `offset` on; within a segment by the share of its offsets. */
function bytesFrom(segments: readonly SegmentFacts[], offset: Offset): number {
  let bytes = 0;
  for (const { first, next, bytes: segmentBytes } of segments) {
    if (next <= offset || next === first) continue;
    const share = (next - Math.max(first, offset)) / (next - first);
    bytes += Math.round(segmentBytes * share);
  }
  return bytes;
}
