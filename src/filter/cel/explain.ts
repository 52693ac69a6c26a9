/** Why a CEL expression holds for an event or not, in one sentence with the values it looked at. */
import type { ASTNode } from "@marcbachmann/cel-js";
import type { EventView } from "../../event/event-view.ts";
import { describePosition } from "../../expression/template.ts";
import { shorten } from "../../kernel/unchecked.ts";
import type { CelExpression } from "./cel.ts";
import { compileCelNode } from "./compile.ts";
import { show } from "./functions.ts";
import { CelRun, failed } from "./run.ts";
import { nameType } from "./value.ts";
import { WorkShare } from "../work.ts";

export function explainCel(text: string, expression: CelExpression, view: EventView): string {
  const { value, error } = expression.evaluate(view);
  const seen = showPaths(text, expression.node, view);
  if (value === failed || error !== undefined) {
    const { position, message } = error ?? { position: 0, message: "it failed" };
    return `${describePosition(text, position)}: ${message}, so it does not hold${seen}`;
  }
  if (typeof value !== "boolean") return `it gives ${nameType(value)}, and only true holds${seen}`;
  const decisive = value ? expression.node : findDecisive(expression.node, view);
  const part = shorten(text.slice(decisive.start, decisive.end));
  if (value) return `${part} is true${seen}`;
  return `${describePosition(text, decisive.start)}: ${part} is false${showPaths(text, decisive, view)}`;
}

/** The innermost part that alone makes the whole false: the first false side of each &&. */
function findDecisive(node: ASTNode, view: EventView): ASTNode {
  let decisive = node;
  while (decisive.op === "&&") {
    const [left, right] = decisive.args;
    decisive = evaluate(left, view) === false ? left : right;
  }
  return decisive;
}

function evaluate(node: ASTNode, view: EventView): ReturnType<ReturnType<typeof compileCelNode>> {
  const run = new CelRun(new WorkShare());
  run.begin(view);
  return compileCelNode(node, { variables: [] })(run);
}

const SHOWN_PATHS_MAX = 8;

function showPaths(text: string, node: ASTNode, view: EventView): string {
  const shown = new Map<string, string>();
  for (const path of pathsOf(node)) {
    if (shown.size === SHOWN_PATHS_MAX) break;
    const value = evaluate(path, view);
    const name = shorten(text.slice(path.start, path.end));
    shown.set(name, value === failed ? "nothing there" : show(value));
  }
  const parts = [...shown].map(([name, value]) => `${name}: ${value}`);
  return parts.length === 0 ? "" : `, with ${parts.join(", ")}`;
}

/** The paths into the event that the part names, as far as they need no variable. */
function pathsOf(node: ASTNode): readonly ASTNode[] {
  if (isPath(node)) return [node];
  return childrenOf(node).flatMap(pathsOf);
}

function isPath(node: ASTNode): boolean {
  if (node.op === ".") return isEvent(node.args[0]) || isPath(node.args[0]);
  if (node.op !== "[]") return false;
  const [operand, index] = node.args;
  return index.op === "value" && (isEvent(operand) || isPath(operand));
}

function isEvent(node: ASTNode): boolean {
  return node.op === "id" && node.args === "event";
}

function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case "value":
    case "id":
    case "map":
      return [];
    case ".":
    case ".?":
      return [node.args[0]];
    case "call":
      return node.args[1];
    case "rcall":
      return [node.args[1], ...node.args[2]];
    case "!_":
    case "-_":
      return [node.args];
    default:
      return node.args;
  }
}
