import type { EventView } from "../event/event-view.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { isObject, memberPath, nameKind, quote } from "../kernel/unchecked.ts";
import { intersectAnchorings } from "./anchors.ts";
import type { Clause, ClauseCompiler } from "./dialect.ts";
import { dialects } from "./dialects.ts";
import type { ClauseVerdict, CompiledFilter } from "./filter.ts";
import { compileShorthand } from "./shorthand.ts";
import type { FilterShorthand } from "./shorthand.ts";
import { WorkShare } from "./work.ts";

export { compileEventKey } from "./event-key.ts";
export type { EventKeyReader } from "./event-key.ts";

export type FilterCompilation =
  | {
      readonly ok: true;
      readonly filter: CompiledFilter;
      /** What is allowed and probably not meant, each with its path. */
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly violations: readonly Violation[] };

/**
 * Compiles the member `filters` of a subscription, as JSON.parse has left it, together with the
 * shorthands `source` and `types`. Lists every violation with its path. `undefined` and `[]` match
 * everything.
 */
export function compileFilters(
  filters: unknown,
  shorthand: FilterShorthand = {},
): FilterCompilation {
  const state: CompilationState = {
    violations: [],
    warnings: [],
    nodes: 0,
    textBytes: 0,
    work: new WorkShare(),
  };
  const clauses = compileShorthand(shorthand, state.violations);
  if (Array.isArray(filters)) {
    for (const [index, filter] of filters.entries()) {
      if (!isWithinLimits(state, "filters", "")) break;
      const clause = compileFilter(state, filter, { path: `filters[${index}]`, depth: 1 });
      if (clause !== undefined) clauses.push(clause);
    }
  } else if (filters !== undefined) {
    const message = `expected a list of filters, not ${nameKind(filters)}; [] matches everything`;
    refuse(state, { path: "filters", code: "invalid_value", message });
  }
  if (state.violations.length > 0) return { ok: false, violations: state.violations };
  return { ok: true, filter: joinClauses(clauses), warnings: state.warnings };
}

/** What one compilation has found and used so far. */
interface CompilationState {
  readonly violations: Violation[];
  readonly warnings: string[];
  nodes: number;
  textBytes: number;
  readonly work: WorkShare;
}

const dialectsByName = new Map(dialects.map((dialect) => [dialect.name, dialect]));
const knownDialects = dialects.map((dialect) => dialect.name).join(", ");

interface Place {
  readonly path: string;
  readonly depth: number;
}

function compileFilter(state: CompilationState, filter: unknown, place: Place): Clause | undefined {
  const { path, depth } = place;
  if (depth > limits.filterDepthMax) {
    const message = `filters are nested more than ${limits.filterDepthMax} deep`;
    return refuse(state, { path, code: "too_large", message });
  }
  if (!isObject(filter)) {
    const message = `expected an object with one dialect, as in {"exact": {…}}, not ${nameKind(filter)}`;
    return refuse(state, { path, code: "invalid_value", message });
  }
  const names = Object.keys(filter);
  const [name] = names;
  if (name === undefined || names.length > 1) {
    return refuse(state, { path, code: "invalid_filter", message: adviseDialectCount(names) });
  }
  const dialect = dialectsByName.get(name);
  if (dialect === undefined) return refuseDialect(state, name, path);
  const compiler = makeCompiler(state, { path: `${path}.${name}`, depth });
  return dialect.compile(filter[name], compiler);
}

function adviseDialectCount(names: readonly string[]): string {
  if (names.length === 0) return `the object is empty; name one dialect of ${knownDialects}`;
  const listed = names.slice(0, 5).map(quote).join(", ");
  return `an object holds one dialect, this one holds ${names.length}: ${listed}; write an object for each, all must hold`;
}

function refuseDialect(state: CompilationState, name: string, path: string): undefined {
  const message = `unknown dialect ${quote(name)}; known: ${knownDialects}`;
  return refuse(state, { path: memberPath(path, name), code: "unknown_dialect", message });
}

function makeCompiler(state: CompilationState, { path, depth }: Place): ClauseCompiler {
  return {
    path,
    work: state.work,
    refuse: (violation) => refuse(state, { path, ...violation }),
    warn: (message) => warn(state, `${path}: ${message}`),
    compileChild: (filter, childPath) =>
      compileFilter(state, filter, { path: childPath, depth: depth + 1 }),
    isWithinLimits: (text) => isWithinLimits(state, path, text),
  };
}

function refuse(state: CompilationState, violation: Violation): undefined {
  if (state.violations.length < limits.validationErrorsMax) state.violations.push(violation);
}

function warn(state: CompilationState, warning: string): void {
  if (state.warnings.length < limits.validationErrorsMax) state.warnings.push(warning);
}

/** Counts a part of a filter. The first part beyond a limit is the only one that is reported. */
function isWithinLimits(state: CompilationState, path: string, text: string): boolean {
  const wasWithin = areWithin(state);
  state.nodes += 1;
  state.textBytes += Buffer.byteLength(text);
  if (areWithin(state)) return true;
  if (wasWithin) {
    const message = `the filters are too large: at most ${limits.filterNodesMax} filters and entries, ${limits.filterTextBytesMax} bytes of names and values`;
    refuse(state, { path, code: "too_large", message });
  }
  return false;
}

function areWithin(state: CompilationState): boolean {
  return state.nodes <= limits.filterNodesMax && state.textBytes <= limits.filterTextBytesMax;
}

function joinClauses(clauses: readonly Clause[]): CompiledFilter {
  const [first, second] = clauses;
  return {
    anchorings: intersectAnchorings(clauses),
    passes: second === undefined ? passesOne(first) : (view) => passesAll(clauses, view),
    explain(view) {
      const verdicts: ClauseVerdict[] = [];
      for (const clause of clauses) clause.explain(view, verdicts);
      return verdicts;
    },
  };
}

function passesOne(clause: Clause | undefined): (view: EventView) => boolean {
  return clause === undefined ? () => true : (view) => clause.passes(view);
}

function passesAll(clauses: readonly Clause[], view: EventView): boolean {
  for (const clause of clauses) if (!clause.passes(view)) return false;
  return true;
}
