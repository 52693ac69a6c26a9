import { uniteAnchorings } from "../anchors.ts";
import { compileChildren } from "../children.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";

export const any: Dialect = defineDialect({
  name: "any",
  summary: "At least one filter of the list holds.",
  config: { shape: "list", doc: "Filters, at least one." },
  examples: [
    {
      spec: [{ exact: { type: "order.paid" } }, { exact: { type: "order.sent" } }],
      event: { type: "order.sent" },
      passes: true,
    },
    {
      spec: [{ exact: { type: "order.paid" } }, { exact: { type: "order.sent" } }],
      event: { type: "order.lost" },
      passes: false,
    },
  ],
  compile(spec, compiler) {
    const clauses = compileChildren(spec, compiler);
    if (clauses === undefined) return undefined;
    const { path } = compiler;
    return {
      anchorings: uniteAnchorings(clauses),
      passes(view) {
        for (const clause of clauses) if (clause.passes(view)) return true;
        return false;
      },
      explain(view, verdicts) {
        const held = clauses.filter((clause) => clause.passes(view)).length;
        verdicts.push({
          path,
          passed: held > 0,
          reason: `${held} of ${clauses.length} filters hold`,
        });
        for (const clause of clauses) clause.explain(view, verdicts);
      },
    };
  },
});
