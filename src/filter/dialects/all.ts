import { intersectAnchorings } from "../anchors.ts";
import { compileChildren } from "../children.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";

export const all: Dialect = defineDialect({
  name: "all",
  summary: "Every filter of the list holds.",
  config: { shape: "list", doc: "Filters, at least one." },
  examples: [
    {
      spec: [{ exact: { type: "order.paid" } }, { prefix: { source: "/shop/" } }],
      event: { type: "order.paid", source: "/shop/berlin" },
      passes: true,
    },
    {
      spec: [{ exact: { type: "order.paid" } }, { prefix: { source: "/shop/" } }],
      event: { type: "order.paid", source: "/test" },
      passes: false,
    },
  ],
  compile(spec, compiler) {
    const clauses = compileChildren(spec, compiler);
    if (clauses === undefined) return undefined;
    const { path } = compiler;
    return {
      anchorings: intersectAnchorings(clauses),
      passes(view) {
        for (const clause of clauses) if (!clause.passes(view)) return false;
        return true;
      },
      explain(view, verdicts) {
        const held = clauses.filter((clause) => clause.passes(view)).length;
        const passed = held === clauses.length;
        verdicts.push({ path, passed, reason: `${held} of ${clauses.length} filters hold` });
        for (const clause of clauses) clause.explain(view, verdicts);
      },
    };
  },
});
