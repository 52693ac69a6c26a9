import assert from "node:assert/strict";
import type { DeliveryStatus } from "../../src/delivery/delivery.ts";
import type { DeadLetterState, RescuedRecord } from "../../src/engine/engine.ts";
import type { SimulatedConsumer } from "./consumer.ts";
import type { Ledger } from "./ledger.ts";

/** P2: at every moment each offset of [start, next) is in exactly one of the nine places. */
export function judgeStatus(id: string, status: DeliveryStatus): void {
  const sum = Object.values(status.counters).reduce((total, count) => total + count, 0);
  assert.equal(sum, status.next - status.start, `${id}: the nine numbers add up (P2)`);
  for (const [name, count] of Object.entries(status.counters)) {
    assert(count >= 0, `${id}: ${name} is ${count} (P2)`);
  }
  assert(status.position <= status.next, `${id}: it is ahead of its bus (P2)`);
}

/** P2 after every act: what the far ends and the publishers know for certain is counted again. */
export function judgeStep(
  consumer: SimulatedConsumer,
  status: DeliveryStatus,
  ledger: Ledger,
): void {
  const { id, wants } = consumer.settings;
  judgeStatus(id, status);
  consumer.assertCounted(status);
  let wanted = 0;
  for (const [offset, { event }] of ledger.known()) {
    if (offset >= status.start && offset < status.next && wants(event)) wanted += 1;
  }
  const { filtered, expired } = status.counters;
  const max = status.next - status.start - wanted + expired;
  assert(filtered <= max, `${id}: ${filtered} filtered, no more than ${max} can be (P2)`);
}

export interface AtRest {
  readonly consumer: SimulatedConsumer;
  readonly status: DeliveryStatus;
  readonly letters: readonly DeadLetterState[];
  /** Letters whose events the log has let go of, and what the rescue store has of them. */
  readonly below: readonly number[];
  readonly rescued: readonly RescuedRecord[];
  readonly ledger: Ledger;
}

/**
 * P2 when nothing is under way: each number is counted again from what the publishers and the far
 * ends know, the filter evaluated in the test's own words.
 */
export function judgeAtRest({ consumer, status, letters, ledger, ...rest }: AtRest): void {
  const { id, wants } = consumer.settings;
  const { counters, expiredRanges, start, next } = status;
  judgeStatus(id, status);
  const goal = consumer.starts[status.generation] ?? 0;
  // What was trimmed while the seek was under way cannot be where it starts.
  const isThere = start === goal || (start > goal && start <= ledger.trimAsked);
  assert(isThere, `${id}: it starts at ${start}, told was ${goal}`);
  const own = letters.filter(({ generation }) => generation === status.generation);
  const dead = new Set(own.map(({ offset }) => offset));
  assert.equal(dead.size, own.length, `${id}: one letter for each dead event (P2)`);
  let expiredCount = 0;
  for (const { from, to, reason } of expiredRanges) {
    const isJump = ledger.isWeak && (reason === "jumped" || ledger.syncFailed);
    const isExplained = reason === "trimmed" ? to < ledger.trimAsked : isJump || ledger.rotted > 0;
    assert(isExplained, `${id}: ${from}-${to} expired as ${reason}, and nothing explains it`);
    expiredCount += to - from + 1;
  }
  const isExpired = (offset: number): boolean =>
    expiredRanges.some(({ from, to }) => from <= offset && offset <= to);
  // Counted by what is known, not by offset: a jump leaves out tens of thousands.
  let unknown = next - start - expiredCount;
  const counted = { delivered: 0, filtered: 0, dead: dead.size, expired: expiredCount };
  for (const [offset, { event }] of ledger.known()) {
    if (offset < start || offset >= next || isExpired(offset)) continue;
    unknown -= 1;
    if (dead.has(offset)) continue;
    if (wants(event)) {
      const isSettled =
        consumer.hasTaken(status.generation, offset) || consumer.wasOperated(offset);
      assert(isSettled, `${id} never got offset ${offset} (P2, at least once)`);
      counted.delivered += 1;
    } else counted.filtered += 1;
  }
  assert.equal(unknown, 0, `${id}: every offset has an event that somebody knows, or has expired`);
  const { filtered, expired, skipped } = counters;
  // A head that was skipped may have been taken before, so that only the sum is known.
  const delivered = counters.delivered + skipped;
  const told = { delivered, filtered, dead: counters.dead, expired };
  assert.deepEqual(told, counted, `${id}: the numbers are those counted again (P2)`);
  judgeRescued(id, rest, ledger);
}

/** A dead letter leads to its event, even when the log has let go of it. */
function judgeRescued(
  id: string,
  { below, rescued }: Pick<AtRest, "below" | "rescued">,
  ledger: Ledger,
): void {
  const found = new Map(rescued.map(({ offset, payload }) => [offset, payload]));
  for (const offset of below) {
    if (ledger.isGone(offset)) continue;
    const payload = found.get(offset);
    const isSame = ledger.at(offset)?.payload.equals(payload ?? Buffer.alloc(0)) ?? false;
    assert(isSame, `${id}: the event of dead offset ${offset} is gone (P2)`);
  }
}
