/**
 * Compiles a parsed expression into closures. After an operand has failed, every operator and
 * function around it answers the zero value of its own type and looks at nothing further.
 */
import type { TextFailure } from "../position.ts";
import { findFunction } from "./functions.ts";
import type { CesqlFunction } from "./function.ts";
import { compileLike } from "./like.ts";
import { compileBinary, compileNegation } from "./operators.ts";
import { castTo, toBoolean, toText, typeOf, zeroValues } from "./run.ts";
import type { AttributeReader, Evaluate } from "./run.ts";
import type {
  AttributeNode,
  BinaryNode,
  CallNode,
  CesqlNode,
  CesqlValue,
  InNode,
  LikeNode,
} from "./syntax.ts";

/** How attributes are read: asked once for each name, when the expression is compiled. */
export type AttributeSource<S> = (name: string) => AttributeReader<S>;

/** Thrown in here for a function that does not exist; compileCesql turns it into a failure. */
export class UnknownFunction extends Error {
  readonly failure: TextFailure;

  constructor(failure: TextFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export function compileNode<S>(node: CesqlNode, attributes: AttributeSource<S>): Evaluate<S> {
  switch (node.kind) {
    case "literal": {
      const { value } = node;
      return () => value;
    }
    case "attribute":
      return compileAttribute(node, attributes(node.name));
    case "exists": {
      const read = attributes(node.name);
      return (run) => read(run.subject as S) !== undefined;
    }
    case "unary": {
      const operand = compileNode(node.operand, attributes);
      return node.operator === "NOT"
        ? compileNot(node.operand, operand)
        : compileNegation(node, operand);
    }
    case "binary":
      return compileBinaryNode(node, attributes);
    case "like":
      return compileLikeNode(node, compileNode(node.operand, attributes));
    case "in":
      return compileIn(node, attributes);
    case "call":
      return compileCall(node, attributes);
  }
}

function compileAttribute<S>(node: AttributeNode, read: AttributeReader<S>): Evaluate<S> {
  return (run) => {
    const value = read(run.subject as S);
    if (value !== undefined) return value;
    run.fail("missingAttribute", node, node.name, "the event has no attribute %");
    return false;
  };
}

function compileNot<S>(node: CesqlNode, operand: Evaluate<S>): Evaluate<S> {
  return (run) => {
    const value = operand(run);
    if (run.hasFailed) return false;
    const turned = !toBoolean(run, value, node);
    return run.hasFailed ? false : turned;
  };
}

function compileBinaryNode<S>(node: BinaryNode, attributes: AttributeSource<S>): Evaluate<S> {
  const left = compileNode(node.left, attributes);
  const right = compileNode(node.right, attributes);
  return compileBinary(node, left, right);
}

function compileLikeNode<S>(node: LikeNode, operand: Evaluate<S>): Evaluate<S> {
  const wildcard = compileLike(node.pattern);
  const { isNegated } = node;
  return (run) => {
    const value = operand(run);
    if (run.hasFailed) return false;
    const text = toText(value);
    if (!run.spend(text.length * wildcard.stepsPerCharacter, node)) return false;
    return wildcard.matches(text) !== isNegated;
  };
}

/** Elements are cast to the type of the left side; the first that equals ends the search. */
function compileIn<S>(node: InNode, attributes: AttributeSource<S>): Evaluate<S> {
  const operand = compileNode(node.operand, attributes);
  const elements = node.elements.map((element) => ({
    node: element,
    evaluate: compileNode(element, attributes),
  }));
  const { isNegated } = node;
  return (run) => {
    const value = operand(run);
    if (run.hasFailed) return false;
    const type = typeOf(value);
    for (const { node: part, evaluate } of elements) {
      const found = evaluate(run);
      if (run.hasFailed) return false;
      const cast = castTo(run, found, type, part);
      if (run.hasFailed) return false;
      if (cast === value) return !isNegated;
    }
    return isNegated;
  };
}

function compileCall<S>(node: CallNode, attributes: AttributeSource<S>): Evaluate<S> {
  const found = findFunction(node.name, node.args.length);
  if (typeof found === "string") {
    throw new UnknownFunction({ position: node.start, message: found });
  }
  const args = node.args.map((arg, index) => compileArgument(arg, index, found, attributes));
  const zero = zeroValues[found.returns];
  return (run) => {
    const values: CesqlValue[] = [];
    for (const arg of args) {
      const value = arg(run);
      if (run.hasFailed) return zero;
      values.push(value);
    }
    return found.apply(values, {
      fail: (kind, detail, advice) => run.fail(kind, node, detail, advice),
      spend: (steps) => run.spend(steps, node),
    });
  };
}

function compileArgument<S>(
  node: CesqlNode,
  index: number,
  { parameters }: CesqlFunction,
  attributes: AttributeSource<S>,
): Evaluate<S> {
  const evaluate = compileNode(node, attributes);
  const type = (parameters[index] ?? parameters.at(-1))?.type;
  if (type === undefined) return evaluate;
  return (run) => {
    const value = evaluate(run);
    return run.hasFailed ? value : castTo(run, value, type, node);
  };
}
