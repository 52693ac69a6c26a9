import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";

/** `120`, and `120, 60` as a proxy makes of two headers. */
const SECONDS = /^\d+(?:[ \t]*,[ \t]*\d+)*$/;
/** The three forms of RFC 9110 §5.6.7; a recipient must take all of them. */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850 = /^[A-Z][a-z]+, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}:\d{2}:\d{2}) GMT$/;
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/**
 * How long the sink asks to be left alone: the longest of what it says, at most
 * limits.retryAfterMsMax. Undefined when it says nothing that can be understood, and when the time
 * it names is not in the future: a hold of no length would burn no attempt and never end.
 */
export function retryAfterMs(
  header: string | readonly string[] | undefined,
  now: EpochMs,
): number | undefined {
  if (header === undefined) return undefined;
  const values = typeof header === "string" ? [header] : header;
  const longest = Math.max(0, ...values.map((value) => waitMs(value.trim(), now)));
  return longest === 0 ? undefined : Math.min(longest, limits.retryAfterMsMax);
}

function waitMs(value: string, now: EpochMs): number {
  if (SECONDS.test(value)) {
    return Math.max(...value.split(",").map((seconds) => Number(seconds) * 1000));
  }
  const date = dateMs(value, now);
  return date === undefined || Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

function dateMs(value: string, now: EpochMs): EpochMs | undefined {
  if (IMF_FIXDATE.test(value)) return Date.parse(value);
  if (ASCTIME.test(value)) return Date.parse(`${value} GMT`);
  const [, day, month, shortYear, time] = RFC_850.exec(value) ?? [];
  if (shortYear === undefined) return undefined;
  const century = Math.floor(new Date(now).getUTCFullYear() / 100) * 100;
  const inYear = (year: number): EpochMs => Date.parse(`${day} ${month} ${year} ${time} GMT`);
  const date = inYear(century + Number(shortYear));
  // A two-digit year more than 50 years ahead is meant to be in the past.
  const farthest = new Date(now).setUTCFullYear(new Date(now).getUTCFullYear() + 50);
  return date > farthest ? inYear(century - 100 + Number(shortYear)) : date;
}
