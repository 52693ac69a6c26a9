import { compileEveryEntry } from "../comparison.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";

export const exact: Dialect = defineDialect({
  name: "exact",
  summary: "Every named attribute or data path has exactly this value.",
  config: {
    shape: "map",
    doc: "Attribute names or data paths and the values they must equal.",
  },
  examples: [
    {
      spec: { type: "com.github.star.created" },
      event: { type: "com.github.star.created" },
      passes: true,
    },
    {
      spec: { type: "com.github.star" },
      event: { type: "com.github.star.created" },
      passes: false,
    },
    { spec: { subject: "a.png" }, event: {}, passes: false },
    { spec: { priority: "5" }, event: { priority: 5 }, passes: true },
    {
      spec: { type: "order.paid", "data.items[0].sku": "X1", "data.total": 12.5 },
      event: { type: "order.paid", data: { items: [{ sku: "X1" }], total: 12.5 } },
      passes: true,
    },
    { spec: { 'data["odd key"]': true }, event: { data: { "odd key": true } }, passes: true },
    { spec: { "data.user": "x" }, event: { data: { user: { name: "x" } } }, passes: false },
  ],
  compile: (spec, compiler) =>
    compileEveryEntry(spec, compiler, {
      holds: (actual, wanted) => actual === wanted,
      verb: "equals",
      negatedVerb: "does not equal",
      kind: "exact",
    }),
});
