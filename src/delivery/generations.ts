import type { GenerationTotals } from "../api/api.ts";
import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { Consumer } from "./consumer.ts";
import { replayAbandoned } from "./replay.ts";
import { startSlowly } from "./adaptive-pace.ts";
import { abandonProbe } from "./circuit.ts";

/**
 * A seek closes the generation of a subscription and begins the next: another Consumer with its own
 * start and counters. What both have in common is the subscription; see spec/consumer-state.md.
 */
export interface Closing {
  /** Where the next generation begins. */
  readonly goal: Offset;
  /** The end of the bus. */
  readonly next: Offset;
  /** The first offset that the closing generation has not read, whoever reads for it. */
  readonly readNext: Offset;
  readonly groupPosition: Offset;
  readonly now: EpochMs;
  readonly reason: GenerationTotals["reason"];
}

/** Closes `old`, which settles nothing any more, and makes what follows it. */
export function nextGeneration(old: Consumer, closing: Closing): Consumer {
  assert(!old.isClosed, "a generation is closed once");
  const { goal } = closing;
  assert(goal >= 0 && goal <= closing.next, "a generation starts within the log");
  const next = new Consumer({
    plan: old.plan,
    generation: old.generation + 1,
    start: goal,
    budget: old.budget,
    previous: withClosed(old.previous, totalsOf(old, closing)),
  });
  next.readNext = goal >= closing.groupPosition ? undefined : goal;
  next.isGone = old.isGone;
  next.lastErrors = old.lastErrors;
  next.oldAttempts = old.counts.inFlight + old.oldAttempts;
  takeOver(next, old);
  // Its rows of parked events are deleted in the commit that stores the next generation.
  for (const offset of old.retries.keys()) next.changedRetries.add(offset);
  for (const offset of old.changedRetries) next.changedRetries.add(offset);
  for (const [id, replay] of old.replays) {
    replayAbandoned(replay);
    next.replays.set(id, replay);
  }
  old.successor = next;
  old.close();
  return next;
}

/** The generation that is current: of a consumer whose subscription has been sought since. */
export function heirOf(consumer: Consumer): Consumer {
  let heir = consumer;
  while (heir.successor !== undefined) heir = heir.successor;
  return heir;
}

/**
 * The operator wants to see something happen: nothing waits for the end of a hold or the time of a
 * probe. But who was down may still be down, so it is one attempt and not sixty-four.
 */
function takeOver(next: Consumer, old: Consumer): void {
  const { adaptive } = old.pace;
  next.circuit = old.circuit;
  abandonProbe(next.circuit);
  next.pace.holdsInRow = old.pace.holdsInRow;
  Object.assign(next.pace.adaptive, adaptive);
  if (next.isCut || old.pace.heldUntil > 0) startSlowly(next.pace.adaptive);
}

function totalsOf(consumer: Consumer, closing: Closing): GenerationTotals {
  const { counts, start } = consumer;
  const { goal, readNext } = closing;
  // Nothing, unless the log that had them was lost.
  const lost = openCount(consumer, { from: closing.next, before: Number.POSITIVE_INFINITY });
  // After the loss of a log the end may lie below what was read.
  const end = Math.max(closing.next, readNext, start);
  const open = consumer.open.size + consumer.retries.size;
  const unread = Math.max(0, end - readNext);
  const below = openCount(consumer, { from: 0, before: goal }) + Math.max(0, goal - readNext);
  const { delivered, dead, discarded, expired } = counts;
  const settled = delivered + dead + discarded + expired + counts.skipped;
  const offsets = end - start;
  const filtered = offsets - settled - open - unread;
  assert(filtered >= 0, "no offset is in two places (P2)");
  return {
    generation: consumer.generation,
    generations: 1,
    start,
    next: end,
    offsets,
    closed: new Date(closing.now).toISOString(),
    reason: closing.reason,
    counters: {
      delivered,
      filtered,
      dead,
      discarded,
      expired: expired + lost,
      skipped: counts.skipped + below,
      readAgain: open + unread - below - lost,
    },
  };
}

function openCount(
  { open, retries }: Consumer,
  range: { readonly from: Offset; readonly before: Offset },
): number {
  let count = 0;
  for (const deliveries of [open, retries]) {
    for (const offset of deliveries.keys()) {
      if (offset >= range.from && offset < range.before) count += 1;
    }
  }
  return count;
}

/** The latest first; of more than limits.previousGenerationsMax the oldest two become one. */
function withClosed(
  previous: readonly GenerationTotals[],
  closed: GenerationTotals,
): readonly GenerationTotals[] {
  const all = [closed, ...previous];
  const oldest = all.at(-1);
  const newer = all.at(-2);
  if (all.length <= limits.previousGenerationsMax || !oldest || !newer) return all;
  return [...all.slice(0, -2), sumOf(newer, oldest)];
}

function sumOf(newer: GenerationTotals, older: GenerationTotals): GenerationTotals {
  const left = newer.counters;
  const right = older.counters;
  return {
    ...newer,
    generations: newer.generations + older.generations,
    start: Math.min(newer.start, older.start),
    next: Math.max(newer.next, older.next),
    offsets: newer.offsets + older.offsets,
    counters: {
      delivered: left.delivered + right.delivered,
      filtered: left.filtered + right.filtered,
      dead: left.dead + right.dead,
      discarded: left.discarded + right.discarded,
      expired: left.expired + right.expired,
      skipped: left.skipped + right.skipped,
      readAgain: left.readAgain + right.readAgain,
    },
  };
}

/** A dead letter is no more: its event counts as something else, in the generation that made it. */
export function countLetter(
  consumer: Consumer,
  letter: { readonly generation: number; readonly letter: string },
  as: "delivered" | "discarded",
): void {
  const { generation } = letter;
  consumer.endings.forget(letter.letter);
  if (generation === consumer.generation) {
    consumer.letterGone(as);
    return;
  }
  consumer.previous = consumer.previous.map((totals) => {
    const first = totals.generation - totals.generations + 1;
    if (generation < first || generation > totals.generation) return totals;
    const { counters } = totals;
    assert(counters.dead > 0, "a letter was counted when it was made");
    const dead = counters.dead - 1;
    return { ...totals, counters: { ...counters, dead, [as]: counters[as] + 1 } };
  });
}

/** How many dead letters there are, those of earlier generations among them. */
export function letterCount({ counts, previous }: Consumer): number {
  return previous.reduce((sum, { counters }) => sum + counters.dead, counts.dead);
}
