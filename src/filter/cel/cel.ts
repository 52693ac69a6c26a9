/** CEL expressions over `event`: parsed and checked by the library, run by our own closures. */
import { Environment, ParseError } from "@marcbachmann/cel-js";
import type { ASTNode } from "@marcbachmann/cel-js";
import type { EventView } from "../../event/event-view.ts";
import { limits } from "../../kernel/limits.ts";
import { compileCelNode } from "./compile.ts";
import { CelRefusal } from "./refusal.ts";
import { CelRun, failed } from "./run.ts";
import type { CelError, CelResult } from "./run.ts";
import type { WorkShare } from "../work.ts";

export interface CelExpression {
  readonly node: ASTNode;
  /** Whether it is true without an error. */
  holds(view: EventView): boolean;
  evaluate(view: EventView): { readonly value: CelResult; readonly error: CelError | undefined };
}

export type CelCompilation =
  | { readonly ok: true; readonly expression: CelExpression }
  | { readonly ok: false; readonly position: number; readonly message: string };

const environment = new Environment({
  homogeneousAggregateLiterals: false,
  limits: {
    maxAstNodes: limits.expressionNodesMax,
    maxDepth: limits.expressionDepthMax,
    maxListElements: limits.expressionNodesMax,
    maxMapEntries: limits.expressionNodesMax,
  },
}).registerVariable("event", "dyn");

/** `$key.(string)`, as filters for Vanus are written. */
const VANUS_VARIABLE = /\$([A-Za-z0-9_.]+)\.\([a-z0-9]+\)/;

export function compileCel(text: string, share: WorkShare): CelCompilation {
  const vanus = VANUS_VARIABLE.exec(text);
  if (vanus !== null && vanus.index === text.indexOf("$")) {
    const message = `${vanus[0]} is Vanus's notation and not CEL; write event.data.${vanus[1] ?? ""}`;
    return { ok: false, position: vanus.index, message };
  }
  const run = findPrefixRun(text);
  if (run !== undefined) {
    const message = `the expression is nested too deep: more than ${PREFIX_RUN_MAX} signs in a row`;
    return { ok: false, position: run, message };
  }
  try {
    const parsed = environment.parse(text);
    const expression = makeExpression(parsed.ast, share);
    const { valid, type, error } = parsed.check();
    if (!valid) return refuseError(error);
    if (type === "bool" || type === "dyn") return { ok: true, expression };
    const message = `the expression is of type ${type ?? "unknown"}; a filter needs a bool`;
    return { ok: false, position: 0, message };
  } catch (error) {
    return refuseError(error);
  }
}

/**
 * The library bounds the depth of everything but a row of `!` and `-`, on which it exhausts the
 * stack. So long a row is refused before; that it could stand in a text is no loss.
 */
const PREFIX_RUN_MAX = 500;

function findPrefixRun(text: string): number | undefined {
  let length = 0;
  for (let position = 0; position < text.length; position += 1) {
    const character = text.charAt(position);
    if (character === "!" || character === "-") length += 1;
    else if (character.trim() !== "") length = 0;
    if (length > PREFIX_RUN_MAX) return position;
  }
  return undefined;
}

function makeExpression(node: ASTNode, share: WorkShare): CelExpression {
  const evaluate = compileCelNode(node, { variables: [] });
  const run = new CelRun(share);
  return {
    node,
    holds(view) {
      run.begin(view);
      const value = evaluate(run);
      run.end();
      return value === true;
    },
    evaluate(view) {
      run.begin(view);
      const value = evaluate(run);
      const error = value === failed ? run.error : undefined;
      run.end();
      return { value, error };
    },
  };
}

/** What the library says, without the picture of the line that it draws below. */
function refuseError(error: unknown): CelCompilation {
  if (error instanceof CelRefusal) {
    return { ok: false, position: error.position, message: error.message };
  }
  if (error instanceof ParseError || isCheckError(error)) {
    const message = error.summary.charAt(0).toLowerCase() + error.summary.slice(1);
    return { ok: false, position: error.range?.start ?? 0, message };
  }
  throw error;
}

interface CheckError {
  readonly summary: string;
  readonly range?: { readonly start: number } | undefined;
}

/** The library's errors of types are called TypeError and are not the platform's. */
function isCheckError(error: unknown): error is CheckError {
  return error instanceof Error && "summary" in error && typeof error.summary === "string";
}
