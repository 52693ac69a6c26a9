import type { EventView } from "../event/event-view.ts";
import type { TransformResult } from "../transform/transformer.ts";
import type { SubscriptionPlan } from "./contract.ts";

/** The event as the subscription sends it now. */
export function transformed(
  plan: Pick<SubscriptionPlan, "transformer">,
  view: EventView,
): TransformResult {
  if (plan.transformer === undefined) return { ok: true, event: view.event };
  try {
    return plan.transformer.transform(view);
  } catch (error) {
    // A fault of ours; as a dead letter it is seen, kept, and stops nobody else.
    const message = `the transformer threw: ${String(error)}`;
    return { ok: false, failure: { path: "transformer", code: "internal", message } };
  }
}
