import type { TextFailure } from "../position.ts";
import type { CesqlError } from "./run.ts";
import type { CesqlNode, CesqlValue } from "./syntax.ts";

export interface CesqlResult {
  /** With an error the zero value that the specification asks for. */
  readonly value: CesqlValue;
  readonly error: CesqlError | undefined;
}

export interface CesqlExpression<S> {
  readonly text: string;
  readonly node: CesqlNode;
  /** What is allowed and probably not meant. */
  readonly warnings: readonly TextFailure[];
  /** Whether the expression is TRUE without any error. Allocates nothing of its own. */
  holds(subject: S): boolean;
  evaluate(subject: S): CesqlResult;
}
