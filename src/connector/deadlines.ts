import { assert } from "../kernel/assert.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";

/** Something that must have happened by a certain time. Its links belong to the wheel. */
export interface Deadline {
  /** On Clock.monotonic(). */
  dueAt: number;
  next: Deadline | undefined;
  previous: Deadline | undefined;
  slot: number;
  onDeadline(): void;
}

const tickMs = 50;
const slotCount = 512;

/** The slot of a deadline that is in no slot. */
export const unarmed = -1;

/**
 * A timer wheel: one interval for all requests under way, instead of a timer for each. Arming and
 * disarming move links and allocate nothing; a deadline fires up to two ticks late. A deadline
 * beyond one turn of the wheel is passed over until its time has come.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #slots: (Deadline | undefined)[] = Array.from({ length: slotCount }, () => undefined);
  #armed = 0;
  #turnedTo = 0;
  #interval: Disposable | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The wheel turns only while something is armed. */
  get armed(): number {
    return this.#armed;
  }

  arm(deadline: Deadline, now: number, delayMs: number): void {
    assert(deadline.slot === unarmed, "a deadline is armed once at a time");
    if (this.#interval === undefined) this.#start(now);
    deadline.dueAt = now + delayMs;
    const slot = (Math.floor(deadline.dueAt / tickMs) + 1) % slotCount;
    const head = this.#slots[slot];
    deadline.slot = slot;
    deadline.previous = undefined;
    deadline.next = head;
    if (head !== undefined) head.previous = deadline;
    this.#slots[slot] = deadline;
    this.#armed += 1;
  }

  disarm(deadline: Deadline): void {
    if (deadline.slot === unarmed) return;
    const { next, previous } = deadline;
    if (previous === undefined) this.#slots[deadline.slot] = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    deadline.next = undefined;
    deadline.previous = undefined;
    deadline.slot = unarmed;
    this.#armed -= 1;
  }

  #start(now: number): void {
    this.#turnedTo = Math.floor(now / tickMs);
    this.#interval = this.#clock.every(tickMs, () => this.#turn());
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const goal = Math.floor(now / tickMs);
    // After a long pause of the process one whole turn passes every slot once; more is idle.
    const first = Math.max(this.#turnedTo + 1, goal - slotCount + 1);
    for (let tick = first; tick <= goal; tick += 1) this.#fire(tick % slotCount, now);
    this.#turnedTo = goal;
    // Stopping at each idle moment would start an interval per request on a quiet broker.
    if (this.#armed > 0) return;
    this.#interval?.dispose();
    this.#interval = undefined;
  }

  #fire(slot: number, now: number): void {
    // Collected first: a callback may disarm its neighbours and arm new ones in this very slot.
    let due: Deadline[] | undefined;
    for (let each = this.#slots[slot]; each !== undefined; each = each.next) {
      if (each.dueAt <= now) (due ??= []).push(each);
    }
    if (due === undefined) return;
    for (const deadline of due) {
      if (deadline.slot !== slot || deadline.dueAt > now) continue;
      this.disarm(deadline);
      deadline.onDeadline();
    }
  }
}
