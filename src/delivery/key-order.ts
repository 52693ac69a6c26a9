import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import type { Circuit } from "./circuit.ts";
import type { BlockedDecision, SubscriptionPlan } from "./contract.ts";
import type { Delivery, LiveEvent, RetryFacts } from "./entry.ts";
import { KeyLanes } from "./key-lanes.ts";
import { keyOf, keyUnknown } from "./ordering.ts";
import type { RecentEndings } from "./recent-endings.ts";
import type { Step } from "./states.ts";
import type { WaitingLines } from "./waiting-lines.ts";

/**
 * What order by key does to a Consumer, apart from it so that who reads about one need not read
 * about the other. Without `lanes`, of an unordered subscription, these cost one comparison.
 */
export interface OrderedConsumer {
  readonly plan: SubscriptionPlan;
  lanes: KeyLanes | undefined;
  readonly oldAttempts: number;
  readonly fetching: number;
  readonly circuit: Circuit;
  readonly endings: RecentEndings;
  readonly open: Map<Offset, Delivery>;
  readonly retries: Map<Offset, Delivery>;
  readonly changedRetries: Set<Offset>;
  readonly lines: WaitingLines;
  move(delivery: Delivery, step: Step): void;
  settle(delivery: Delivery, step: Step): void;
  drop(delivery: Delivery): void;
  release(delivery: Delivery): void;
  releaseBuffers(): void;
}

/** The plan has changed: what is unsettled is put in order by the new one. */
export function reorder(consumer: OrderedConsumer): void {
  const by = consumer.plan.ordering?.by;
  if (by !== consumer.lanes?.by) rebuildLanes(consumer, by);
  if (consumer.plan.ordering?.onFailure === "block") return;
  // Its retries are over, so that it is tried once more and then ends as the plan says.
  for (const delivery of consumer.retries.values()) unblock(consumer, delivery, {});
}

/** An operator has decided about the blocked head of a key. */
export function resolveBlocked(
  consumer: OrderedConsumer,
  delivery: Delivery,
  decision: BlockedDecision,
): void {
  assert(delivery.retry?.blocked !== undefined, "what is resolved is blocked");
  if (decision === "retry") unblock(consumer, delivery, { attempts: 0, attemptsOfRow: 0 });
  else consumer.settle(delivery, decision === "skip" ? "skip" : "bury");
}

/** The consumer was at fault and not the events: what was blocked in consumer row is as if untried. */
export function unblockRow(consumer: OrderedConsumer): void {
  const { row } = consumer.circuit;
  // In a list of its own: what is unblocked leaves the set on the way.
  for (const delivery of Array.from(consumer.lanes?.blocked ?? [])) {
    const { retry, offset } = delivery;
    if (retry === undefined || retry.row !== row || consumer.endings.isSpared(offset)) continue;
    consumer.endings.spare(offset);
    unblock(consumer, delivery, {
      attempts: retry.attempts - retry.attemptsOfRow,
      attemptsOfRow: 0,
    });
  }
}

function unblock(consumer: OrderedConsumer, delivery: Delivery, facts: Partial<RetryFacts>): void {
  if (delivery.retry?.blocked === undefined) return;
  delivery.retry = { ...delivery.retry, ...facts, blocked: undefined, dueAt: 0 };
  consumer.changedRetries.add(delivery.offset);
  consumer.lanes?.blocked.delete(delivery);
  if (!delivery.isTaken && mayGo(consumer, delivery))
    consumer.lines.scheduleRetry(delivery, consumer.retries.size);
}

function rebuildLanes(consumer: OrderedConsumer, by: string | undefined): void {
  consumer.releaseBuffers();
  consumer.lines.references.clear();
  consumer.lines.early.clear();
  consumer.lines.schedule.retain(() => false);
  const lanes = by === undefined ? undefined : new KeyLanes(by);
  if (consumer.lanes !== undefined) lanes?.inherit(consumer.lanes);
  consumer.lanes = lanes;
  for (const { delivery } of consumer.endings.recent(consumer.circuit.row))
    delivery.key = keyUnknown;
  for (const delivery of [...consumer.open.values(), ...consumer.retries.values()]) {
    delivery.ticket += 1;
    delivery.isReferenced = false;
    delivery.key = keyUnknown;
    delivery.behind = undefined;
    if (delivery.retry !== undefined) consumer.changedRetries.add(delivery.offset);
    if (delivery.retry?.blocked !== undefined) lanes?.blocked.add(delivery);
    if (lanes !== undefined) lanes.addUnknown(delivery);
    else if (!delivery.isTaken) consumer.release(delivery);
  }
}

export function waitsForOrder(consumer: OrderedConsumer): boolean {
  return consumer.lanes !== undefined && (consumer.lanes.isLearning || consumer.oldAttempts > 0);
}

export function mayGo(consumer: OrderedConsumer, delivery: Delivery): boolean {
  if (consumer.lanes === undefined) return true;
  return delivery.retry?.blocked === undefined && consumer.lanes.isChosen(delivery);
}

