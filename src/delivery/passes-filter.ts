import type { EventView } from "../event/event-view.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Consumer } from "./consumer.ts";

/**
 * Whether the subscription wants the event. A filter that throws has a fault of ours; one event
 * too many is better than one lost, and better than a broker that stops at this event for ever.
 */
export function passesFilter(consumer: Consumer, view: EventView, logger: Logger): boolean {
  try {
    return consumer.plan.filter.passes(view);
  } catch (error) {
    const { id: subscription, revision } = consumer.plan;
    logger.error({ subscription, revision, error: String(error) }, "a filter threw");
    return true;
  }
}
