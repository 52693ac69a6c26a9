import type { ErrorCode, ErrorCodeFacts } from "./error-codes.ts";
import { errorCodes } from "./error-codes.ts";

/** One thing that is wrong with an input: where, what kind, and a sentence for people. */
export interface Violation {
  /** As in `filters[1].exact.type`, or an attribute's name; "" for the whole. */
  readonly path: string;
  readonly code: string;
  readonly message: string;
  /** Which event of a batch. */
  readonly index?: number;
}

export interface BrokerErrorOptions {
  readonly cause?: unknown;
  readonly violations?: readonly Violation[];
  readonly retryAfterSeconds?: number;
  /** Methods for the Allow header of a 405. */
  readonly allow?: readonly string[];
}

/** An operational error: expected in production, told to the caller by its stable code. */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
  readonly code: ErrorCode;
  readonly violations: readonly Violation[];
  readonly retryAfterSeconds: number | undefined;
  readonly allow: readonly string[] | undefined;

  constructor(code: ErrorCode, detail: string, options: BrokerErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.violations = options.violations ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.allow = options.allow;
  }

  get facts(): ErrorCodeFacts {
    return errorCodes[this.code];
  }
}

/** Makes a BrokerError of whatever was thrown; what is not one becomes `internal`. */
export function toBrokerError(thrown: unknown): BrokerError {
  if (thrown instanceof BrokerError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new BrokerError("internal", detail, { cause: thrown });
}

/** The errno name of a system error (`ENOSPC`), or undefined. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

const fileFailures: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "you may not read it",
  EPERM: "you may not read it",
  EISDIR: "it is a directory",
};

/** Why a file cannot be read, for a sentence that has named the file: Node's own repeats its path. */
export function fileFailure(thrown: unknown): string {
  const known = fileFailures[systemErrorCode(thrown) ?? ""];
  return known ?? (thrown instanceof Error ? thrown.message : String(thrown));
}
