import type { DurationText, RetryPolicy } from "../api/api.ts";
import { objectionsToRules } from "../connector/sinks.ts";
import type { StatusPattern } from "../connector/sinks.ts";
import { limits } from "../kernel/limits.ts";
import { formatDuration, parseDuration } from "./durations.ts";
import type { ObjectReader } from "./object-reader.ts";
import { describe } from "./object-reader.ts";
import { isDuration, readDuration } from "./read-duration.ts";

/** `config.retry` of a subscription, defaults filled in. */
export function readRetry(reader: ObjectReader): RetryPolicy {
  const maxAttempts = reader.value("maxAttempts");
  const delays = readDelays(reader);
  // A list of waits says itself when to stop; an age of a day would cut a longer list short.
  const maxAgeMs = delays === undefined ? limits.retryMaxAgeMsDefault : limits.retryMaxAgeMsMax;
  const policy: RetryPolicy = {
    maxAttempts:
      maxAttempts === null || maxAttempts === undefined
        ? null
        : reader.integer("maxAttempts", { min: 1, max: 1_000_000, absent: 1 }),
    maxAge: readDuration(reader, "maxAge", {
      min: 1,
      max: limits.retryMaxAgeMsMax,
      absent: formatDuration(maxAgeMs),
    }),
    ...readBackoff(reader),
    ...(delays === undefined ? {} : { delays }),
    ...readStatusLists(reader),
  };
  refuseTooLong(reader, policy);
  reader.refuseUnknown();
  return policy;
}

function readBackoff(reader: ObjectReader): Pick<RetryPolicy, "minDelayMs" | "maxDelayMs"> {
  const range = { min: 1, max: limits.retryMaxAgeMsMax };
  const minDelayMs = reader.integer("minDelayMs", {
    ...range,
    absent: limits.retryMinDelayMsDefault,
  });
  const maxDelayMs = reader.integer("maxDelayMs", {
    ...range,
    absent: Math.max(limits.retryMaxDelayMsDefault, minDelayMs),
  });
  if (minDelayMs > maxDelayMs) {
    const message = `${minDelayMs} is more than maxDelayMs (${maxDelayMs})`;
    reader.report("minDelayMs", "out_of_range", message);
  }
  return { minDelayMs, maxDelayMs };
}

function readDelays(reader: ObjectReader): readonly DurationText[] | undefined {
  const delays = reader.present("delays");
  if (delays === undefined) return undefined;
  if (!Array.isArray(delays)) {
    const message = `must be a list of waits such as ["10s", "5m", "1h"], not ${describe(delays)}`;
    reader.report("delays", "wrong_type", message);
    return undefined;
  }
  if (delays.length === 0 || delays.length > limits.retryDelaysMax) {
    const message = `must list 1 to ${limits.retryDelaysMax} waits (retryDelaysMax); for no retry at all set maxAttempts to 1`;
    reader.report("delays", "out_of_range", message);
    return undefined;
  }
  const range = { min: 1, max: limits.retryMaxAgeMsMax };
  const areFine = (delays as readonly unknown[]).map((delay, index) =>
    isDuration(reader, `delays[${index}]`, delay, range),
  );
  return areFine.every(Boolean) ? (delays as readonly DurationText[]) : undefined;
}

/** Waits that can never be reached are a mistake in one of the two members. */
function refuseTooLong(reader: ObjectReader, { delays = [], maxAge }: RetryPolicy): void {
  const sumMs = delays.reduce((sum, delay) => sum + (parseDuration(delay) ?? 0), 0);
  if (sumMs <= (parseDuration(maxAge) ?? 0)) return;
  const message = `the waits add up to ${formatDuration(sumMs)}, which is more than maxAge (${maxAge}); shorten the list or raise maxAge`;
  reader.report("delays", "out_of_range", message);
}

function readStatusLists(reader: ObjectReader): Pick<RetryPolicy, "retryOn" | "failOn"> {
  const retryOn = reader.present("retryOn");
  const failOn = reader.present("failOn");
  const objections = objectionsToRules({ retryOn, failOn });
  for (const { path, code, message } of objections) reader.report(path, code, message);
  if (objections.length > 0) return {};
  return {
    ...(retryOn === undefined ? {} : { retryOn: retryOn as readonly StatusPattern[] }),
    ...(failOn === undefined ? {} : { failOn: failOn as readonly StatusPattern[] }),
  };
}
