import type { ErrorCode, ErrorCodeFacts } from "../kernel/error-codes.ts";
import { errorCodes } from "../kernel/error-codes.ts";
import type { Problem, ProblemError } from "./api.ts";

/** What a problem is made of; every BrokerError is one. */
export interface ProblemSource {
  readonly code: ErrorCode;
  readonly message: string;
  readonly violations: readonly ProblemError[];
}

/** RFC 9457 problem details of an error: the same sentence in a log, a response and a terminal. */
export function toProblem(error: ProblemSource): Problem {
  const facts: ErrorCodeFacts = errorCodes[error.code];
  return {
    type: `urn:millrace:error:${error.code}`,
    title: facts.title,
    status: facts.status,
    detail: error.message,
    code: error.code,
    advice: facts.advice,
    errors: error.violations,
  };
}

/** Whether some JSON looks like a problem of ours, for clients that read one. */
export function isProblem(value: unknown): value is Problem {
  return (
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    typeof value.code === "string" &&
    "detail" in value &&
    typeof value.detail === "string"
  );
}
