import type { EventView } from "../event/event-view.ts";
import type { MatchBudget } from "../expression/path.ts";
import { limits } from "../kernel/limits.ts";

/** One run of a transformer: the event and what the run may still spend on it. */
export interface TransformContext extends MatchBudget {
  view: EventView;
  /** The event before the commands, for variables; the same where there are no commands. */
  readonly before: EventView;
  /**
   * Characters of objects and arrays that may still be read to print them. Blanks are read and not
   * printed, hence the size of the output alone does not bound the time.
   */
  textLeft: number;
}

export function createContext(view: EventView, before: EventView = view): TransformContext {
  return {
    view,
    before,
    matchesLeft: limits.pathMatchesMax,
    textLeft: TEXT_READ_FACTOR * limits.transformOutputBytesMax,
  };
}

const TEXT_READ_FACTOR = 4;
