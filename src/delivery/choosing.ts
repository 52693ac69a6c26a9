import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Linger } from "./batching.ts";
import { mayProbe } from "./circuit.ts";
import type { Delivery } from "./entry.ts";
import { mayGo, nextInQueue, nextReturned, nextToLearn, waitsForOrder } from "./key-order.ts";
import type { OrderedConsumer } from "./key-order.ts";
import { blockedUntil, inFlightMax } from "./pace.ts";
import type { Pace } from "./pace.ts";
import type { ProbeTurns } from "./probe-turns.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { DeliveryState } from "./states.ts";

/** What of a Consumer decides which delivery is next. */
export interface Choosing extends OrderedConsumer {
  readonly isClosed: boolean;
  readonly isPaused: boolean;
  /** The circuit is not closed: probes only. */
  readonly isCut: boolean;
  readonly underWay: number;
  readonly counts: Readonly<Record<DeliveryState, number>>;
  readonly pace: Pace;
  readonly rate: RateLimit;
  readonly probes: ProbeTurns;
  readonly linger: Linger;
  retryHadTurn: boolean;
}

/** The next delivery that is in memory and may be attempted now; the caller attempts it. */
export function nextInMemory(
  consumer: Choosing,
  now: EpochMs,
  request: "new" | "open",
): Delivery | undefined {
  if (consumer.isClosed || consumer.isPaused || !consumer.rate.mayTake(now)) return undefined;
  if (waitsForOrder(consumer)) return undefined;
  if (consumer.isCut) return mayProbeNow(consumer, now) ? nextReturned(consumer) : undefined;
  if (request === "new" && !hasPlace(consumer, now)) return undefined;
  const isQueueOpen = consumer.lines.queue.size > 0 && mayBegin(consumer);
  const queueHasTurn = consumer.retryHadTurn || consumer.lines.returned.size === 0;
  consumer.retryHadTurn = !queueHasTurn;
  return (
    (isQueueOpen && queueHasTurn ? nextInQueue(consumer) : undefined) ?? nextReturned(consumer)
  );
}

/** The next delivery to be read by offset; taken until fetched or unfetched. */
export function nextToFetch(consumer: Choosing, now: EpochMs): Delivery | undefined {
  if (consumer.isClosed || consumer.isPaused) return undefined;
  const delivery = nextOne(consumer, now);
  if (delivery === undefined) return undefined;
  take(delivery);
  return delivery;
}

/** When something will be due, if nothing else happens before; undefined = nothing waits. */
export function wakeAt(consumer: Choosing, now: EpochMs): EpochMs | undefined {
  if (consumer.isClosed || consumer.isPaused) return undefined;
  const at = dueAt(consumer, now);
  const { until = 0 } = consumer.linger;
  return until > now && (at === undefined || until < at) ? until : at;
}

function dueAt(consumer: Choosing, now: EpochMs): EpochMs | undefined {
  const freeAt = Math.max(blockedUntil(consumer.pace), tokenAt(consumer, now));
  if (consumer.isCut) {
    const hasProbe = consumer.open.size > 0 || consumer.retries.size > 0;
    if (consumer.circuit.state === "half-open" || !hasProbe) return undefined;
    const probeAt = Math.max(freeAt, consumer.circuit.nextProbeAt);
    return probeAt > now ? probeAt : undefined;
  }
  if (now < freeAt) return freeAt;
  // What is due already waits for a place, not for a time.
  const due = consumer.lines.earliestRetry()?.at;
  return due !== undefined && due > now ? due : undefined;
}

function nextOne(consumer: Choosing, now: EpochMs): Delivery | undefined {
  if (consumer.lanes !== undefined && waitsForOrder(consumer))
    return nextToLearn(consumer, consumer.lanes);
  return consumer.isCut ? nextProbe(consumer, now) : nextByOffset(consumer, now);
}

function nextByOffset(consumer: Choosing, now: EpochMs): Delivery | undefined {
  const requestsMax = inFlightMax(consumer.pace, consumer.plan.concurrency, now);
  if (busyCount(consumer) >= requestsMax * (consumer.plan.sink.batch?.maxEvents ?? 1))
    return undefined;
  return (
    consumer.lines.nextRetry(now) ??
    (mayBegin(consumer) ? consumer.lines.nextReference((one) => mayGo(consumer, one)) : undefined)
  );
}

/** One event at a time shows whether anybody is there: each time the next one, parked or not. */
function nextProbe(consumer: Choosing, now: EpochMs): Delivery | undefined {
  if (!mayProbeNow(consumer, now) || consumer.fetching > 0 || consumer.lines.returned.size > 0)
    return undefined;
  consumer.releaseBuffers();
  return consumer.probes.next(consumer.open, consumer.retries, (delivery) =>
    mayGo(consumer, delivery),
  );
}

/** Whether an event that was never tried may be attempted. */
function mayBegin(consumer: Choosing): boolean {
  // Each new attempt may end up parked, so the places are counted before it begins.
  return (
    consumer.lanes !== undefined ||
    consumer.retries.size + consumer.counts.inFlight < limits.parkedMax
  );
}

function mayProbeNow(consumer: Choosing, now: EpochMs): boolean {
  return mayProbe(consumer.circuit, now) && now >= blockedUntil(consumer.pace);
}

function hasPlace(consumer: Choosing, now: EpochMs): boolean {
  return consumer.underWay < inFlightMax(consumer.pace, consumer.plan.concurrency, now);
}

/** When a token of the rate limit is there for what waits; now, if nothing does. */
function tokenAt(consumer: Choosing, now: EpochMs): EpochMs {
  const isWaiting = consumer.lines.queue.size + consumer.lines.returned.size > 0;
  return isWaiting ? consumer.rate.nextAt(now) : now;
}

function busyCount(consumer: Choosing): number {
  return consumer.counts.inFlight + consumer.fetching + consumer.lines.returned.size;
}

function take(delivery: Delivery): void {
  delivery.isTaken = true;
  delivery.ticket += 1;
}
