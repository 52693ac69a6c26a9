import type { Offset } from "../kernel/ids.ts";
import type { Delivery, RetryFacts } from "./entry.ts";

/** A delivery that was given up. */
export interface Ending {
  readonly delivery: Delivery;
  /** Its dead letter; undefined where none are kept. */
  readonly letter: string | undefined;
  /** The circuit's row of failures it belongs to. */
  readonly row: number;
}

/**
 * Deliveries given up since the last success: a circuit that opens takes them back, because then
 * the consumer was at fault and not they. Each event comes back once; after that its end is its end,
 * so that a run of poison events passes.
 */
export class RecentEndings {
  #recent: Ending[] = [];
  /** Events that came back, as long as they are not settled. */
  readonly #spared: Set<Offset> = new Set();
  /** Asked before an event comes back; ordering by key refuses where a successor has been sent. */
  mayReturn: (delivery: Delivery) => boolean = () => true;

  /** Whether its next end is final and says nothing about the consumer. */
  isSpared(offset: Offset): boolean {
    return this.#spared.has(offset);
  }

  /** It would have ended while the circuit is open: that was its one return. */
  spare(offset: Offset): void {
    this.#spared.add(offset);
  }

  ended(ending: Ending): void {
    if (this.#spared.has(ending.delivery.offset)) return;
    // What a success has confirmed need not be remembered: the list holds one row, a handful.
    this.#recent = this.#recent.filter(({ row }) => row === ending.row);
    this.#recent.push(ending);
  }

  settled(offset: Offset): void {
    this.#spared.delete(offset);
  }

  /** Its letter was deleted or redriven: there is nothing to take back any more. */
  forget(letter: string): void {
    this.#recent = this.#recent.filter((one) => one.letter !== letter);
  }

  /** Those of this row come back; each is spared from now on. */
  takeBack(row: number): readonly Ending[] {
    const back = this.#recent.filter((one) => one.row === row && this.mayReturn(one.delivery));
    this.#recent = [];
    for (const { delivery } of back) this.#spared.add(delivery.offset);
    return back;
  }

  /** For the stored row: what would come back if the circuit opened now. */
  recent(row: number): readonly Ending[] {
    return this.#recent.filter((one) => one.row === row);
  }

  spared(): readonly Offset[] {
    return [...this.#spared];
  }
}

/** What is left of a delivery's past without its attempts of this row; undefined = nothing. */
export function withoutRow(retry: RetryFacts | undefined, row: number): RetryFacts | undefined {
  if (retry === undefined || retry.row !== row) return retry;
  const attempts = retry.attempts - retry.attemptsOfRow;
  // What a replay has redriven stays with it.
  if (attempts <= 0 && retry.replay === undefined) return undefined;
  const kept = Math.max(1, retry.history.length - retry.attemptsOfRow);
  return { ...retry, attempts, history: retry.history.slice(0, kept), attemptsOfRow: 0 };
}
