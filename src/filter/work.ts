import { limits } from "../kernel/limits.ts";

/**
 * The steps of one event, in equal parts for all expressions and patterns of a subscription: a
 * thousand of them may not take a thousand times as long as one. The parts are equal, and not what
 * the ones before have left, so that no filter's answer depends on its neighbours' work.
 */
export class WorkShare {
  #parts = 0;

  /** Counts one more part; to be called while the filters are compiled. */
  addPart(): this {
    this.#parts += 1;
    return this;
  }

  get steps(): number {
    return Math.floor(limits.expressionWorkMax / Math.max(1, this.#parts));
  }
}

/**
 * How much one filter may still look at in one event. It lives with the compiled filter and is
 * begun anew for each event, so that matching allocates nothing.
 */
export class Work {
  readonly #share: WorkShare;
  #left = 0;

  constructor(share: WorkShare) {
    this.#share = share;
  }

  begin(): void {
    this.#left = this.#share.steps;
  }

  /** False once the budget is used up: from then on nothing holds. */
  spend(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }

  get isSpent(): boolean {
    return this.#left < 0;
  }
}
