const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SHORT = /^(\d{1,15})(ms|s|m|h|d)$/;
const ISO_8601 =
  /^P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,9})?)S)?)?$/;

/**
 * Milliseconds of a duration as the API writes it: `500ms`, `10s`, `5m`, `1h`, `7d`, or ISO 8601
 * without months and years, which have no fixed length. Undefined when it is neither.
 */
export function parseDuration(text: string): number | undefined {
  const short = SHORT.exec(text);
  if (short !== null) return Number(short[1]) * (UNITS_MS[short[2] ?? ""] ?? 0);
  const iso = ISO_8601.exec(text);
  if (iso === null || text === "P") return undefined;
  const [, weeks = "0", days = "0", hours = "0", minutes = "0", seconds = "0"] = iso;
  const wholeDays = Number(weeks) * 7 + Number(days);
  const milliseconds =
    wholeDays * 86_400_000 +
    Number(hours) * 3_600_000 +
    Number(minutes) * 60_000 +
    Number(seconds) * 1000;
  return Math.round(milliseconds);
}

/** The shortest way to write a duration: `7d`, `90s`. */
export function formatDuration(milliseconds: number): string {
  const units = Object.entries(UNITS_MS).toReversed();
  const [unit, unitMs] = units.find(([, each]) => milliseconds % each === 0) ?? ["ms", 1];
  return `${milliseconds / unitMs}${unit}`;
}

const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds since 1970 of an RFC 3339 time; undefined when it is none. */
export function parseTime(text: string): number | undefined {
  const match = RFC_3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = match;
  // A leap second is the last instant of its minute: Date knows none.
  const isLeap = second === "60";
  const base = `${year}-${month}-${day}T${hour}:${minute}:${isLeap ? "59" : second}`;
  const milliseconds = Date.parse(`${base}${fraction.slice(0, 4)}${zone.toUpperCase()}`);
  // Date.parse turns 30 February into March.
  if (Number.isNaN(milliseconds) || !isRealDay(Number(year), Number(month), Number(day))) {
    return undefined;
  }
  return isLeap ? milliseconds + 1000 : milliseconds;
}

function isRealDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
