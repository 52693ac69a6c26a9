/** The list of filter dialects: one line each. */
import type { Dialect } from "./dialect.ts";
import { all } from "./dialects/all.ts";
import { any } from "./dialects/any.ts";
import { cel } from "./dialects/cel.ts";
import { exact } from "./dialects/exact.ts";
import { not } from "./dialects/not.ts";
import { pattern } from "./dialects/pattern.ts";
import { prefix } from "./dialects/prefix.ts";
import { sql } from "./dialects/sql.ts";
import { suffix } from "./dialects/suffix.ts";

export const dialects: readonly Dialect[] = [
  exact,
  prefix,
  suffix,
  all,
  any,
  not,
  sql,
  pattern,
  cel,
];
