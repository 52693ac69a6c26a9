import type { EventView } from "../event/event-view.ts";

/** What became of one clause of a filter, for the playground and for explain. */
export interface ClauseVerdict {
  /** As in `filters[1].all[0].exact.type`. */
  readonly path: string;
  readonly passed: boolean;
  /** A sentence that shows the values compared. */
  readonly reason: string;
}

export type AnchorAttribute = "type" | "source" | "subject";
export type AnchorKind = "exact" | "prefix" | "suffix";

/** Holds for an event whose attribute equals, starts with or ends with one of the values. */
export interface Anchor {
  readonly attribute: AnchorAttribute;
  readonly kind: AnchorKind;
  readonly values: readonly string[];
}

/** At least one of these must hold for an event to pass; none of none does. */
export type Anchoring = readonly Anchor[];

/** What anchors look at; an event is one. */
export type EventKeys = {
  readonly [Attribute in AnchorAttribute]: string | undefined;
};

/** A filter, compiled: `passes` allocates nothing. */
export interface CompiledFilter {
  passes(view: EventView): boolean;
  explain(view: EventView): readonly ClauseVerdict[];
  /**
   * Each of them must hold for an event to pass, the cheapest first: what FilterIndex goes by.
   * Empty when the filter does not say.
   */
  readonly anchorings: readonly Anchoring[];
}
