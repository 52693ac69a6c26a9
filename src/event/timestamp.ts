/** RFC 3339 `date-time`, with lower-case letters and any number of fraction digits. */
const SHAPE = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/**
 * Whether the text is an RFC 3339 timestamp that exists: a real day of the calendar, and second 60
 * only where leap seconds are put, at the end of a day in UTC.
 */
export function isTimestamp(text: string): boolean {
  if (!SHAPE.test(text)) return false;
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  if (month < 1 || month > 12 || day < 1) return false;
  if (day > 28 && day > daysOfMonth(twoDigits(text, 0) * 100 + twoDigits(text, 2), month)) {
    return false;
  }
  if (hour > 23 || minute > 59 || second > 60) return false;
  const offset = offsetMinutes(text);
  if (offset === undefined) return false;
  return second < 60 || (hour * 60 + minute - offset + 2 * 1440) % 1440 === 1439;
}

function twoDigits(text: string, index: number): number {
  return (text.charCodeAt(index) - 48) * 10 + text.charCodeAt(index + 1) - 48;
}

function daysOfMonth(year: number, month: number): number {
  if (month === 2) {
    const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
    return isLeap ? 29 : 28;
  }
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Minutes east of UTC at the end of the text; undefined when there is no such offset. */
function offsetMinutes(text: string): number | undefined {
  const { length } = text;
  if (text[length - 3] !== ":" || (text[length - 6] !== "+" && text[length - 6] !== "-")) return 0;
  const hours = twoDigits(text, length - 5);
  const minutes = twoDigits(text, length - 2);
  if (hours > 23 || minutes > 59) return undefined;
  const total = hours * 60 + minutes;
  return text[length - 6] === "-" ? -total : total;
}
