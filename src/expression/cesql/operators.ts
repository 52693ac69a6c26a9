/** The operators of CESQL as closures over their operands. */
import { castTo, toBoolean, toInteger, toText, typeOf } from "./run.ts";
import type { CesqlRun, Evaluate } from "./run.ts";
import type {
  ArithmeticOperator,
  BinaryNode,
  CesqlNode,
  OrderOperator,
  UnaryNode,
} from "./syntax.ts";

export function compileBinary<S>(
  node: BinaryNode,
  left: Evaluate<S>,
  right: Evaluate<S>,
): Evaluate<S> {
  switch (node.operator) {
    case "AND":
    case "OR":
      return compileShortCircuit(node, left, right);
    case "XOR":
      return compileXor(node, left, right);
    case "=":
    case "!=":
      return compileEquality(node, left, right);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return compileOrder({ node, left, right }, orders[node.operator]);
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return compileArithmetic(node, left, right);
  }
}

/** The left side alone may spare the right one: `nosuch OR TRUE` is an error. */
function compileShortCircuit<S>(
  node: BinaryNode,
  left: Evaluate<S>,
  right: Evaluate<S>,
): Evaluate<S> {
  const decides = node.operator === "OR";
  return (run) => {
    const first = evaluateBoolean(run, left, node.left);
    if (run.hasFailed) return false;
    if (first === decides) return decides;
    const second = evaluateBoolean(run, right, node.right);
    return run.hasFailed ? false : second;
  };
}

function compileXor<S>(node: BinaryNode, left: Evaluate<S>, right: Evaluate<S>): Evaluate<S> {
  return (run) => {
    const first = evaluateBoolean(run, left, node.left);
    if (run.hasFailed) return false;
    const second = evaluateBoolean(run, right, node.right);
    return run.hasFailed ? false : first !== second;
  };
}

function evaluateBoolean<S>(run: CesqlRun<S>, operand: Evaluate<S>, node: CesqlNode): boolean {
  const value = operand(run);
  return run.hasFailed ? false : toBoolean(run, value, node);
}

/** The left side is cast to the type of the right side: '010' = 10, but not 10 = '010'. */
function compileEquality<S>(node: BinaryNode, left: Evaluate<S>, right: Evaluate<S>): Evaluate<S> {
  const wanted = node.operator === "=";
  if (node.right.kind === "literal" && typeof node.right.value === "string") {
    const text = node.right.value;
    return (run) => {
      const first = left(run);
      return run.hasFailed ? false : (toText(first) === text) === wanted;
    };
  }
  return (run) => {
    const first = left(run);
    if (run.hasFailed) return false;
    const second = right(run);
    if (run.hasFailed) return false;
    const cast = castTo(run, first, typeOf(second), node.left);
    return run.hasFailed ? false : (cast === second) === wanted;
  };
}

const orders: Readonly<Record<OrderOperator, (left: number, right: number) => boolean>> = {
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
};

interface Operands<S> {
  readonly node: BinaryNode;
  readonly left: Evaluate<S>;
  readonly right: Evaluate<S>;
}

/** Both sides are integers: '9' < '10' holds, and dates cannot be compared. */
function compileOrder<S>(
  { node, left, right }: Operands<S>,
  holds: (left: number, right: number) => boolean,
): Evaluate<S> {
  return (run) => {
    const first = evaluateInteger(run, left, node.left);
    if (run.hasFailed) return false;
    const second = evaluateInteger(run, right, node.right);
    return run.hasFailed ? false : holds(first, second);
  };
}

function compileArithmetic<S>(
  node: BinaryNode,
  left: Evaluate<S>,
  right: Evaluate<S>,
): Evaluate<S> {
  const operator = node.operator as ArithmeticOperator;
  return (run) => {
    const first = evaluateInteger(run, left, node.left);
    if (run.hasFailed) return 0;
    const second = evaluateInteger(run, right, node.right);
    if (run.hasFailed) return 0;
    if (second === 0 && (operator === "/" || operator === "%")) {
      run.fail("math", node, first, "% is divided by 0");
      return 0;
    }
    return withinInteger(run, calculate(operator, first, second), node);
  };
}

export function compileNegation<S>(node: UnaryNode, operand: Evaluate<S>): Evaluate<S> {
  return (run) => {
    const value = evaluateInteger(run, operand, node.operand);
    return run.hasFailed ? 0 : withinInteger(run, 0 - value, node);
  };
}

function evaluateInteger<S>(run: CesqlRun<S>, operand: Evaluate<S>, node: CesqlNode): number {
  const value = operand(run);
  return run.hasFailed ? 0 : toInteger(run, value, node);
}

/** Exact within a double: the product of two 32-bit integers that overflows is far beyond 2^31. */
function calculate(operator: ArithmeticOperator, left: number, right: number): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return Math.trunc(left / right);
    case "%":
      return left % right;
  }
}

function withinInteger<S>(run: CesqlRun<S>, value: number, node: CesqlNode): number {
  // Adding 0 turns -0, which no integer is, into 0.
  if (value >= -2147483648 && value <= 2147483647) return value + 0;
  run.fail("math", node, value, "the result % is beyond 32 bits");
  return 0;
}
