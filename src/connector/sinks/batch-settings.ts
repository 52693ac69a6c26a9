import type { Violation } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import { isObject, memberPath, nameKind, quote } from "../../kernel/unchecked.ts";
import type { BatchLimits } from "../sink.ts";

interface Range {
  readonly min: number;
  readonly max: number;
  readonly absent: number;
}

const members: Readonly<Record<keyof BatchLimits, Range>> = {
  maxEvents: { min: 1, max: limits.sinkBatchEventsMax, absent: limits.sinkBatchEventsDefault },
  maxBytes: { min: 1, max: limits.sinkBatchBytesMax, absent: limits.sinkBatchBytesDefault },
  lingerMs: { min: 0, max: limits.sinkBatchLingerMsMax, absent: limits.sinkBatchLingerMsDefault },
};

/** Checks `protocolsettings.batch`. */
export function* checkBatch(batch: unknown, path: string, settings: unknown): Generator<Violation> {
  if (!isBatchFormat(settings)) {
    const message = 'says how large batches are; it needs "format": "batch" beside it';
    yield { path, code: "invalid_value", message };
  }
  if (!isObject(batch)) {
    yield { path, code: "wrong_type", message: `must be an object, not ${nameKind(batch)}` };
    return;
  }
  for (const [name, value] of Object.entries(batch)) {
    const at = memberPath(path, name);
    const range = Object.hasOwn(members, name) ? members[name as keyof BatchLimits] : undefined;
    if (range === undefined) {
      const message = `${quote(name)} is unknown; known: ${Object.keys(members).join(", ")}`;
      yield { path: at, code: "unknown_member", message };
    } else if (value !== null && !isWithin(value, range)) {
      const shown = typeof value === "number" ? String(value) : nameKind(value);
      const message = `must be a whole number from ${range.min} to ${range.max}, not ${shown}`;
      const code = typeof value === "number" ? "out_of_range" : "wrong_type";
      yield { path: at, code, message };
    }
  }
}

/** Of settings that have passed checkBatch. */
export function batchLimitsOf(settings: unknown): BatchLimits | undefined {
  if (!isBatchFormat(settings)) return undefined;
  const batch = isObject(settings["batch"]) ? settings["batch"] : {};
  const read = (name: keyof BatchLimits): number => {
    const value = batch[name];
    return typeof value === "number" ? value : members[name].absent;
  };
  return {
    maxEvents: read("maxEvents"),
    maxBytes: read("maxBytes"),
    lingerMs: read("lingerMs"),
  };
}

function isBatchFormat(settings: unknown): settings is Readonly<Record<string, unknown>> {
  return isObject(settings) && settings["format"] === "batch";
}

function isWithin(value: unknown, { min, max }: Range): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}
