/** What a function of CESQL is, for those who write one and those who call it. */
import type { CesqlErrorKind } from "./run.ts";
import type { CesqlType, CesqlValue } from "./syntax.ts";

/** What a function may say beside its value. */
export interface FunctionCall {
  fail(kind: CesqlErrorKind, detail: CesqlValue, advice: string): void;
  /** Takes steps from the budget of the evaluation; false when the function must give up. */
  spend(steps: number): boolean;
}

export interface FunctionParameter {
  readonly name: string;
  /** Arguments are cast to it before the call; undefined takes any. */
  readonly type: CesqlType | undefined;
}

export interface CesqlFunction {
  readonly name: string;
  readonly parameters: readonly FunctionParameter[];
  /** Of the parameters at the end, how many may be left out. */
  readonly optional?: number;
  /** Whether the last parameter may stand any number of times, also not at all. */
  readonly isVariadic?: boolean;
  readonly returns: CesqlType;
  /** One sentence. */
  readonly summary: string;
  /** Calls and what they give; `error` beside it where the call fails. */
  readonly examples: readonly FunctionExample[];
  /** The arguments have been counted and cast. */
  apply(args: readonly CesqlValue[], call: FunctionCall): CesqlValue;
}

export interface FunctionExample {
  readonly call: string;
  readonly result: CesqlValue;
  readonly error?: CesqlErrorKind;
}
