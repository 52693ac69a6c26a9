/**
 * The door to CESQL 1.0, the expression language of CloudEvents. It is ignorant of events: whoever
 * compiles an expression says how attributes are read. The rules are in spec/filters.md.
 */
import type { TextFailure } from "../position.ts";
import { adviseExpression } from "./advice.ts";
import { compileNode, UnknownFunction } from "./compile.ts";
import type { AttributeSource } from "./compile.ts";
import { parseCesql } from "./parser.ts";
import { CesqlRun } from "./run.ts";
import type { StepBudget } from "./run.ts";
import type { CesqlExpression } from "./expression.ts";

export { explainCesql } from "./explain.ts";
export type { AttributeSource } from "./compile.ts";
export type { AttributeReader, CesqlError, CesqlErrorKind } from "./run.ts";
export type { CesqlNode, CesqlValue } from "./syntax.ts";
export { literalEndsOf } from "./like.ts";
export { parseCesql } from "./parser.ts";
export { printCesql } from "./syntax.ts";
export { cesqlFunctions, signatureOf } from "./functions.ts";
export type { CesqlFunction } from "./function.ts";
export type { CesqlExpression, CesqlResult } from "./expression.ts";

export type CesqlCompilation<S> =
  | { readonly ok: true; readonly expression: CesqlExpression<S> }
  | {
      readonly ok: false;
      readonly kind: "parse" | "missingFunction";
      readonly failure: TextFailure;
    };

/** Without a budget of its own an expression may take expressionWorkMax steps for each subject. */
export function compileCesql<S>(
  text: string,
  attributes: AttributeSource<S>,
  budget?: StepBudget,
): CesqlCompilation<S> {
  const parsing = parseCesql(text);
  if (!parsing.ok) return { ok: false, kind: "parse", failure: parsing.failure };
  const { node } = parsing;
  try {
    const run = new CesqlRun<S>(budget);
    const evaluate = compileNode(node, attributes);
    const expression: CesqlExpression<S> = {
      text,
      node,
      warnings: [...parsing.warnings, ...adviseExpression(node)],
      holds(subject) {
        run.begin(subject);
        const value = evaluate(run);
        run.end();
        return value === true && !run.hasFailed;
      },
      evaluate(subject) {
        run.begin(subject);
        const value = evaluate(run);
        const error = run.error();
        run.end();
        return { value, error };
      },
    };
    return { ok: true, expression };
  } catch (error) {
    if (!(error instanceof UnknownFunction)) throw error;
    return { ok: false, kind: "missingFunction", failure: error.failure };
  }
}
