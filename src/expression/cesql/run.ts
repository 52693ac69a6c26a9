/** One evaluation of an expression: what it is applied to, and the first error that it met. */
import { limits } from "../../kernel/limits.ts";
import { toInteger32 } from "./names.ts";
import type { CesqlNode, CesqlType, CesqlValue } from "./syntax.ts";

export type CesqlErrorKind = "math" | "cast" | "missingAttribute" | "functionEvaluation";

export interface CesqlError {
  readonly kind: CesqlErrorKind;
  /** UTF-16 position of the part that failed. */
  readonly position: number;
  readonly message: string;
}

/** Reads one attribute of what the expression is applied to; undefined when it is missing. */
export type AttributeReader<S> = (subject: S) => CesqlValue | undefined;

/** How many steps one evaluation may take; asked at each, as it may be shared with other parts. */
export interface StepBudget {
  readonly steps: number;
}

const wholeBudget: StepBudget = { steps: limits.expressionWorkMax };

/**
 * Lives as long as its expression and is begun anew for each event, so that an evaluation allocates
 * nothing of its own. Evaluation is synchronous and does not nest, so one is enough. An error is kept as
 * its facts; the sentence is made when somebody asks.
 */
export class CesqlRun<S> {
  subject: S | undefined = undefined;
  hasFailed = false;
  #kind: CesqlErrorKind = "cast";
  #node: CesqlNode | undefined = undefined;
  #detail: CesqlValue = "";
  #advice = "";
  #workLeft = 0;
  readonly #budget: StepBudget;

  constructor(budget: StepBudget = wholeBudget) {
    this.#budget = budget;
  }

  begin(subject: S): void {
    this.subject = subject;
    this.hasFailed = false;
    this.#workLeft = this.#budget.steps;
  }

  /** Drops what the last evaluation held, so that an event is not kept alive by a filter. */
  end(): void {
    this.subject = undefined;
    this.#detail = "";
  }

  /** Notes the first error; all operators and functions around it answer zero values. */
  fail(kind: CesqlErrorKind, node: CesqlNode, detail: CesqlValue, advice: string): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.#kind = kind;
    this.#node = node;
    this.#detail = detail;
    this.#advice = advice;
  }

  /** Takes steps from the budget of this evaluation; false when it is used up. */
  spend(steps: number, node: CesqlNode): boolean {
    this.#workLeft -= steps;
    if (this.#workLeft >= 0) return true;
    this.fail("functionEvaluation", node, "", "the texts are too long (expressionWorkMax)");
    return false;
  }

  /** The first error; undefined when there was none. To be asked before `end`. */
  error(): CesqlError | undefined {
    if (!this.hasFailed || this.#node === undefined) return undefined;
    const shown = shownValue(this.#detail);
    const message = this.#advice.replace("%", () => shown);
    return { kind: this.#kind, position: this.#node.start, message };
  }
}

/** A part of an expression, compiled. */
export type Evaluate<S> = (run: CesqlRun<S>) => CesqlValue;

/** A value as it would be written in an expression, cut where it is long. */
export function shownValue(value: CesqlValue): string {
  if (typeof value !== "string") return String(value).toUpperCase();
  return value.length > 64 ? `${JSON.stringify(value.slice(0, 64))}…` : JSON.stringify(value);
}

export const zeroValues: Readonly<Record<CesqlType, CesqlValue>> = {
  String: "",
  Integer: 0,
  Boolean: false,
};

export function typeOf(value: CesqlValue): CesqlType {
  if (typeof value === "string") return "String";
  return typeof value === "number" ? "Integer" : "Boolean";
}

export function toText(value: CesqlValue): string {
  return typeof value === "string" ? value : String(value);
}

export function toInteger<S>(run: CesqlRun<S>, value: CesqlValue, node: CesqlNode): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  const integer = toInteger32(value);
  if (integer !== undefined) return integer;
  run.fail("cast", node, value, "% is no Integer");
  return 0;
}

export function toBoolean<S>(run: CesqlRun<S>, value: CesqlValue, node: CesqlNode): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  // Longer texts are neither, and need not be copied to say so.
  const text = value.length <= 5 ? value.toLowerCase() : "";
  if (text === "true") return true;
  if (text !== "false") run.fail("cast", node, value, "% is no Boolean; only true and false are");
  return false;
}

export function castTo<S>(
  run: CesqlRun<S>,
  value: CesqlValue,
  type: CesqlType,
  node: CesqlNode,
): CesqlValue {
  switch (type) {
    case "String":
      return toText(value);
    case "Integer":
      return toInteger(run, value, node);
    case "Boolean":
      return toBoolean(run, value, node);
  }
}
