import { limits } from "../../kernel/limits.ts";
import { isObject } from "../../kernel/unchecked.ts";
import type { Outcome } from "../sink.ts";
import { excerptOf } from "./answer-outcome.ts";
import type { HttpAnswer } from "./http-attempt.ts";

/** Which events of a batch failed, and how long to wait with each; or why that cannot be told. */
type FailureList =
  | { readonly ok: true; readonly waits: ReadonlyMap<number, number | undefined> }
  | { readonly ok: false; readonly why: string };

const none: FailureList = { ok: true, waits: new Map() };

/**
 * What the answer to a batch says of each of its events. A status other than 200 says the same of
 * all. A 200 may name failures; where it seems to, but cannot be read to the last one, all are sent
 * again: an event that came twice does less harm than one that never came.
 */
export function outcomesOfBatch(
  outcome: Outcome,
  answer: HttpAnswer | undefined,
  count: number,
): readonly Outcome[] {
  const isListed = outcome.outcome === "delivered" && answer?.status === 200;
  if (!isListed) return Array.from({ length: count }, () => outcome);
  const failures = failuresOf(answer, count);
  if (!failures.ok) {
    const error = `answered 200, but ${failures.why}: the whole batch is sent again`;
    return Array.from({ length: count }, () => retry(answer, error, undefined));
  }
  return Array.from({ length: count }, (_, index) => {
    if (!failures.waits.has(index)) return outcome;
    const error = `answered 200 and named event ${index} of the batch as failed`;
    return retry(answer, error, failures.waits.get(index));
  });
}

function retry(answer: HttpAnswer, error: string, waitMs: number | undefined): Outcome {
  return {
    outcome: "retry",
    retryAfterMs: waitMs,
    status: answer.status,
    latencyMs: answer.latencyMs,
    error,
    failure: "response",
    response: excerptOf(answer),
  };
}

function failuresOf({ body = "", isComplete }: HttpAnswer, count: number): FailureList {
  const text = body.trim();
  // `ok`, a page, a list: whoever reports failures answers with an object.
  if (text !== "" && !text.startsWith("{")) return none;
  if (!isComplete) return { ok: false, why: "the answer broke off or was too long" };
  if (text === "") return none;
  const parsed = parse(text);
  if (parsed === undefined) return { ok: false, why: "its JSON cannot be read" };
  const failures = isObject(parsed) ? parsed["failures"] : undefined;
  if (failures === undefined || failures === null) return none;
  if (!Array.isArray(failures)) return { ok: false, why: "its 'failures' is no list" };
  return readFailures(failures, count);
}

function readFailures(failures: readonly unknown[], count: number): FailureList {
  const waits = new Map<number, number | undefined>();
  for (const [at, failure] of failures.entries()) {
    const index = isObject(failure) ? failure["index"] : undefined;
    const isOurs =
      typeof index === "number" && Number.isInteger(index) && index >= 0 && index < count;
    if (!isObject(failure) || !isOurs) {
      return { ok: false, why: `failures[${at}] names no event of a batch of ${count}` };
    }
    const waitMs = readWait(failure["retryAfterMs"]);
    // Named twice, an event waits for the longer of the two.
    waits.set(index, longer(waits.get(index), waitMs));
  }
  return { ok: true, waits };
}

/** What is no length of time asks for nothing. */
function readWait(value: unknown): number | undefined {
  if (typeof value !== "number" || !(value > 0)) return undefined;
  return Math.min(Math.ceil(value), limits.retryAfterMsMax);
}

function longer(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.max(one, other);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The caller says so; what is wrong with it helps nobody.
  }
}
