import type { DatabaseSync } from "node:sqlite";

/**
 * - `damage`: something is lost or wrong, and somebody should look at it.
 * - `notice`: nothing is lost; the broker copes with it, or tidies it up at its next start.
 */
export type Severity = "damage" | "notice";

export interface Finding {
  readonly severity: Severity;
  /** The file, directory or table it was found in. */
  readonly where: string;
  /** A sentence for people. */
  readonly what: string;
  readonly repair?: Repair;
}

/** A change that loses nothing which a reader could still have had. */
export interface Repair {
  /** Said before it is done: what will be changed. */
  readonly what: string;
  readonly run: (tools: RepairTools) => Promise<void>;
}

export interface RepairTools {
  readonly database: () => DatabaseSync;
}
