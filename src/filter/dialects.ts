/** The list of filter dialects: one line each. */
import type { Dialect } from "./dialect.ts";
import { all } from "./dialects/all.ts";
import { any } from "./dialects/any.ts";
import { exact } from "./dialects/exact.ts";
import { not } from "./dialects/not.ts";
import { prefix } from "./dialects/prefix.ts";
import { suffix } from "./dialects/suffix.ts";

export const dialects: readonly Dialect[] = [exact, prefix, suffix, all, any, not];

/** Dialects of a later version: refused as `not_supported_yet`, not as unknown. */
export const plannedDialects: readonly string[] = ["sql", "pattern", "cel"];
