/**
 * Compiles the tree that the library has parsed and checked into closures of our own: they look into
 * the data where it stands, count what they do, and answer errors as values.
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { quote } from "../../kernel/unchecked.ts";
import { compileIndex, compileSelect, lookUp } from "./access.ts";
import { compileComprehension, isComprehension } from "./comprehension.ts";
import { compileMatches, methods, plainFunctions } from "./functions.ts";
import type { CelFunction } from "./functions.ts";
import { compileAnd, compileNot, compileOr, compileTernary } from "./logic.ts";
import { applyOperator } from "./operators.ts";
import { failed } from "./run.ts";
import type { Evaluate } from "./run.ts";
import { CelRefusal } from "./refusal.ts";
import type { Scope } from "./scope.ts";
import { eventValue, INT_MAX, INT_MIN, nameType, Uint } from "./value.ts";
import type { CelValue } from "./value.ts";

export function compileCelNode(node: ASTNode, scope: Scope): Evaluate {
  switch (node.op) {
    case "value":
      return compileLiteral(node);
    case "id":
      return compileName(node.args, scope, node.start);
    case ".":
      return compileSelect(compileCelNode(node.args[0], scope), node.args[1], node.start);
    case "[]": {
      const [operand, index] = node.args.map((each) => compileCelNode(each, scope));
      return compileIndex(operand ?? unset, index ?? unset, node.start);
    }
    case "call":
      return compileCall(node.args[0], node.args[1], { node, scope });
    case "rcall":
      return compileMethod(node, scope);
    case "list":
      return compileList(node.args, scope);
    case "?:": {
      const [condition, yes, no] = node.args.map((each) => compileCelNode(each, scope));
      return compileTernary(condition ?? unset, yes ?? unset, {
        no: no ?? unset,
        position: node.start,
      });
    }
    case "||":
    case "&&": {
      const [left, right] = node.args.map((each) => compileCelNode(each, scope));
      const compile = node.op === "||" ? compileOr : compileAnd;
      return compile(left ?? unset, right ?? unset, node.start);
    }
    case "!_":
      return compileNot(compileCelNode(node.args, scope), node.start);
    case "-_":
      // The literal of the least int is one beyond the greatest, and its minus.
      if (node.args.op === "value" && node.args.args === -INT_MIN) return () => INT_MIN;
      return compileNegation(compileCelNode(node.args, scope), node.start);
    case ".?":
    case "[?]":
      throw new CelRefusal(
        node.start,
        "optional access is not supported; write has(event.subject)",
      );
    case "map":
      throw new CelRefusal(node.start, "map literals are not supported");
    default:
      return compileBinary(node, scope);
  }
}

const unset: Evaluate = () => failed;

function compileLiteral({ args, start }: Extract<ASTNode, { op: "value" }>): Evaluate {
  if (args instanceof Uint8Array) throw new CelRefusal(start, "bytes are not supported");
  // The only object left is the library's own integer without sign.
  const isUnsigned = typeof args === "object" && args !== null;
  const value: CelValue = isUnsigned ? new Uint(args.valueOf()) : args;
  if (isBeyondInt(value))
    throw new CelRefusal(start, "the number is beyond 64 bits; write it as a double");
  return () => value;
}

function isBeyondInt(value: CelValue): boolean {
  return typeof value === "bigint" && (value > INT_MAX || value < INT_MIN);
}

function compileName(name: string, scope: Scope, position: number): Evaluate {
  const depth = scope.variables.lastIndexOf(name);
  if (depth !== -1) return (run) => run.variables[depth] ?? null;
  if (name === "event") return () => eventValue;
  throw new CelRefusal(position, `unknown name ${quote(name)}; the event is called event`);
}

type Binary = Extract<ASTNode, { args: [ASTNode, ASTNode] }>;

function compileBinary(
  node: Exclude<Binary, { op: "[]" | "[?]" | "||" | "&&" }>,
  scope: Scope,
): Evaluate {
  const { op: operator, start: position } = node;
  const wanted = operator === "==";
  const isEquality = wanted || operator === "!=";
  const left = compileCelNode(node.args[0], scope);
  const right = compileCelNode(node.args[1], scope);
  return (run) => {
    const first = left(run);
    if (first === failed) return failed;
    const second = right(run);
    if (second === failed) return failed;
    // Most comparisons are of two texts, and need no more than this.
    if (isEquality && typeof first === "string" && typeof second === "string") {
      return (first === second) === wanted;
    }
    return applyOperator(run, { operator, left: first, right: second, position });
  };
}

function compileNegation(operand: Evaluate, position: number): Evaluate {
  return (run) => {
    const value = operand(run);
    if (value === failed) return failed;
    if (typeof value === "number") return -value;
    if (typeof value === "bigint" && value !== INT_MIN) return -value;
    return run.fail(position, `- does not take ${nameType(value)}`);
  };
}

function compileList(nodes: readonly ASTNode[], scope: Scope): Evaluate {
  const elements = nodes.map((each) => compileCelNode(each, scope));
  return (run) => {
    const values: CelValue[] = [];
    for (const element of elements) {
      const value = element(run);
      if (value === failed) return failed;
      values.push(value);
    }
    return values;
  };
}

interface CallPlace {
  readonly node: ASTNode;
  readonly scope: Scope;
}

function compileCall(name: string, args: readonly ASTNode[], { node, scope }: CallPlace): Evaluate {
  if (name === "has") return compileHas(args[0], scope, node.start);
  const found = plainFunctions.get(name);
  if (found === undefined) {
    const known = [...plainFunctions.keys(), "has"].join(", ");
    throw new CelRefusal(node.start, `the function ${name} is not supported; known: ${known}`);
  }
  return applyTo(
    found,
    args.map((each) => compileCelNode(each, scope)),
    node.start,
  );
}

function compileHas(node: ASTNode | undefined, scope: Scope, position: number): Evaluate {
  if (node?.op !== ".")
    throw new CelRefusal(position, "has takes a path, as in has(event.subject)");
  const [operandNode, key] = node.args;
  const operand = compileCelNode(operandNode, scope);
  return (run) => {
    const value = operand(run);
    if (value === failed || !run.spend(16, position)) return failed;
    return lookUp(run, value, key) !== undefined;
  };
}

function compileMethod(node: Extract<ASTNode, { op: "rcall" }>, scope: Scope): Evaluate {
  const [name, receiver, args] = node.args;
  if (isComprehension(name)) {
    return compileComprehension({ name, receiver, args, node }, scope, compileCelNode);
  }
  if (name === "matches") return compileRegularExpression(receiver, args, { node, scope });
  const found = methods.get(name);
  if (found === undefined) {
    const known = [...methods.keys(), "matches", "exists", "all", "exists_one", "filter", "map"];
    const message = `the function .${name}() is not supported; known: ${known.join(", ")}`;
    throw new CelRefusal(node.start, message);
  }
  const operands = [receiver, ...args].map((each) => compileCelNode(each, scope));
  return applyTo(found, operands, node.start);
}

function compileRegularExpression(
  receiver: ASTNode,
  [pattern]: readonly ASTNode[],
  { node, scope }: CallPlace,
): Evaluate {
  if (pattern?.op !== "value" || typeof pattern.args !== "string") {
    throw new CelRefusal(node.start, "matches takes a pattern written as a text");
  }
  const found = compileMatches(pattern.args);
  if (typeof found === "string") throw new CelRefusal(pattern.start, found);
  return applyTo(found, [compileCelNode(receiver, scope)], node.start);
}

function applyTo(found: CelFunction, operands: readonly Evaluate[], position: number): Evaluate {
  if (operands.length !== found.parameters) {
    throw new CelRefusal(position, "the function does not take that many arguments");
  }
  return (run) => {
    const values: CelValue[] = [];
    for (const operand of operands) {
      const value = operand(run);
      if (value === failed) return failed;
      values.push(value);
    }
    return found.apply(run, values, position);
  };
}
