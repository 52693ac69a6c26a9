/** The parts of CEL that decide which others count: they forgive errors where the rest decides. */
import { failed } from "./run.ts";
import type { CelResult, CelRun, Evaluate } from "./run.ts";
import { nameType } from "./value.ts";

/** False decides whatever the other side, an error included. */
export function compileAnd(left: Evaluate, right: Evaluate, position: number): Evaluate {
  return (run) => {
    const first = evaluateBool(run, left, position);
    if (first === false) return false;
    const second = evaluateBool(run, right, position);
    if (second === false) return false;
    return first === failed ? failed : second;
  };
}

/** True decides whatever the other side, an error included. */
export function compileOr(left: Evaluate, right: Evaluate, position: number): Evaluate {
  return (run) => {
    const first = evaluateBool(run, left, position);
    if (first === true) return true;
    const second = evaluateBool(run, right, position);
    if (second === true) return true;
    return first === failed ? failed : second;
  };
}

export function compileNot(operand: Evaluate, position: number): Evaluate {
  return (run) => {
    const value = evaluateBool(run, operand, position);
    return value === failed ? failed : value !== true;
  };
}

export function compileTernary(
  condition: Evaluate,
  yes: Evaluate,
  { no, position }: { readonly no: Evaluate; readonly position: number },
): Evaluate {
  return (run) => {
    const value = evaluateBool(run, condition, position);
    if (value === failed) return failed;
    return value === true ? yes(run) : no(run);
  };
}

/** True, false or failed. */
export function evaluateBool(run: CelRun, operand: Evaluate, position: number): CelResult {
  const value = operand(run);
  if (value === failed || typeof value === "boolean") return value;
  return run.fail(position, `expected a bool, not ${nameType(value)}`);
}
