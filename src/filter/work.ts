import { limits } from "../kernel/limits.ts";

/**
 * How much one filter may still look at in one event. It lives with the compiled filter and is
 * begun anew for each event, so that matching allocates nothing.
 */
export class Work {
  #left = 0;

  begin(): void {
    this.#left = limits.expressionWorkMax;
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
