import type { EpochMs } from "../kernel/clock.ts";

export interface Timed {
  readonly at: EpochMs;
}

/** A binary heap by time, the earliest on top. */
export class TimeHeap<Item extends Timed> {
  #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  peek(): Item | undefined {
    return this.#items[0];
  }

  push(item: Item): void {
    const items = this.#items;
    let index = items.length;
    items.push(item);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || parent.at <= item.at) break;
      items[index] = parent;
      index = above;
    }
    items[index] = item;
  }

  pop(): Item | undefined {
    const top = this.#items[0];
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return top;
  }

  /** Drops what is not worth keeping; what users of lazy deletion call now and then. */
  retain(keep: (item: Item) => boolean): void {
    const kept = this.#items.filter(keep);
    this.#items = [];
    for (const item of kept) this.push(item);
  }

  #sink(item: Item): void {
    const items = this.#items;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = items[below];
      const right = items[below + 1];
      if (child !== undefined && right !== undefined && right.at < child.at) {
        child = right;
        below += 1;
      }
      if (child === undefined || child.at >= item.at) break;
      items[index] = child;
      index = below;
    }
    items[index] = item;
  }
}
