import type { LetterSelection } from "../delivery/delivery.ts";
import type { AttemptQuery, LetterFilter } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { parseTime } from "./durations.ts";
import { describe, ObjectReader } from "./object-reader.ts";

/** Untrusted searches and redrives, from queries and bodies alike. */
const REASONS = ["rejected", "retries-exhausted", "too-old", "transform"];
const OUTCOMES = ["delivered", "retry", "dead", "discarded"];

/** The names of the query parameters, for those who refuse others. */
export const letterFilterNames: readonly string[] = [
  "from",
  "to",
  "reason",
  "type",
  "source",
  "generation",
];
export const attemptFilterNames: readonly string[] = [
  "eventId",
  "offset",
  "outcome",
  "status",
  "from",
  "to",
];

export function readLetterFilter(query: unknown): LetterFilter {
  const violations: Violation[] = [];
  const filter = letterFilterIn(new ObjectReader(query, "", violations));
  throwInvalid("dead letters", violations);
  return filter;
}

function letterFilterIn(reader: ObjectReader): LetterFilter {
  return {
    since: readTime(reader, "from"),
    before: readTime(reader, "to"),
    reason: readOneOf(reader, "reason", REASONS),
    eventType: readText(reader, "type"),
    eventSource: readText(reader, "source"),
    generation: readCount(reader, "generation"),
    offset: undefined,
  };
}

type AttemptFilter = Omit<AttemptQuery, "subscription" | "below" | "limit">;

export function readAttemptFilter(query: unknown): AttemptFilter {
  const violations: Violation[] = [];
  const reader = new ObjectReader(query, "", violations);
  const filter: AttemptFilter = {
    eventId: readText(reader, "eventId"),
    offset: readCount(reader, "offset"),
    outcome: readOneOf(reader, "outcome", OUTCOMES),
    status: readStatus(reader),
    since: readTime(reader, "from"),
    before: readTime(reader, "to"),
  };
  throwInvalid("attempts", violations);
  return filter;
}

export interface RedriveInput {
  readonly selection: LetterSelection;
  readonly ratePerSecond: number | undefined;
  /** Members of a subscription that say where to send instead; undefined = to its own sink. */
  readonly sink: Readonly<Record<string, unknown>> | undefined;
}

export function readRedriveInput(body: unknown): RedriveInput {
  const violations: Violation[] = [];
  const reader = new ObjectReader(body, "", violations);
  const selection = readSelection(reader, violations);
  const ratePerSecond = readRate(reader);
  const sink = readSink(reader);
  reader.refuseUnknown();
  throwInvalid("redrive", violations);
  return { selection, ratePerSecond, sink };
}

/** Exactly one way to say which; "all" has to be said, so that an empty body redrives nothing. */
function readSelection(reader: ObjectReader, violations: Violation[]): LetterSelection {
  const letters = reader.present("letters");
  const filter = reader.present("filter");
  const all = reader.flag("all", false);
  const given = [letters !== undefined, filter !== undefined, all].filter(Boolean).length;
  if (given !== 1) {
    const message = 'say which letters: one of "letters" (a list of ids), "filter" or "all": true';
    reader.report("", given === 0 ? "missing" : "ambiguous", message);
  }
  if (letters !== undefined) return { letters: readLetters(reader, letters) };
  const chosen = new ObjectReader(filter, "filter", violations);
  const read = letterFilterIn(chosen);
  chosen.refuseUnknown();
  if (filter !== undefined && Object.values(read).every((value) => value === undefined)) {
    reader.report("filter", "missing", 'names nothing; for every letter say "all": true');
  }
  return { filter: read };
}

function readLetters(reader: ObjectReader, value: unknown): readonly string[] {
  const max = limits.redriveLettersMax;
  if (!Array.isArray(value) || value.length === 0 || value.length > max) {
    const found = Array.isArray(value) ? `a list of ${value.length}` : describe(value);
    const message = `must be a list of 1 to ${max} ids (redriveLettersMax), not ${found}; use a filter for more`;
    reader.report("letters", "out_of_range", message);
    return [];
  }
  for (const [index, letter] of value.entries()) {
    if (typeof letter === "string" && letter !== "") continue;
    reader.report(`letters[${index}]`, "wrong_type", `must be an id, not ${describe(letter)}`);
  }
  return [...new Set(value as readonly string[])];
}

function readRate(reader: ObjectReader): number | undefined {
  const value = reader.present("ratePerSecond");
  if (value === undefined) return undefined;
  const max = limits.redriveRateMax;
  if (typeof value === "number" && value > 0 && value <= max) return value;
  const message = `must be a number above 0 and at most ${max}, not ${describe(value)}`;
  reader.report("ratePerSecond", "out_of_range", message);
  return undefined;
}

function readSink(reader: ObjectReader): RedriveInput["sink"] {
  const sink = reader.present("sink");
  const protocol = reader.present("protocol");
  const protocolsettings = reader.present("protocolsettings");
  if (sink !== undefined) return { sink, protocol: protocol ?? "HTTP", protocolsettings };
  for (const [name, value] of [
    ["protocol", protocol],
    ["protocolsettings", protocolsettings],
  ] as const) {
    if (value !== undefined)
      reader.report(name, "missing", "belongs to another sink; name that too");
  }
  return undefined;
}

function readText(reader: ObjectReader, name: string): string | undefined {
  const value = reader.present(name);
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  reader.report(name, "wrong_type", `must be a text that is not empty, not ${describe(value)}`);
  return undefined;
}

function readOneOf(
  reader: ObjectReader,
  name: string,
  known: readonly string[],
): string | undefined {
  const value = reader.present(name);
  if (value === undefined) return undefined;
  if (typeof value === "string" && known.includes(value)) return value;
  reader.report(
    name,
    "invalid_value",
    `must be one of ${known.join(", ")}, not ${describe(value)}`,
  );
  return undefined;
}

function readTime(reader: ObjectReader, name: string): EpochMs | undefined {
  const value = reader.present(name);
  if (value === undefined) return undefined;
  const time = typeof value === "string" ? parseTime(value) : undefined;
  if (time === undefined) {
    const message = `must be an RFC 3339 time such as 2026-01-31T08:00:00Z, not ${describe(value)}`;
    reader.report(name, "invalid_value", message);
  }
  return time;
}

function readCount(reader: ObjectReader, name: string): number | undefined {
  const value = reader.present(name);
  if (value === undefined) return undefined;
  const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number;
  reader.report(name, "wrong_type", `must be a whole number, not ${describe(value)}`);
  return undefined;
}

/** `503`, or a class such as `5xx`. */
function readStatus(reader: ObjectReader): AttemptFilter["status"] {
  const value = reader.present("status");
  if (value === undefined) return undefined;
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") {
    reader.report("status", "wrong_type", `must be a status, not ${describe(value)}`);
    return undefined;
  }
  if (/^[1-5]\d\d$/.test(text)) return { from: Number(text), to: Number(text) };
  const hundreds = /^([1-5])xx$/i.exec(text)?.[1];
  if (hundreds !== undefined) {
    return { from: Number(hundreds) * 100, to: Number(hundreds) * 100 + 99 };
  }
  reader.report(
    "status",
    "invalid_value",
    `must be a status such as 503 or 5xx, not ${describe(value)}`,
  );
  return undefined;
}

function throwInvalid(what: string, violations: readonly Violation[]): void {
  const [first] = violations;
  if (first === undefined) return;
  const where = first.path === "" ? "" : `${first.path}: `;
  throw new BrokerError("invalid_request", `${what}: ${where}${first.message}`, { violations });
}
