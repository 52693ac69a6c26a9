import { unanchored } from "../anchors.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";

export const not: Dialect = defineDialect({
  name: "not",
  summary: "The filter inside does not hold.",
  config: { shape: "filter", doc: "One filter." },
  examples: [
    { spec: { exact: { type: "ping" } }, event: { type: "order.paid" }, passes: true },
    { spec: { exact: { type: "ping" } }, event: { type: "ping" }, passes: false },
    { spec: { exact: { subject: "a" } }, event: {}, passes: true },
  ],
  compile(spec, compiler) {
    const { path } = compiler;
    if (!compiler.isWithinLimits("")) return undefined;
    const clause = compiler.compileChild(spec, path);
    if (clause === undefined) return undefined;
    return {
      // What must hold inside says nothing about where it does not.
      anchorings: unanchored,
      passes: (view) => !clause.passes(view),
      explain(view, verdicts) {
        const passed = !clause.passes(view);
        const reason = passed ? "the filter inside does not hold" : "the filter inside holds";
        verdicts.push({ path, passed, reason });
        clause.explain(view, verdicts);
      },
    };
  },
});