/** It is the first of its key now: it goes where it will be found. */
export function promote(consumer: OrderedConsumer, delivery: Delivery | undefined): void {
  if (delivery === undefined || delivery.isTaken) return;
  if (delivery.retry !== undefined) consumer.lines.scheduleRetry(delivery, consumer.retries.size);
  else if (delivery.live === undefined) consumer.lines.refer(delivery);
  else consumer.lines.queue.push(delivery);
}

export function matchedInOrder(
  consumer: OrderedConsumer,
  lanes: KeyLanes,
  delivery: Delivery,
): void {
  const { ordering } = consumer.plan;
  const { live } = delivery;
  assert(ordering !== undefined && live !== undefined, "lanes come with an ordering");
  const key = keyOf(ordering, live.view);
  if (lanes.isHeldBack(key)) holdBack(consumer, delivery);
  promote(consumer, lanes.add(delivery, key));
}

/** One of its key before it has failed: it is parked behind that, by offset only. */
function holdBack(consumer: OrderedConsumer, delivery: Delivery): void {
  consumer.move(delivery, "holdBack");
  consumer.open.delete(delivery.offset);
  consumer.retries.set(delivery.offset, delivery);
  delivery.retry = heldFacts(delivery.appendedAt ?? 0);
  consumer.changedRetries.add(delivery.offset);
  consumer.drop(delivery);
}

export function parkedInOrder(
  consumer: OrderedConsumer,
  lanes: KeyLanes,
  delivery: Delivery,
): void {
  if (delivery.retry?.blocked !== undefined) lanes.blocked.add(delivery);
  for (let one = delivery.behind; one !== undefined; one = one.behind) {
    if (one.state === "waiting" && !one.isTaken) holdBack(consumer, one);
  }
  promote(consumer, lanes.landed(delivery));
}

/** A commit is durable; answers whether somebody may go because of it. */
export function commitEnded(consumer: OrderedConsumer): boolean {
  const { lanes } = consumer;
  const stored = lanes?.commitEnded() ?? [];
  for (const delivery of stored) if (lanes !== undefined) leaveLane(consumer, lanes, delivery);
  return stored.length > 0;
}

export function leaveLane(consumer: OrderedConsumer, lanes: KeyLanes, delivery: Delivery): void {
  const wasLearning = lanes.isLearning;
  promote(consumer, lanes.leave(delivery));
  if (wasLearning && !lanes.isLearning) chooseAll(consumer, lanes);
}

export function nextToLearn(consumer: OrderedConsumer, lanes: KeyLanes): Delivery | undefined {
  return consumer.fetching < learningAtOnce ? lanes.nextUnknown() : undefined;
}

/** Read for its key only: it would have to wait for others in memory. */
export function learn(consumer: OrderedConsumer, delivery: Delivery, live: LiveEvent): void {
  const { lanes } = consumer;
  const { ordering } = consumer.plan;
  assert(lanes !== undefined && ordering !== undefined, "a key is learned for an ordering");
  delivery.isTaken = false;
  delivery.appendedAt = live.time;
  if (lanes.learned(delivery, keyOf(ordering, live.view))) chooseAll(consumer, lanes);
}

function chooseAll(consumer: OrderedConsumer, lanes: KeyLanes): void {
  for (const delivery of lanes.chooseAll()) promote(consumer, delivery);
  consumer.lines.sortReferences();
}

/** What waits behind others in memory gives it back too. */
export function dropWaiting(consumer: OrderedConsumer): void {
  for (const delivery of consumer.open.values()) {
    if (delivery.state === "waiting" && !delivery.isTaken) consumer.drop(delivery);
  }
}

export function nextReturned(consumer: OrderedConsumer): Delivery | undefined {
  if (consumer.lanes === undefined) return consumer.lines.returned.shift();
  for (
    let one = consumer.lines.returned.shift();
    one !== undefined;
    one = consumer.lines.returned.shift()
  ) {
    if (consumer.lanes.isChosen(one)) return one;
    // While it was being read a circuit has taken back one of its key that comes before it.
    consumer.release(one);
  }
  return undefined;
}

export function nextInQueue(consumer: OrderedConsumer): Delivery | undefined {
  if (consumer.lanes === undefined) return consumer.lines.queue.shift();
  for (
    let one = consumer.lines.queue.shift();
    one !== undefined;
    one = consumer.lines.queue.shift()
  ) {
    // It may have been chosen, passed over for one below it, and chosen again.
    const isStill = one.state === "waiting" && !one.isTaken && one.live !== undefined;
    if (isStill && consumer.lanes.isChosen(one)) return one;
  }
  return undefined;
}

/** How many events are read at once for their keys. */
const learningAtOnce = 256;

function heldFacts(appendedAt: EpochMs): RetryFacts {
  return {
    attempts: 0,
    firstAttemptAt: 0,
    stillMsAtFirst: 0,
    appendedAt,
    dueAt: 0,
    cause: "answer",
    history: [],
    row: -1,
    attemptsOfRow: 0,
  };
}
