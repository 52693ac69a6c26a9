import type { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";

/** What became of each event of a publish, where that is not simply "appended in this order". */
export interface PublishOutcome {
  /** Of each event; null while it is delayed. A duplicate has the offset of the original. */
  readonly offsets: readonly (Offset | null)[];
  /** The indexes of events that the bus had already, ascending. */
  readonly duplicates: readonly number[];
  /** Ids of delayed events; null for those that are not. */
  readonly delayed: readonly (string | null)[];
}

/**
 * Called once. Without failure and outcome the events have the offsets first, first + 1 …; with an
 * outcome `first` means nothing. A failure means that nothing was stored, unless its code is
 * `outcome_unknown`.
 */
export type PublishCallback = (
  failure: BrokerError | undefined,
  first: Offset,
  outcome?: PublishOutcome,
) => void;
