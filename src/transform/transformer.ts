import type { EventView } from "../event/event-view.ts";
import type { CloudEvent } from "../event/event.ts";

/** Why a transformer could not make an event of this event; the delivery is dead-lettered. */
export interface TransformFailure {
  /** As in `transformer.template`. */
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

export type TransformResult =
  | { readonly ok: true; readonly event: CloudEvent }
  | { readonly ok: false; readonly failure: TransformFailure };

/** A transformer, compiled once per subscription revision. */
export interface CompiledTransformer {
  transform(view: EventView): TransformResult;
}
