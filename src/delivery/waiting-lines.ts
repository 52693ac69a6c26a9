import { assert } from "../kernel/assert.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { isCurrent } from "./entry.ts";
import type { Delivery, Scheduled } from "./entry.ts";
import { Fifo } from "./fifo.ts";
import { TimeHeap } from "./time-heap.ts";

/**
 * In which order the deliveries of one consumer go that have not gone yet. The lines hold no truth:
 * an entry whose delivery has moved on is void and is passed over.
 */
export class WaitingLines {
  /** In memory, never tried. */
  readonly queue: Fifo<Delivery> = new Fifo();
  /** In memory again: read by offset, or put back after an attempt that did not count. */
  readonly returned: Fifo<Delivery> = new Fifo();
  /** Never tried, by offset only. */
  readonly references: Fifo<Delivery> = new Fifo();
  readonly schedule: TimeHeap<Scheduled> = new TimeHeap();
  /** Retries that may come before their time because the consumer is back. */
  readonly early: Fifo<Scheduled> = new Fifo();

  earliestRetry(): Scheduled | undefined {
    let top = this.schedule.peek();
    while (top !== undefined && !isCurrent(top)) {
      this.schedule.pop();
      top = this.schedule.peek();
    }
    return top;
  }

  nextRetry(now: EpochMs): Delivery | undefined {
    const due = this.earliestRetry();
    if (due !== undefined && due.at <= now) {
      this.schedule.pop();
      return due.delivery;
    }
    for (let entry = this.early.shift(); entry !== undefined; entry = this.early.shift()) {
      if (isCurrent(entry)) return entry.delivery;
    }
    return undefined;
  }

  nextReference(mayGo: (delivery: Delivery) => boolean): Delivery | undefined {
    for (let one = this.references.shift(); one !== undefined; one = this.references.shift()) {
      one.isReferenced = false;
      if (!one.isTaken && one.state === "waiting" && mayGo(one)) return one;
    }
    return undefined;
  }

  /** `retries` is how many there are: so many entries may be worth keeping. */
  scheduleRetry(delivery: Delivery, retries: number): void {
    assert(delivery.retry !== undefined, "only what failed before is scheduled");
    delivery.ticket += 1;
    if (delivery.retry.blocked !== undefined) return;
    this.schedule.push({ at: delivery.retry.dueAt, ticket: delivery.ticket, delivery });
    // Void entries usually surface soon; a bound keeps those with far due times from piling up.
    if (this.schedule.size > 2 * retries + 64) this.schedule.retain(isCurrent);
  }

  refer(delivery: Delivery): void {
    if (delivery.isReferenced) return;
    delivery.isReferenced = true;
    this.references.push(delivery);
  }

  sortReferences(): void {
    const references = this.references.drain();
    references.sort((left, right) => left.offset - right.offset);
    for (const delivery of references) this.references.push(delivery);
  }

  /** The consumer is back: what failed only because it was away need not wait its full time. */
  hurry(retries: Iterable<Delivery>, mayGo: (delivery: Delivery) => boolean): void {
    this.early.clear();
    const waiting = [...retries].filter(
      (delivery) => delivery.retry?.cause === "connection" && !delivery.isTaken && mayGo(delivery),
    );
    waiting.sort((left, right) => left.offset - right.offset);
    for (const delivery of waiting) {
      this.early.push({ at: 0, ticket: delivery.ticket, delivery });
    }
  }

  clear(): void {
    this.queue.clear();
    this.returned.clear();
    this.references.clear();
    this.early.clear();
  }
}
