import { nameKind } from "../kernel/unchecked.ts";
import type { Clause, ClauseCompiler } from "./dialect.ts";

/** Compiles the non-empty list of filters that `all` and `any` take. */
export function compileChildren(
  spec: unknown,
  compiler: ClauseCompiler,
): readonly Clause[] | undefined {
  if (!Array.isArray(spec)) {
    return compiler.refuse({
      code: "invalid_value",
      message: `expected a list of filters, not ${nameKind(spec)}`,
    });
  }
  if (spec.length === 0) {
    return compiler.refuse({
      code: "invalid_value",
      message: "the list is empty; give it at least one filter",
    });
  }
  const clauses: Clause[] = [];
  for (const [index, child] of spec.entries()) {
    if (!compiler.isWithinLimits("")) return undefined;
    const clause = compiler.compileChild(child, `${compiler.path}[${index}]`);
    if (clause !== undefined) clauses.push(clause);
  }
  return clauses.length === spec.length ? clauses : undefined;
}
