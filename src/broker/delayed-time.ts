import type { AttributeValue, CloudEvent } from "../event/event.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { parseDuration, parseTime } from "./durations.ts";

/** When an event is to be appended; the second is how Vanus spells it. */
const DELIVERY_TIME = "deliverytime";
const VANUS_DELIVERY_TIME = "xvanusdeliverytime";
const DELAY_HEADER = "millrace-delay";

/** Whether the event says itself when it is due. On the hot path: most events have no extensions. */
export function hasDeliveryTime({ extensions }: CloudEvent): boolean {
  return (
    extensions.size > 0 && (extensions.has(DELIVERY_TIME) || extensions.has(VANUS_DELIVERY_TIME))
  );
}

/** Undefined dueAt: now, as without any delay. */
export type DueTime =
  | { readonly ok: true; readonly dueAt: EpochMs | undefined }
  | { readonly ok: false; readonly violation: Violation };

/** What the header of a publish asks for all its events. */
export function dueTimeOfDelay(text: string, now: EpochMs): DueTime {
  const delayMs = parseDuration(text);
  if (delayMs === undefined) {
    const shown = JSON.stringify(text.slice(0, 100));
    const message = `must be a duration such as 500ms, 10s, 5m, 1h, 7d or PT10S, not ${shown}`;
    return refused(DELAY_HEADER, "invalid_duration", message);
  }
  return judged(DELAY_HEADER, now + delayMs, now);
}

/** What the event's own attribute says; `fallback` where it has none. */
export function dueTimeOf(event: CloudEvent, fallback: EpochMs | undefined, now: EpochMs): DueTime {
  const own = event.extensions.get(DELIVERY_TIME);
  const vanus = event.extensions.get(VANUS_DELIVERY_TIME);
  if (own === undefined && vanus === undefined) return { ok: true, dueAt: fallback };
  if (own === undefined) return timeOf(VANUS_DELIVERY_TIME, vanus, now);
  const due = timeOf(DELIVERY_TIME, own, now);
  if (vanus === undefined || !due.ok) return due;
  const other = timeOf(VANUS_DELIVERY_TIME, vanus, now);
  if (!other.ok || other.dueAt === due.dueAt) return other;
  const message = `names another time than ${DELIVERY_TIME}; give one of them`;
  return refused(VANUS_DELIVERY_TIME, "contradiction", message);
}

function timeOf(name: string, value: AttributeValue | undefined, now: EpochMs): DueTime {
  const time = typeof value === "string" ? parseTime(value) : undefined;
  if (time !== undefined) return judged(name, time, now);
  const shown = JSON.stringify(String(value).slice(0, 100));
  const message = `must be an RFC 3339 time such as 2030-01-31T08:00:00Z, not ${shown}`;
  return refused(name, "invalid_time", message);
}

function judged(name: string, dueAt: EpochMs, now: EpochMs): DueTime {
  if (dueAt <= now) return { ok: true, dueAt: undefined };
  if (dueAt - now <= limits.delayMsMax) return { ok: true, dueAt };
  const days = limits.delayMsMax / 86_400_000;
  const message = `lies more than ${days} days ahead (delayMsMax); an event waits no longer than that`;
  return refused(name, "too_far", message);
}

function refused(path: string, code: string, message: string): DueTime {
  return { ok: false, violation: { path, code, message: `${path} ${message}` } };
}
