/** The two languages in which commands write times. */
import { CommandFailure } from "./command-failure.ts";
import type { WallTime } from "./time-zone.ts";
import { utcMoment } from "./time-zone.ts";

export type TimeField =
  | "year"
  | "year2"
  | "month"
  | "day"
  | "hour"
  | "hour12"
  | "minute"
  | "second";

/** Literal text, or a field of fixed width. */
export type TimePattern = readonly (string | { readonly field: TimeField })[];

const letters: Readonly<Record<string, TimeField>> = {
  Y: "year",
  y: "year2",
  m: "month",
  d: "day",
  H: "hour",
  h: "hour12",
  i: "minute",
  s: "second",
};

/** The letters of date_format: `Y-m-d H:i:s`; a backslash takes the next letter as it stands. */
export function parseLetterPattern(text: string): TimePattern {
  const pattern: (string | { readonly field: TimeField })[] = [];
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] ?? "";
    const field = Object.hasOwn(letters, letter) ? letters[letter] : undefined;
    if (letter === "\\" && at + 1 < text.length) {
      at += 1;
      pattern.push(text[at] ?? "");
    } else {
      pattern.push(field === undefined ? letter : { field });
    }
  }
  return pattern;
}

/** Longest first, so that `yyyy` is not read as two times `yy`. */
const words: readonly (readonly [string, TimeField])[] = [
  ["yyyy", "year"],
  ["2006", "year"],
  ["yy", "year2"],
  ["06", "year2"],
  ["mm", "month"],
  ["01", "month"],
  ["dd", "day"],
  ["02", "day"],
  ["HH", "hour"],
  ["15", "hour"],
  ["hh", "hour12"],
  ["03", "hour12"],
  ["MM", "minute"],
  ["04", "minute"],
  ["SS", "second"],
  ["05", "second"],
];

/** The words of convert_timezone: `yyyy-mm-dd HH:MM:SS`, or Go's `2006-01-02 15:04:05`. */
export function parseWordPattern(text: string): TimePattern {
  const isGo = text.includes("2006") || /0[1-6]/.test(text);
  const known = words.filter(([word]) => /^\d/.test(word) === isGo);
  const pattern: (string | { readonly field: TimeField })[] = [];
  for (let at = 0; at < text.length;) {
    const found = known.find(([word]) => text.startsWith(word, at));
    pattern.push(found === undefined ? (text[at] ?? "") : { field: found[1] });
    at += found === undefined ? 1 : found[0].length;
  }
  return pattern;
}

export function formatTime(pattern: TimePattern, wall: WallTime): string {
  return pattern
    .map((part) => (typeof part === "string" ? part : formatField(part.field, wall)))
    .join("");
}

function formatField(field: TimeField, wall: WallTime): string {
  switch (field) {
    case "year":
      return pad(wall.year, 4);
    case "year2":
      return pad(wall.year % 100, 2);
    case "hour12":
      return pad(wall.hour % 12 === 0 ? 12 : wall.hour % 12, 2);
    case "month":
    case "day":
    case "hour":
    case "minute":
    case "second":
      return pad(wall[field], 2);
  }
}

function pad(number: number, width: number): string {
  return String(number).padStart(width, "0");
}

/** Reads a time that was written with the pattern. Throws where the text does not fit it. */
export function parseTime(pattern: TimePattern, text: string): WallTime {
  const found: Partial<Record<TimeField, number>> = {};
  let at = 0;
  for (const part of pattern) {
    const end = at + widthOf(part);
    const piece = text.slice(at, end);
    const fits =
      typeof part === "string" ? piece === part : /^\d+$/.test(piece) && piece.length === end - at;
    if (!fits) throw unfit(text);
    if (typeof part !== "string") found[part.field] = Number(piece);
    at = end;
  }
  if (at !== text.length) throw unfit(text);
  const { year, year2, month = 1, day = 1, hour, hour12, minute = 0, second = 0 } = found;
  const wall: WallTime = {
    year: year ?? centuryOf(year2 ?? 70) + (year2 ?? 70),
    month,
    day,
    hour: hour ?? (hour12 ?? 0) % 12,
    minute,
    second,
  };
  if (!isRealTime(wall)) throw unfit(text);
  return wall;
}

function widthOf(part: TimePattern[number]): number {
  if (typeof part === "string") return part.length;
  return part.field === "year" ? 4 : 2;
}

/** Two digits mean 1969 to 2068, as they do in Go and POSIX. */
function centuryOf(year2: number): number {
  return year2 >= 69 ? 1900 : 2000;
}

function isRealTime(wall: WallTime): boolean {
  const moment = new Date(utcMoment(wall));
  return (
    moment.getUTCMonth() + 1 === wall.month &&
    moment.getUTCDate() === wall.day &&
    wall.hour < 24 &&
    wall.minute < 60 &&
    wall.second < 60
  );
}

function unfit(text: string): CommandFailure {
  return new CommandFailure(`${JSON.stringify(text.slice(0, 60))} is no time of the given format`);
}
