/** One evaluation of a CEL expression for one event, and the first error that it met. */
import type { EventView } from "../../event/event-view.ts";
import { Work } from "../work.ts";
import type { WorkShare } from "../work.ts";
import type { CelValue } from "./value.ts";

/** What a part answers that has failed; the run knows why. It is a value, because throwing is slow. */
export const failed: unique symbol = Symbol("failed");
export type CelResult = CelValue | typeof failed;

export type Evaluate = (run: CelRun) => CelResult;

export interface CelError {
  /** UTF-16 position in the expression. */
  readonly position: number;
  readonly message: string;
}

/**
 * Lives as long as its expression and is begun anew for each event. `||`, `&&`, exists and all
 * forgive errors, so the error kept is the last one, which is the one that made the whole fail.
 */
export class CelRun {
  readonly work: Work;
  /** The values of the variables of exists, all and the like, by their depth. */
  readonly variables: CelValue[] = [];
  #view: EventView | undefined;
  #error: CelError | undefined;

  constructor(share: WorkShare) {
    this.work = new Work(share);
  }

  begin(view: EventView): void {
    this.#view = view;
    this.#error = undefined;
    this.work.begin();
  }

  /** Drops what the event has left here. */
  end(): void {
    this.#view = undefined;
    this.variables.length = 0;
  }

  get view(): EventView {
    if (this.#view === undefined) throw new TypeError("a run begins before it evaluates");
    return this.#view;
  }

  get error(): CelError | undefined {
    return this.#error;
  }

  fail(position: number, message: string): typeof failed {
    this.#error = { position, message };
    return failed;
  }

  /** Whether there is budget left; once it is used up, all further parts fail. */
  spend(steps: number, position: number): boolean {
    if (this.work.spend(steps)) return true;
    this.fail(position, "this takes too long (expressionWorkMax)");
    return false;
  }
}
