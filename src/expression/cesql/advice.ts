/** What can be said about an expression without an event: its type, and whether it always fails. */
import type { TextFailure } from "../position.ts";
import { compileNode } from "./compile.ts";
import { findFunction } from "./functions.ts";
import { CesqlRun } from "./run.ts";
import type { CesqlNode, CesqlType } from "./syntax.ts";
import { typeOf } from "./run.ts";

/** The attributes that are Strings in every event; extensions may have any type. */
const textAttributes = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
]);

/** The type that a part has whatever the event; undefined when only the event tells. */
export function staticType(node: CesqlNode): CesqlType | undefined {
  switch (node.kind) {
    case "literal":
      return typeOf(node.value);
    case "attribute":
      return textAttributes.has(node.name) ? "String" : undefined;
    case "unary":
      return node.operator === "NOT" ? "Boolean" : "Integer";
    case "binary":
      return "+-*/%".includes(node.operator) ? "Integer" : "Boolean";
    case "exists":
    case "like":
    case "in":
      return "Boolean";
    case "call": {
      const found = findFunction(node.name, node.args.length);
      return typeof found === "string" ? undefined : found.returns;
    }
  }
}

/** Warnings for expressions of which no event can make a TRUE, or only some events by accident. */
export function adviseExpression(node: CesqlNode): TextFailure[] {
  const type = staticType(node);
  const position = node.start;
  if (type !== undefined && type !== "Boolean") {
    const message = `the expression is always of type ${type} and never TRUE, so it holds for no event`;
    return [{ position, message }];
  }
  const warnings: TextFailure[] = [];
  if (node.kind === "attribute") {
    const message = `${node.name} alone holds only where the event came with a Boolean, as JSON can have; from HTTP headers it is a String; write ${node.name} = TRUE`;
    warnings.push({ position, message });
  }
  const failing = findFailing(node);
  if (failing !== undefined) warnings.push(failing);
  return warnings;
}

/** The first part without attributes that fails whatever the event. */
function findFailing(node: CesqlNode): TextFailure | undefined {
  if (isConstant(node)) {
    const run = new CesqlRun<undefined>();
    run.begin(undefined);
    compileNode<undefined>(node, () => () => undefined)(run);
    const error = run.error();
    if (error === undefined) return undefined;
    const message = `this always fails: ${error.message}`;
    return { position: error.position, message };
  }
  for (const child of childrenOf(node)) {
    const failing = findFailing(child);
    if (failing !== undefined) return failing;
  }
  return undefined;
}

function isConstant(node: CesqlNode): boolean {
  if (node.kind === "attribute" || node.kind === "exists") return false;
  return childrenOf(node).every(isConstant);
}

export function childrenOf(node: CesqlNode): readonly CesqlNode[] {
  switch (node.kind) {
    case "literal":
    case "attribute":
    case "exists":
      return [];
    case "unary":
    case "like":
      return [node.operand];
    case "binary":
      return [node.left, node.right];
    case "in":
      return [node.operand, ...node.elements];
    case "call":
      return node.args;
  }
}
