/** What a CESQL expression consists of once it is parsed, and how it is written out again. */

/** The three types of CESQL; URI, Timestamp and Binary attributes appear as String. */
export type CesqlValue = string | number | boolean;
export type CesqlType = "String" | "Integer" | "Boolean";

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";
export type EqualityOperator = "=" | "!=";
export type OrderOperator = "<" | "<=" | ">" | ">=";
export type LogicalOperator = "AND" | "OR" | "XOR";
export type BinaryOperator =
  | ArithmeticOperator
  | EqualityOperator
  | OrderOperator
  | LogicalOperator;

/** Where a part stands in the text, in UTF-16 units; `end` is behind its last character. */
interface Range {
  readonly start: number;
  readonly end: number;
}

export interface LiteralNode extends Range {
  readonly kind: "literal";
  readonly value: CesqlValue;
}
export interface AttributeNode extends Range {
  readonly kind: "attribute";
  readonly name: string;
}
export interface ExistsNode extends Range {
  readonly kind: "exists";
  readonly name: string;
}
export interface UnaryNode extends Range {
  readonly kind: "unary";
  readonly operator: "NOT" | "-";
  readonly operand: CesqlNode;
}
export interface BinaryNode extends Range {
  readonly kind: "binary";
  readonly operator: BinaryOperator;
  readonly left: CesqlNode;
  readonly right: CesqlNode;
}
export interface LikeNode extends Range {
  readonly kind: "like";
  readonly isNegated: boolean;
  readonly operand: CesqlNode;
  readonly pattern: string;
}
export interface InNode extends Range {
  readonly kind: "in";
  readonly isNegated: boolean;
  readonly operand: CesqlNode;
  readonly elements: readonly CesqlNode[];
}
export interface CallNode extends Range {
  readonly kind: "call";
  /** In capitals. */
  readonly name: string;
  readonly args: readonly CesqlNode[];
}

export type CesqlNode =
  | LiteralNode
  | AttributeNode
  | ExistsNode
  | UnaryNode
  | BinaryNode
  | LikeNode
  | InNode
  | CallNode;

/**
 * Writes an expression out with every operator in parentheses, so that reading it again gives the
 * same tree whatever binds tighter.
 */
export function printCesql(node: CesqlNode): string {
  switch (node.kind) {
    case "literal":
      return printLiteral(node.value);
    case "attribute":
      return node.name;
    case "exists":
      return `(EXISTS ${node.name})`;
    case "unary":
      return `(${node.operator} ${printCesql(node.operand)})`;
    case "binary":
      return `(${printCesql(node.left)} ${node.operator} ${printCesql(node.right)})`;
    case "like":
      return `(${printCesql(node.operand)} ${negation(node)}LIKE ${printLiteral(node.pattern)})`;
    case "in":
      return `(${printCesql(node.operand)} ${negation(node)}IN (${node.elements.map(printCesql).join(", ")}))`;
    case "call":
      return `${node.name}(${node.args.map(printCesql).join(", ")})`;
  }
}

function negation({ isNegated }: { readonly isNegated: boolean }): string {
  return isNegated ? "NOT " : "";
}

function printLiteral(value: CesqlValue): string {
  if (typeof value !== "string") return String(value).toUpperCase();
  // A backslash that already stands before one kind of quote can only be written in the other.
  if (!HAS_ESCAPED_SINGLE_QUOTE.test(value)) return `'${value.replaceAll("'", "\\'")}'`;
  return `"${value.replaceAll('"', '\\"')}"`;
}

const HAS_ESCAPED_SINGLE_QUOTE = /(?<!\\)(?:\\\\)*\\'/;
