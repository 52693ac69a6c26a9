import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

/** The violations of one transformer, at most limits.validationErrorsMax. */
export class Problems {
  readonly violations: Violation[] = [];

  add(violation: Violation): void {
    if (this.violations.length < limits.validationErrorsMax) this.violations.push(violation);
  }
}
