/** The operators of CEL between two values. */
import { failed } from "./run.ts";
import type { CelResult, CelRun } from "./run.ts";
import {
  compareTexts,
  eventValue,
  INT_MAX,
  INT_MIN,
  isMap,
  isNumber,
  JsonRef,
  listOf,
  nameType,
  plainNumber,
  Uint,
  UINT_MAX,
  valueOfNode,
} from "./value.ts";
import type { CelValue } from "./value.ts";

export type CelOperator =
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "+"
  | "-"
  | "*"
  | "/"
  | "%"
  | "in";

export interface Operands {
  readonly operator: CelOperator;
  readonly left: CelValue;
  readonly right: CelValue;
  readonly position: number;
}

export function applyOperator(run: CelRun, operands: Operands): CelResult {
  const { operator, left, right, position } = operands;
  switch (operator) {
    case "==":
    case "!=": {
      const equal = areEqual(run, operands);
      return equal === failed ? failed : equal === (operator === "==");
    }
    case "<":
    case "<=":
    case ">":
    case ">=": {
      const order = compare(left, right);
      if (order === undefined) return noOverload(run, operands);
      return holdsOrder(operator, order);
    }
    case "in":
      return isIn(run, operands);
    case "+":
      if (typeof left === "string" && typeof right === "string") {
        return run.spend(left.length + right.length, position) ? left + right : failed;
      }
      return isNumber(left) ? calculate(run, operands) : joinLists(run, operands);
    case "-":
    case "*":
    case "/":
    case "%":
      return calculate(run, operands);
  }
}

function noOverload(run: CelRun, { operator, left, right, position }: Operands): typeof failed {
  return run.fail(position, `${operator} does not take ${nameType(left)} and ${nameType(right)}`);
}

/** What it costs to find, read and compare one element, in the time of looking at a character. */
const ELEMENT_STEPS = 32;

/** Values of different types are not equal, which is no error; numbers compare by value. */
function areEqual(run: CelRun, operands: Operands): boolean | typeof failed {
  const { left, right, position } = operands;
  if (isNumber(left) && isNumber(right)) {
    // oxlint-disable-next-line eqeqeq -- only == compares a bigint with a double by value.
    return plainNumber(left) == plainNumber(right);
  }
  // Texts of different lengths differ without a look at them.
  const areTexts = typeof left === "string" && typeof right === "string";
  const length = areTexts && left.length === right.length ? left.length : 0;
  if (!run.spend(length + 1, position)) return failed;
  if (left === right) return true;
  const leftList = listOf(left);
  const rightList = listOf(right);
  if (leftList !== undefined && rightList !== undefined) {
    if (leftList.size !== rightList.size) return false;
    if (!run.spend(leftList.size * ELEMENT_STEPS, position)) return failed;
    for (let index = 0; index < leftList.size; index += 1) {
      const equal = areEqual(run, {
        ...operands,
        left: leftList.at(index),
        right: rightList.at(index),
      });
      if (equal !== true) return equal;
    }
    return true;
  }
  if (left === eventValue || right === eventValue || !isMap(left) || !isMap(right)) return false;
  return left instanceof JsonRef && right instanceof JsonRef
    ? areEqualMaps(run, { ...operands, left, right })
    : false;
}

interface MapOperands extends Operands {
  readonly left: JsonRef;
  readonly right: JsonRef;
}

function areEqualMaps(run: CelRun, operands: MapOperands): boolean | typeof failed {
  const { left, right } = operands;
  const keys = new Set<string>();
  left.document.eachMember(left.node, (key) => keys.add(key));
  let others = 0;
  let isSame = true;
  right.document.eachMember(right.node, (key) => {
    others += 1;
    isSame &&= keys.has(key);
  });
  if (!run.spend((keys.size + others) * ELEMENT_STEPS, operands.position)) return failed;
  if (!isSame) return false;
  for (const key of keys) {
    const other = right.document.member(right.node, key);
    if (other === -1) return false;
    const equal = areEqual(run, {
      ...operands,
      left: valueOfNode(left.document, left.document.member(left.node, key)),
      right: valueOfNode(right.document, other),
    });
    if (equal !== true) return equal;
  }
  return true;
}

/** Undefined where the two have no order; NaN, of which no comparison holds, where one is NaN. */
function compare(left: CelValue, right: CelValue): number | undefined {
  if (isNumber(left) && isNumber(right)) {
    const a = plainNumber(left);
    const b = plainNumber(right);
    if (a < b) return -1;
    if (a > b) return 1;
    return Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : 0;
  }
  if (typeof left === "string" && typeof right === "string") return compareTexts(left, right);
  if (typeof left === "boolean" && typeof right === "boolean") return Number(left) - Number(right);
  return undefined;
}

function holdsOrder(operator: "<" | "<=" | ">" | ">=", order: number): boolean {
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
  }
}

function isIn(run: CelRun, operands: Operands): CelResult {
  const { left, right, position } = operands;
  const list = listOf(right);
  if (list !== undefined) {
    for (let index = 0; index < list.size; index += 1) {
      if (!run.spend(ELEMENT_STEPS, position)) return failed;
      const equal = areEqual(run, { ...operands, right: list.at(index) });
      if (equal !== false) return equal;
    }
    return false;
  }
  if (!isMap(right) || typeof left !== "string") return noOverload(run, operands);
  if (right instanceof JsonRef) return right.document.member(right.node, left) !== -1;
  return noOverload(run, operands);
}

function joinLists(run: CelRun, operands: Operands): CelResult {
  const left = listOf(operands.left);
  const right = listOf(operands.right);
  if (left === undefined || right === undefined) return noOverload(run, operands);
  if (!run.spend((left.size + right.size) * 4, operands.position)) return failed;
  const joined: CelValue[] = [];
  for (let index = 0; index < left.size; index += 1) joined.push(left.at(index));
  for (let index = 0; index < right.size; index += 1) joined.push(right.at(index));
  return joined;
}

/** Both of one type; integers that leave their range are an error, doubles become infinite. */
function calculate(run: CelRun, operands: Operands): CelResult {
  const { operator, left, right, position } = operands;
  if (typeof left === "number" && typeof right === "number") {
    const result = calculateDouble(operator, left, right);
    return result ?? noOverload(run, operands);
  }
  const isUnsigned = left instanceof Uint && right instanceof Uint;
  if (!isUnsigned && !(typeof left === "bigint" && typeof right === "bigint")) {
    return noOverload(run, operands);
  }
  const a = BigInt(plainNumber(left as bigint));
  const b = BigInt(plainNumber(right as bigint));
  if (b === 0n && (operator === "/" || operator === "%"))
    return run.fail(position, "division by 0");
  const result = calculateInteger(operator, a, b);
  const [min, max] = isUnsigned ? [0n, UINT_MAX] : [INT_MIN, INT_MAX];
  if (result < min || result > max) {
    return run.fail(position, `the result ${result} is beyond 64 bits`);
  }
  return isUnsigned ? new Uint(result) : result;
}

function calculateDouble(operator: CelOperator, left: number, right: number): number | undefined {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  if (operator === "*") return left * right;
  return operator === "/" ? left / right : undefined;
}

function calculateInteger(operator: CelOperator, left: bigint, right: bigint): bigint {
  if (operator === "+") return left + right;
  if (operator === "-") return left - right;
  if (operator === "*") return left * right;
  return operator === "/" ? left / right : left % right;
}
