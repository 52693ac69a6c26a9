import type { CloudEvent } from "../event/event.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { dueTimeOf, dueTimeOfDelay, hasDeliveryTime } from "./delayed-time.ts";

/** When the events of one publish are due; undefined for those that are not to wait. */
export type DelayPlan =
  | { readonly ok: true; readonly dueTimes: readonly (EpochMs | undefined)[] }
  | { readonly ok: false; readonly failure: BrokerError };

/** Whether a publish must be looked at for delays at all. On the hot path. */
export function mayBeDelayed(events: readonly CloudEvent[], delay: string | undefined): boolean {
  return delay !== undefined || events.some(hasDeliveryTime);
}

/**
 * The header of a publish holds for each of its events that does not say itself when it is due: an
 * event knows better. Everything wrong is listed, each once.
 */
export function planDelays(
  events: readonly CloudEvent[],
  delay: string | undefined,
  now: EpochMs,
): DelayPlan {
  const header = delay === undefined ? undefined : dueTimeOfDelay(delay, now);
  if (header?.ok === false) return refused("invalid_request", [header.violation]);
  const violations: Violation[] = [];
  const dueTimes = events.map((event, index) => {
    const due = dueTimeOf(event, header?.dueAt, now);
    if (due.ok) return due.dueAt;
    const where = events.length === 1 ? {} : { index };
    if (violations.length < limits.validationErrorsMax)
      violations.push({ ...due.violation, ...where });
    return undefined;
  });
  return violations.length > 0 ? refused("invalid_event", violations) : { ok: true, dueTimes };
}

function refused(
  code: "invalid_request" | "invalid_event",
  violations: readonly Violation[],
): DelayPlan {
  const [first] = violations;
  const where = first?.index === undefined ? "" : `event ${first.index}: `;
  const detail = `${where}${first?.message ?? ""}`;
  return { ok: false, failure: new BrokerError(code, detail, { violations }) };
}
