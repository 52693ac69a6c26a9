/** Why an expression holds for a subject or not, in one sentence with the values it looked at. */
import { shorten } from "../../kernel/unchecked.ts";
import { describePosition } from "../position.ts";
import { childrenOf } from "./advice.ts";
import type { CesqlExpression } from "./expression.ts";
import { compileNode } from "./compile.ts";
import type { AttributeSource } from "./compile.ts";
import { CesqlRun, shownValue, toBoolean, typeOf } from "./run.ts";
import type { CesqlNode } from "./syntax.ts";

export function explainCesql<S>(
  expression: CesqlExpression<S>,
  attributes: AttributeSource<S>,
  subject: S,
): string {
  const { text, node } = expression;
  const { value, error } = expression.evaluate(subject);
  const values = (part: CesqlNode): string => showAttributes(part, attributes, subject);
  if (error !== undefined) {
    return `${describePosition(text, error.position)}: ${error.message} (${error.kind}), so it does not hold${values(node)}`;
  }
  if (value === true) return `${show(text, node)} is TRUE${values(node)}`;
  if (value !== false) {
    return `the expression is the ${typeOf(value)} ${shownValue(value)}, and only TRUE holds${values(node)}`;
  }
  const decisive = findDecisive(node, attributes, subject);
  return `${describePosition(text, decisive.start)}: ${show(text, decisive)} is FALSE${values(decisive)}`;
}

function show(text: string, node: CesqlNode): string {
  return shorten(text.slice(node.start, node.end));
}

/** The innermost part that alone makes the whole FALSE: the first FALSE side of each AND. */
function findDecisive<S>(node: CesqlNode, attributes: AttributeSource<S>, subject: S): CesqlNode {
  let decisive = node;
  while (decisive.kind === "binary" && decisive.operator === "AND") {
    decisive = isTrue(decisive.left, attributes, subject) ? decisive.right : decisive.left;
  }
  return decisive;
}

function isTrue<S>(node: CesqlNode, attributes: AttributeSource<S>, subject: S): boolean {
  const run = new CesqlRun<S>();
  run.begin(subject);
  return toBoolean(run, compileNode(node, attributes)(run), node);
}

const SHOWN_ATTRIBUTES_MAX = 8;

function showAttributes<S>(node: CesqlNode, attributes: AttributeSource<S>, subject: S): string {
  const names = [...new Set(attributeNames(node))].slice(0, SHOWN_ATTRIBUTES_MAX);
  if (names.length === 0) return "";
  const shown = names.map((name) => {
    const value = attributes(name)(subject);
    return value === undefined ? `no ${name}` : `${name} ${shownValue(value)}`;
  });
  return `, with ${shown.join(", ")}`;
}

function attributeNames(node: CesqlNode): readonly string[] {
  const own = node.kind === "attribute" || node.kind === "exists" ? [node.name] : [];
  return [...own, ...childrenOf(node).flatMap(attributeNames)];
}
