/** exists, all, exists_one, filter and map: loops over a list or the keys of a map. */
import type { ASTNode } from "@marcbachmann/cel-js";
import { CelRefusal } from "./refusal.ts";
import { evaluateBool } from "./logic.ts";
import { failed } from "./run.ts";
import type { CelResult, CelRun, Evaluate } from "./run.ts";
import type { Scope } from "./scope.ts";
import { isMap, JsonRef, listOf, nameType } from "./value.ts";
import type { CelValue, ListView } from "./value.ts";

const names = ["exists", "all", "exists_one", "filter", "map"] as const;
type ComprehensionName = (typeof names)[number];

export function isComprehension(name: string): name is ComprehensionName {
  return (names as readonly string[]).includes(name);
}

interface Comprehension {
  readonly name: ComprehensionName;
  readonly receiver: ASTNode;
  readonly args: readonly ASTNode[];
  readonly node: ASTNode;
}

type CompileNode = (node: ASTNode, scope: Scope) => Evaluate;

/** What each round does, compiled. */
interface Loop {
  readonly depth: number;
  readonly predicate: Evaluate;
  readonly transform: Evaluate | undefined;
  readonly position: number;
  /** What a round costs beside what its parts count themselves. */
  readonly roundSteps: number;
}

const ROUND_STEPS = 32;

export function compileComprehension(
  { name, receiver, args, node }: Comprehension,
  scope: Scope,
  compile: CompileNode,
): Evaluate {
  const range = compile(receiver, scope);
  const [variable, ...bodies] = args;
  if (variable?.op !== "id") {
    throw new CelRefusal(node.start, `${name} takes a name first, as in items.${name}(i, i > 1)`);
  }
  const inner: Scope = { variables: [...scope.variables, variable.args] };
  const compiled = bodies.map((body) => compile(body, inner));
  const always: Evaluate = () => true;
  const isMapping = name === "map";
  const transform = isMapping ? compiled.at(-1) : undefined;
  const predicate = isMapping && compiled.length === 1 ? always : (compiled[0] ?? always);
  const position = node.start;
  // The length of what is written stands for the number of its parts, which all run in each round.
  const roundSteps = ROUND_STEPS + node.end - node.start;
  const loop = { depth: scope.variables.length, predicate, transform, position, roundSteps };
  const run = runs[name];
  return (state) => {
    const value = range(state);
    if (value === failed) return failed;
    const list = listOf(value) ?? keysOf(state, value, node.start);
    return list === undefined ? failed : run(state, list, loop);
  };
}

function keysOf(run: CelRun, value: CelValue, position: number): ListView | undefined {
  if (!(value instanceof JsonRef) || !isMap(value)) {
    run.fail(position, `${nameType(value)} cannot be gone through`);
    return undefined;
  }
  const keys: string[] = [];
  value.document.eachMember(value.node, (key) => keys.push(key));
  return { size: keys.length, at: (index) => keys[index] ?? null };
}

type Run = (run: CelRun, list: ListView, loop: Loop) => CelResult;

const runs: Readonly<Record<ComprehensionName, Run>> = {
  exists: (run, list, loop) => quantify(run, list, { loop, decides: true }),
  all: (run, list, loop) => quantify(run, list, { loop, decides: false }),
  exists_one(run, list, loop) {
    let count = 0;
    for (let index = 0; index < list.size; index += 1) {
      const held = runRound(run, list.at(index), loop);
      if (held === failed) return failed;
      if (held === true) count += 1;
    }
    return count === 1;
  },
  filter: collect,
  map: collect,
};

/** A round that decides ends the loop, whatever errors came before it. */
function quantify(
  run: CelRun,
  list: ListView,
  { loop, decides }: { readonly loop: Loop; readonly decides: boolean },
): CelResult {
  let hasFailed = false;
  for (let index = 0; index < list.size; index += 1) {
    const held = runRound(run, list.at(index), loop);
    if (held === decides) return decides;
    if (held === failed) {
      if (run.work.isSpent) return failed;
      hasFailed = true;
    }
  }
  return hasFailed ? failed : !decides;
}

function collect(run: CelRun, list: ListView, loop: Loop): CelResult {
  const collected: CelValue[] = [];
  for (let index = 0; index < list.size; index += 1) {
    const value = list.at(index);
    const held = runRound(run, value, loop);
    if (held === failed) return failed;
    if (held !== true) continue;
    const result = loop.transform === undefined ? value : loop.transform(run);
    if (result === failed) return failed;
    collected.push(result);
  }
  return collected;
}

function runRound(
  run: CelRun,
  value: CelValue,
  { depth, predicate, position, roundSteps }: Loop,
): CelResult {
  const steps = roundSteps + (typeof value === "string" ? value.length : 0);
  if (!run.spend(steps, position)) return failed;
  run.variables[depth] = value;
  return evaluateBool(run, predicate, position);
}
