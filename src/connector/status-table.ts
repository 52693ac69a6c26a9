import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { nameKind, quote } from "../kernel/unchecked.ts";

/** What an answer with this status means for the delivery (DESIGN.md §4). */
export type StatusVerdict = "delivered" | "retry" | "hold" | "gone" | "redirect" | "rejected";

/** A status, or all statuses of a hundred: `503`, `"5xx"`. */
export type StatusPattern = number | string;

/** What a subscription says of statuses itself, checked by objectionsToRules. */
export interface StatusRules {
  readonly retryOn: readonly StatusPattern[];
  readonly failOn: readonly StatusPattern[];
}

/** `asksToWait`: the answer has a Retry-After that lies in the future. */
export type StatusTable = (
  status: number,
  facts: { readonly asksToWait: boolean },
) => StatusVerdict;

/** Statuses below 500 that time may mend: 404 comes up while a service wakes from zero. */
const retried: ReadonlySet<number> = new Set([404, 408, 409, 425]);

/** The verdict where the subscription has no rules of its own. */
export const judgeStatus: StatusTable = (status, { asksToWait }) => {
  if (status >= 200 && status < 300) return "delivered";
  if (status === 429 || (status === 503 && asksToWait)) return "hold";
  if (status === 410) return "gone";
  if (status >= 300 && status < 400) return "redirect";
  if (retried.has(status) || (status >= 500 && status < 600)) return "retry";
  return "rejected";
};

/**
 * The table of a subscription. A status that is listed by its number has that verdict; one of a
 * listed class too, unless it holds, pauses or delivers: those say something about the consumer
 * and not about the event, so nobody means them by writing `4xx`.
 */
export function statusTable({ retryOn, failOn }: StatusRules): StatusTable {
  if (retryOn.length === 0 && failOn.length === 0) return judgeStatus;
  const numbers = new Map<StatusPattern, StatusVerdict>();
  for (const pattern of retryOn) numbers.set(pattern, "retry");
  for (const pattern of failOn) numbers.set(pattern, "rejected");
  return (status, facts) => {
    const listed = numbers.get(status);
    if (listed !== undefined) return listed;
    const usual = judgeStatus(status, facts);
    if (usual === "delivered" || usual === "hold" || usual === "gone") return usual;
    return numbers.get(`${Math.floor(status / 100)}xx`) ?? usual;
  };
}

const CLASSES: readonly unknown[] = ["3xx", "4xx", "5xx"];

/** Statuses whose verdict is not for a list to change, and why. */
const unlistable: ReadonlyMap<number, string> = new Map([
  [410, "pauses the subscription: the consumer wants nothing more"],
  [429, "holds the subscription, and uses up no attempt"],
]);

/** Everything that is wrong with the two lists; paths are relative to what holds them. */
export function objectionsToRules(rules: {
  readonly retryOn: unknown;
  readonly failOn: unknown;
}): readonly Violation[] {
  const violations = [
    ...objectionsToList("retryOn", rules.retryOn),
    ...objectionsToList("failOn", rules.failOn),
  ];
  if (!Array.isArray(rules.retryOn) || !Array.isArray(rules.failOn)) return violations;
  const retries = new Set<unknown>(rules.retryOn);
  for (const [index, pattern] of (rules.failOn as readonly unknown[]).entries()) {
    if (!retries.has(pattern)) continue;
    const message = `${show(pattern)} is in retryOn too; leave it in one of the two`;
    violations.push({ path: `failOn[${index}]`, code: "conflict", message });
  }
  return violations;
}

function* objectionsToList(name: string, list: unknown): Generator<Violation> {
  if (list === undefined) return;
  if (!Array.isArray(list)) {
    const message = `must be a list of statuses (503) and classes ("5xx"), not ${nameKind(list)}`;
    yield { path: name, code: "wrong_type", message };
    return;
  }
  if (list.length > limits.retryStatusesMax) {
    const message = `has ${list.length} statuses; at most ${limits.retryStatusesMax} (retryStatusesMax)`;
    yield { path: name, code: "too_many", message };
    return;
  }
  for (const [index, pattern] of (list as readonly unknown[]).entries()) {
    const message = objectionToPattern(pattern);
    if (message !== undefined) yield { path: `${name}[${index}]`, code: "invalid_value", message };
  }
}

function objectionToPattern(pattern: unknown): string | undefined {
  if (CLASSES.includes(pattern)) return undefined;
  if (typeof pattern !== "number" || !Number.isInteger(pattern)) {
    return `must be a status as a number, or one of "3xx", "4xx", "5xx", not ${show(pattern)}`;
  }
  if (pattern >= 200 && pattern < 300) return `${pattern} is a success, whatever a list says`;
  if (pattern < 300 || pattern > 599) return `${pattern} is no status; known: 300 to 599`;
  const why = unlistable.get(pattern);
  return why === undefined ? undefined : `${pattern} ${why}; no list can change that`;
}

function show(pattern: unknown): string {
  if (typeof pattern === "number") return String(pattern);
  return typeof pattern === "string" ? quote(pattern) : nameKind(pattern);
}
