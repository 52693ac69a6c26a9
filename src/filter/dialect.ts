import type { EventView } from "../event/event-view.ts";
import type { Anchoring, ClauseVerdict } from "./filter.ts";
import type { WorkShare } from "./work.ts";

/** One compiled part of a filter. `passes` is on the hot path: it neither throws nor waits. */
export interface Clause {
  /** As in CompiledFilter: each of them must hold for the clause to pass. */
  readonly anchorings: readonly Anchoring[];
  passes(view: EventView): boolean;
  /** Adds a verdict for itself and for each of its parts. */
  explain(view: EventView, verdicts: ClauseVerdict[]): void;
}

/** What a dialect may ask of the compilation it is part of. */
export interface ClauseCompiler {
  /** Where the dialect's configuration stands, as in `filters[1].exact`. */
  readonly path: string;
  /** Notes a violation; compilation goes on, so that all of them are listed at once. */
  refuse(violation: { path?: string; code: string; message: string }): undefined;
  /** Says what is allowed and probably not meant; it ends among the subscription's warnings. */
  warn(message: string): void;
  /** Compiles a filter inside this one; undefined when it was refused. */
  compileChild(filter: unknown, path: string): Clause | undefined;
  /** Counts a part against limits.filterNodesMax and its text against filterTextBytesMax. */
  isWithinLimits(text: string): boolean;
  /** What may be spent on one event; whoever takes a part of it adds one. */
  readonly work: WorkShare;
}

/** What a dialect takes: a map of names to values, a list of filters, one filter, a text … */
export interface DialectConfig {
  readonly shape: "map" | "list" | "filter" | "text" | "tree";
  readonly doc: string;
}

/** Executed by tests and printed in docs/reference/filters.md. */
export interface DialectExample {
  readonly spec: unknown;
  /** Attributes, and `data`; what is required and absent is filled in. */
  readonly event: Readonly<Record<string, unknown>>;
  readonly passes: boolean;
}

export interface Dialect {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  readonly config: DialectConfig;
  readonly examples: readonly DialectExample[];
  /** Allocates here, never per event; undefined after it has refused something. */
  compile(spec: unknown, compiler: ClauseCompiler): Clause | undefined;
}

/** One dialect is one file with one call of this, and one line in dialects.ts. */
export function defineDialect(dialect: Dialect): Dialect {
  return dialect;
}
