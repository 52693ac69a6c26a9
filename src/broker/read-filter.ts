import type { CloudEvent } from "../event/event.ts";
import { createEventView } from "../event/event-view.ts";
import { compileFilters } from "../filter/compile.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

/** Whether a reader wants an event. */
export type EventMatcher = (event: CloudEvent) => boolean;

/**
 * The `filter` parameters of a read: each is the JSON text of one filter object or of a list, as in
 * a subscription, and all must hold. Undefined when there is nothing to match. What is wrong is
 * refused with the codes of a subscription's filters, under the path `filter`.
 */
export function compileReadFilter(parameters: readonly string[]): EventMatcher | undefined {
  if (parameters.length === 0) return undefined;
  const violations: Violation[] = [];
  const filters: unknown[] = [];
  // Where each filter came from: the compiler knows it as filters[n].
  const origins: string[] = [];
  for (const [index, text] of parameters.entries()) {
    const path = parameters.length === 1 ? "filter" : `filter[${index}]`;
    const given = parseFilter(text, path, violations);
    if (given === undefined) continue;
    for (const [at, each] of given.list.entries()) {
      filters.push(each);
      origins.push(given.isList ? `${path}[${at}]` : path);
    }
  }
  refuse(violations);
  const compiled = compileFilters(filters);
  if (!compiled.ok) {
    refuse(compiled.violations.map((each) => ({ ...each, path: inQuery(each.path, origins) })));
    throw new BrokerError("invalid_request", "filter: it does not compile");
  }
  if (filters.length === 0) return undefined;
  const { filter } = compiled;
  return (event) => {
    try {
      return filter.passes(createEventView(event));
    } catch {
      // A filter that throws has a fault of ours; one event too many is better than one missed.
      return true;
    }
  };
}

interface GivenFilters {
  readonly isList: boolean;
  readonly list: readonly unknown[];
}

function parseFilter(
  text: string,
  path: string,
  violations: Violation[],
): GivenFilters | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return Array.isArray(value) ? { isList: true, list: value } : { isList: false, list: [value] };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const message = `is not JSON (${reason.slice(0, 200)}); write {"exact": {"type": "…"}}, URL-encoded`;
    violations.push({ path, code: "invalid_json", message });
    return undefined;
  }
}

/** `filters[1].exact` of the compiler is `filter[1].exact` of the query, or `filter.exact`. */
function inQuery(path: string, origins: readonly string[]): string {
  const found = /^filters\[(\d+)\]/.exec(path);
  if (found === null) return path.replace(/^filters/, "filter");
  return `${origins[Number(found[1])] ?? "filter"}${path.slice(found[0].length)}`;
}

function refuse(violations: readonly Violation[]): void {
  const [first] = violations;
  if (first === undefined) return;
  const isLater = violations.every(({ code }) => code === "not_supported_yet");
  const code = isLater ? "not_supported_yet" : "invalid_request";
  throw new BrokerError(code, `${first.path}: ${first.message}`, {
    violations: violations.slice(0, limits.validationErrorsMax),
  });
}
