import { isObject, nameKind } from "../../kernel/unchecked.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";
import { compilePattern } from "../pattern/pattern.ts";
import type { Place } from "../pattern/scalar-test.ts";
import { Work } from "../work.ts";

export const pattern: Dialect = defineDialect({
  name: "pattern",
  summary: "The event looks like the pattern, as those who know EventBridge write it.",
  config: {
    shape: "tree",
    doc: "Attributes, and objects into the data, each with a list of which one must hold.",
  },
  examples: [
    {
      spec: { type: ["order.paid"], data: { total: [{ numeric: [">=", 100] }] } },
      event: { type: "order.paid", data: { total: 250 } },
      passes: true,
    },
    {
      spec: { type: [{ prefix: "order." }], data: { country: [{ "anything-but": ["DE", "AT"] }] } },
      event: { type: "order.paid", data: { country: "DE" } },
      passes: false,
    },
    {
      spec: { $or: [{ subject: [{ exists: false }] }, { subject: [{ wildcard: "a/*/c" }] }] },
      event: { subject: "a/b/c" },
      passes: true,
    },
    {
      spec: { data: { tags: ["urgent"] } },
      event: { data: { tags: ["a", "urgent"] } },
      passes: true,
    },
    {
      spec: { data: { items: { sku: ["A"], count: [2] } } },
      event: {
        data: {
          items: [
            { sku: "A", count: 1 },
            { sku: "B", count: 2 },
          ],
        },
      },
      passes: false,
    },
    {
      spec: { data: { ip: [{ cidr: "10.0.0.0/8" }] } },
      event: { data: { ip: "10.1.2.3" } },
      passes: true,
    },
    {
      spec: { data: { name: [{ "equals-ignore-case": "ADA" }] } },
      event: { data: { name: "Ada" } },
      passes: true,
    },
    { spec: { data: { file: [{ suffix: ".png" }] } }, event: { data: { file: 5 } }, passes: false },
  ],
  compile(spec, compiler) {
    if (!isObject(spec)) {
      const message = `expected an object, as in {"type": ["order.paid"]}, not ${nameKind(spec)}`;
      return compiler.refuse({ code: "invalid_value", message });
    }
    const { path } = compiler;
    const place: Place = { path, compiler, isAttribute: true };
    const parts = compilePattern(spec, place, 1);
    if (parts === undefined) return undefined;
    const work = new Work(compiler.work.addPart());
    return {
      anchorings: parts.anchorings,
      passes(view) {
        work.begin();
        return parts.holds(view, work) && !work.isSpent;
      },
      explain(view, verdicts) {
        const passed = this.passes(view);
        const isSpent = work.isSpent;
        const reason = isSpent
          ? "the event takes too long to look at (expressionWorkMax), so the pattern does not hold"
          : `the event ${passed ? "looks" : "does not look"} like the pattern`;
        verdicts.push({ path, passed, reason });
        work.begin();
        parts.explain(view, { verdicts, work });
      },
    };
  },
});
