import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";

export interface ExpiredRange {
  readonly from: Offset;
  readonly to: Offset;
  readonly reason: string;
}

/** Which offsets a subscription lost unseen, the latest limits.expiredRangesMax ranges. */
export class ExpiredRanges {
  #ranges: ExpiredRange[] = [];

  get list(): readonly ExpiredRange[] {
    return this.#ranges;
  }

  add(range: ExpiredRange): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && last.reason === range.reason && last.to + 1 === range.from) {
      this.#ranges[this.#ranges.length - 1] = { ...last, to: range.to };
      return;
    }
    this.#ranges.push(range);
    // The counter keeps the sum of all of them; only the places of the oldest are forgotten.
    if (this.#ranges.length > limits.expiredRangesMax) this.#ranges.shift();
  }
}
