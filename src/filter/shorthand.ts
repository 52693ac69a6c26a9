import type { Violation } from "../kernel/errors.ts";
import { quote } from "../kernel/unchecked.ts";
import { anchoredBy } from "./anchors.ts";
import type { Clause } from "./dialect.ts";

/** The members of a subscription that restrict it without a filter (CloudEvents Subscriptions). */
export interface FilterShorthand {
  readonly source?: string | undefined;
  readonly types?: readonly string[] | undefined;
}

/** Turns the shorthands into clauses beside the filters; all must hold. */
export function compileShorthand(
  { source, types }: FilterShorthand,
  violations: Violation[],
): Clause[] {
  const clauses: Clause[] = [];
  if (source === "") {
    const message = "the source is empty; leave the member out to take every source";
    violations.push({ path: "source", code: "invalid_value", message });
  } else if (source !== undefined) clauses.push(sourceClause(source));
  if (types === undefined) return clauses;
  if (types.length === 0) {
    const message = "the list is empty; leave the member out to take every type";
    violations.push({ path: "types", code: "invalid_value", message });
  }
  for (const [index, type] of types.entries()) {
    if (type !== "") continue;
    violations.push({
      path: `types[${index}]`,
      code: "invalid_value",
      message: "the type is empty",
    });
  }
  clauses.push(typesClause(new Set(types)));
  return clauses;
}

function sourceClause(source: string): Clause {
  return {
    anchorings: anchoredBy("source", "exact", [source]),
    passes: (view) => view.event.source === source,
    explain(view, verdicts) {
      const passed = view.event.source === source;
      const verb = passed ? "equals" : "does not equal";
      const reason = `source is ${quote(view.event.source)}, which ${verb} ${quote(source)}`;
      verdicts.push({ path: "source", passed, reason });
    },
  };
}

function typesClause(types: ReadonlySet<string>): Clause {
  return {
    anchorings: anchoredBy("type", "exact", types),
    passes: (view) => types.has(view.event.type),
    explain(view, verdicts) {
      const passed = types.has(view.event.type);
      const verb = passed ? "is" : "is not";
      const reason = `type is ${quote(view.event.type)}, which ${verb} among the ${types.size} of types`;
      verdicts.push({ path: "types", passed, reason });
    },
  };
}
