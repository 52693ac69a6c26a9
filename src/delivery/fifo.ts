/** First in, first out, in amortised constant time; empty ones cost next to nothing. */
export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) this.#compact();
    return item;
  }

  /** Adds up what its items measure, no further than needed to reach `max`. */
  sumTo(max: number, measure: (item: Item) => number): number {
    let sum = 0;
    for (let index = this.#head; index < this.#items.length && sum < max; index += 1) {
      sum += measure(this.#items[index] as Item);
    }
    return sum;
  }

  /** Takes everything out, in order. */
  drain(): Item[] {
    const items = this.#items.slice(this.#head) as Item[];
    this.clear();
    return items;
  }

  clear(): void {
    // A short array keeps its storage for the next items; a long one gives it back.
    if (this.#items.length > 64) this.#items = [];
    else this.#items.length = 0;
    this.#head = 0;
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
