import { parseDuration } from "./durations.ts";
import type { ObjectReader } from "./object-reader.ts";
import { describe } from "./object-reader.ts";

interface DurationRange {
  readonly min: number;
  readonly max: number;
  readonly absent: string;
}

export function readDuration(reader: ObjectReader, name: string, range: DurationRange): string {
  const value = reader.present(name);
  if (value === undefined) return range.absent;
  return isDuration(reader, name, value, range) ? (value as string) : range.absent;
}

/** Whether the value is a duration within the range; if not, that is reported under the name. */
export function isDuration(
  reader: ObjectReader,
  name: string,
  value: unknown,
  { min, max }: Omit<DurationRange, "absent">,
): boolean {
  const milliseconds = typeof value === "string" ? parseDuration(value) : undefined;
  if (milliseconds === undefined) {
    const message = `${describe(value)} is no duration; write 500ms, 10s, 5m, 1h, 7d or ISO 8601 as PT10S`;
    reader.report(name, "invalid_duration", message);
    return false;
  }
  if (milliseconds >= min && milliseconds <= max) return true;
  const message = `must be from ${min} ms to ${max} ms, not ${describe(value)}`;
  reader.report(name, "out_of_range", message);
  return false;
}
