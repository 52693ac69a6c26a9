import type { EventView } from "../event/event-view.ts";

/** What became of one clause of a filter, for the playground and for explain. */
export interface ClauseVerdict {
  /** As in `filters[1].all[0].exact.type`. */
  readonly path: string;
  readonly passed: boolean;
  /** A sentence that shows the values compared. */
  readonly reason: string;
}

/** A filter, compiled: `passes` allocates nothing. */
export interface CompiledFilter {
  passes(view: EventView): boolean;
  explain(view: EventView): readonly ClauseVerdict[];
  /**
   * Exact values of `type` outside of which the filter can never pass, or undefined when it does
   * not say: what the live group's index goes by.
   */
  readonly types: ReadonlySet<string> | undefined;
}
