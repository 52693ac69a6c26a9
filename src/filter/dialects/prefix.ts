import { compileEveryEntry } from "../comparison.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";

export const prefix: Dialect = defineDialect({
  name: "prefix",
  summary: "Every named attribute or data path starts with this text.",
  config: {
    shape: "map",
    doc: "Attribute names or data paths and the texts they must start with.",
  },
  examples: [
    { spec: { type: "com.github." }, event: { type: "com.github.push" }, passes: true },
    { spec: { type: "com.github." }, event: { type: "COM.GITHUB.push" }, passes: false },
    { spec: { "data.ref": "refs/tags/" }, event: { data: { ref: "refs/tags/v1" } }, passes: true },
    { spec: { subject: "orders/" }, event: {}, passes: false },
  ],
  compile: (spec, compiler) =>
    compileEveryEntry(spec, compiler, {
      holds: (actual, wanted) => actual.startsWith(wanted),
      verb: "starts with",
      negatedVerb: "does not start with",
      kind: "prefix",
    }),
});
