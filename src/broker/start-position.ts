import type { EventLog } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { parseTime } from "./durations.ts";

export type Position =
  | { readonly ok: true; readonly offset: Offset }
  | { readonly ok: false; readonly message: string };

/**
 * The offset that `earliest`, `latest`, an offset or an RFC 3339 time stands for now. Times mean
 * append time. What lies below the oldest kept event is the oldest kept; what lies in the future is
 * an error, because nobody can say yet which offset that will be.
 */
export async function resolvePosition(
  wanted: string | number,
  log: EventLog,
  now: EpochMs,
): Promise<Position> {
  const { first, next } = log.bounds();
  if (wanted === "latest") return { ok: true, offset: next };
  if (wanted === "earliest") return { ok: true, offset: first };
  const offset = toOffset(wanted);
  if (offset !== undefined) {
    if (offset <= next) return { ok: true, offset: Math.max(first, offset) };
    return { ok: false, message: `offset ${offset} is beyond the next offset of the bus, ${next}` };
  }
  const time = typeof wanted === "string" ? parseTime(wanted) : undefined;
  if (time === undefined) {
    const message = `${JSON.stringify(wanted)} must be latest, earliest, an offset or an RFC 3339 time`;
    return { ok: false, message };
  }
  if (time > now) return { ok: false, message: `the time ${String(wanted)} lies in the future` };
  return { ok: true, offset: Math.max(first, await log.offsetAt(time)) };
}

function toOffset(wanted: string | number): Offset | undefined {
  const number = typeof wanted === "string" && /^\d{1,16}$/.test(wanted) ? Number(wanted) : wanted;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) return undefined;
  return number;
}
