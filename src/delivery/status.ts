import type { CircuitStatus, SubscriptionStateName } from "../api/api.ts";
import type { EventLog } from "../engine/engine.ts";
import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { blockedKeysOf } from "./blocked.ts";
import type { Consumer } from "./consumer.ts";
import type { DeliveryStatus } from "./contract.ts";
import type { Delivery } from "./entry.ts";
import { isHeld } from "./pace.ts";

export interface StatusInput {
  readonly consumer: Consumer;
  readonly log: EventLog;
  readonly groupPosition: Offset;
  /** Steady time, for holds; wall time, for the age of events. */
  readonly now: EpochMs;
  readonly wallNow: EpochMs;
}

export function statusOf(input: StatusInput): DeliveryStatus {
  const { consumer, log } = input;
  const { next } = log.bounds();
  const readNext = Math.min(next, readNextOf(consumer, input.groupPosition));
  const { state, reason } = stateOf(consumer, input.now);
  const counters = countersOf(consumer, { next, readNext });
  const { pending, inFlight, parked } = counters;
  return {
    state,
    reason,
    generation: consumer.generation,
    start: consumer.start,
    position: consumer.position(readNext),
    next,
    lag: { events: pending + inFlight + parked, seconds: lagSeconds(input, { next, readNext }) },
    counters,
    circuit: circuitOf(consumer),
    blocked: blockedKeysOf(consumer),
    lastErrors: consumer.lastErrors,
    expiredRanges: consumer.expiredRanges.list,
    previous: consumer.previous,
  };
}

/** The first offset the consumer has not read, whoever reads for it. */
export function readNextOf(consumer: Consumer, groupPosition: Offset): Offset {
  return consumer.readNext ?? Math.max(consumer.start, groupPosition);
}

/** The greatest `lag.events` of these, without making a status of each. */
export function lagEventsMaxOf(
  consumers: Iterable<Consumer>,
  { next, groupPosition }: { readonly next: Offset; readonly groupPosition: Offset },
): number | undefined {
  let most: number | undefined;
  for (const consumer of consumers) {
    const { waiting, inFlight, parked } = consumer.counts;
    const unread = Math.max(0, next - readNextOf(consumer, groupPosition));
    most = Math.max(most ?? 0, waiting + unread + parked + inFlight);
  }
  return most;
}

interface Ends {
  readonly next: Offset;
  readonly readNext: Offset;
}

function countersOf(consumer: Consumer, ends: Ends): DeliveryStatus["counters"] {
  const { waiting, inFlight, parked, delivered, dead, discarded, expired, skipped } =
    consumer.counts;
  const pending = waiting + Math.max(0, ends.next - ends.readNext);
  const named = delivered + dead + discarded + expired + skipped + parked + inFlight + pending;
  const filtered = Math.max(ends.next, consumer.start) - consumer.start - named;
  assert(filtered >= 0, "no offset is in two places (P2)");
  return { delivered, filtered, dead, discarded, expired, skipped, parked, inFlight, pending };
}

function stateOf(
  consumer: Consumer,
  now: EpochMs,
): { readonly state: SubscriptionStateName; readonly reason: string | null } {
  const lastError = consumer.lastErrors[0]?.error ?? null;
  if (consumer.isPaused) return { state: "paused", reason: consumer.isGone ? "gone" : null };
  if (consumer.isCut) return { state: "failing", reason: consumer.circuit.reason };
  if (isHeld(consumer.pace, now)) {
    const until = new Date(Math.ceil(consumer.pace.heldUntil)).toISOString();
    return { state: "backing-off", reason: `held until ${until}: ${lastError ?? "asked to wait"}` };
  }
  if (consumer.retries.size === 0) return { state: "active", reason: null };
  const [head] = consumer.lanes?.blocked ?? [];
  if (head !== undefined) return { state: "backing-off", reason: blockedReason(consumer, head) };
  return { state: "backing-off", reason: lastError ?? oldestError(consumer) };
}

function circuitOf({ circuit }: Consumer): CircuitStatus {
  const { state, reason, nextProbeAt } = circuit;
  if (state !== "open") return { state, reason, nextProbeAt: null };
  return { state, reason, nextProbeAt: new Date(Math.ceil(nextProbeAt)).toISOString() };
}

function blockedReason({ lanes }: Consumer, { offset, retry }: Delivery): string {
  const more = (lanes?.blocked.size ?? 1) - 1;
  const others = more > 0 ? ` (and ${more} more)` : "";
  const why = `${retry?.blocked?.reason ?? ""}: ${retry?.history.at(-1)?.error ?? ""}`;
  return `key '${retry?.blocked?.key ?? ""}' is blocked by offset ${offset}${others}, ${why}; skip, retry or dead-letter it`;
}

/** After a restart the last errors are gone, but what is parked remembers its own. */
function oldestError(consumer: Consumer): string | null {
  for (const { retry } of consumer.retries.values()) return retry?.history.at(-1)?.error ?? null;
  return null;
}

function lagSeconds(input: StatusInput, ends: Ends): number {
  const oldest = oldestAppendTime(input, ends);
  return oldest === undefined ? 0 : Math.max(0, (input.wallNow - oldest) / 1000);
}

/** The lowest offset that is not settled is also the oldest event. */
function oldestAppendTime(input: StatusInput, ends: Ends): EpochMs | undefined {
  const { consumer, log } = input;
  const oldest = consumer.lowestUnsettled(ends.readNext);
  if (oldest >= ends.next) return undefined;
  const parked = consumer.retries.get(oldest)?.retry;
  if (parked !== undefined) return parked.appendedAt;
  const live = consumer.open.get(oldest)?.live;
  return live?.time ?? appendTimeAt(log, oldest);
}

/** From the tail cache; otherwise estimated between the ends of its segment, to stay off the disk. */
export function appendTimeAt(log: EventLog, offset: Offset): EpochMs | undefined {
  const cached = log.readCached(offset, { records: 1, bytes: 1 });
  if (cached !== undefined && cached.offsets[0] === offset) return cached.times[0];
  const segment = log.segments().find((one) => offset < one.next);
  if (segment?.firstTime === undefined || segment.lastTime === undefined) return undefined;
  const share = Math.max(0, offset - segment.first) / Math.max(1, segment.next - segment.first);
  return segment.firstTime + share * (segment.lastTime - segment.firstTime);
}
