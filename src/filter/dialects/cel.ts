import { describePosition } from "../../expression/template.ts";
import { nameKind } from "../../kernel/unchecked.ts";
import { unanchored } from "../anchors.ts";
import { compileCel } from "../cel/cel.ts";
import { explainCel } from "../cel/explain.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";

export const cel: Dialect = defineDialect({
  name: "cel",
  summary: "The CEL expression over the event is true, without any error.",
  config: { shape: "text", doc: "An expression in which the event is called event." },
  examples: [
    {
      spec: 'event.type == "order.paid" && event.data.total >= 100',
      event: { type: "order.paid", data: { total: 250.5 } },
      passes: true,
    },
    {
      spec: 'event.data.items.exists(i, i.sku == "A" && i.count > 1)',
      event: {
        data: {
          items: [
            { sku: "A", count: 1 },
            { sku: "A", count: 3 },
          ],
        },
      },
      passes: true,
    },
    { spec: 'event.subject == "a"', event: {}, passes: false },
    { spec: "has(event.subject) && event.subject.startsWith('a')", event: {}, passes: false },
    {
      spec: "event.type.matches('^order[.](paid|sent)$')",
      event: { type: "order.sent" },
      passes: true,
    },
  ],
  compile(spec, compiler) {
    if (typeof spec !== "string") {
      const message = `expected an expression, as in "event.data.total > 100", not ${nameKind(spec)}`;
      return compiler.refuse({ code: "invalid_value", message });
    }
    if (!compiler.isWithinLimits(spec)) return undefined;
    const compilation = compileCel(spec, compiler.work.addPart());
    const { path } = compiler;
    if (!compilation.ok) {
      const { position, message } = compilation;
      const place = describePosition(spec, position);
      return compiler.refuse({ code: "invalid_expression", message: `${place}: ${message}` });
    }
    const { expression } = compilation;
    return {
      anchorings: unanchored,
      passes: (view) => expression.holds(view),
      explain(view, verdicts) {
        const reason = explainCel(spec, expression, view);
        verdicts.push({ path, passed: expression.holds(view), reason });
      },
    };
  },
});
