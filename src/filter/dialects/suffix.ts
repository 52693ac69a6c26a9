import { compileEveryEntry } from "../comparison.ts";
import { defineDialect } from "../dialect.ts";
import type { Dialect } from "../dialect.ts";

export const suffix: Dialect = defineDialect({
  name: "suffix",
  summary: "Every named attribute or data path ends with this text.",
  config: {
    shape: "map",
    doc: "Attribute names or data paths and the texts they must end with.",
  },
  examples: [
    { spec: { type: ".created" }, event: { type: "com.github.star.created" }, passes: true },
    { spec: { type: ".created" }, event: { type: "com.github.star.deleted" }, passes: false },
    { spec: { "data.file": ".png" }, event: { data: { file: "cat.png" } }, passes: true },
    { spec: { "data.file": ".png" }, event: { data: "cat.png" }, passes: false },
  ],
  compile: (spec, compiler) =>
    compileEveryEntry(spec, compiler, {
      holds: (actual, wanted) => actual.endsWith(wanted),
      verb: "ends with",
      negatedVerb: "does not end with",
      kind: "suffix",
    }),
});
