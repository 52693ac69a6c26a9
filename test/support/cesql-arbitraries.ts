/** Random expressions of CESQL, as trees and as text, for the short and the long tests. */
import fc from "fast-check";
import type { CesqlNode } from "../../src/expression/cesql/cesql.ts";

const at = { start: 0, end: 0 };
const names = fc.constantFrom("type", "subject", "n", "flag", "5g", "missing1");
const texts = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "=",
    "(",
    "TRUE",
    "17",
    "-5",
    "a'b",
    'a"b',
    "\\\\",
    "100%",
    "_x",
    "🦊",
    "ß",
  ),
  fc.string({ maxLength: 6 }).map((text) => text.replaceAll("\\", "")),
);
const integers = fc.oneof(
  fc.constantFrom(0, 1, -1, 2147483647, -2147483648),
  fc.integer({ min: -2147483648, max: 2147483647 }),
);
const operators = fc.constantFrom(
  ...(["+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", "AND", "OR", "XOR"] as const),
);
const calls = fc.constantFrom("LENGTH", "INT", "BOOL", "STRING", "LOWER", "TRIM", "ABS", "IS_INT");

export const cesqlNodes: fc.Arbitrary<CesqlNode> = fc.letrec<{ node: CesqlNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5, depthIdentifier: "cesql" },
    fc
      .oneof(texts, integers, fc.boolean())
      .map((value) => ({ kind: "literal" as const, value, ...at })),
    names.map((name) => ({ kind: "attribute" as const, name, ...at })),
    names.map((name) => ({ kind: "exists" as const, name, ...at })),
    fc
      .tuple(fc.constantFrom("NOT" as const, "-" as const), tie("node"))
      .map(([operator, operand]) => ({ kind: "unary" as const, operator, operand, ...at })),
    fc.tuple(operators, tie("node"), tie("node")).map(([operator, left, right]) => ({
      kind: "binary" as const,
      operator,
      left,
      right,
      ...at,
    })),
    fc.tuple(fc.boolean(), tie("node"), texts).map(([isNegated, operand, pattern]) => ({
      kind: "like" as const,
      isNegated,
      operand,
      pattern,
      ...at,
    })),
    fc
      .tuple(fc.boolean(), tie("node"), fc.array(tie("node"), { minLength: 1, maxLength: 3 }))
      .map(([isNegated, operand, elements]) => ({
        kind: "in" as const,
        isNegated,
        operand,
        elements,
        ...at,
      })),
    fc
      .tuple(calls, tie("node"))
      .map(([name, arg]) => ({ kind: "call" as const, name, args: [arg], ...at })),
  ),
})).node;

/** Words and signs of the language in any order: mostly wrong, and wrong in many ways. */
export const cesqlTexts: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        "AND",
        "or",
        "XOR",
        "NOT",
        "LIKE",
        "IN",
        "EXISTS",
        "TRUE",
        "false",
        "a",
        "type",
        "x_y",
        "LENGTH",
        "CONCAT",
        "SUBSTRING",
        "NOSUCH",
        "(",
        ")",
        ",",
        "=",
        "!=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "1",
        "-2147483648",
        "99999999999",
        "'a'",
        '"b"',
        "'",
        "\\",
        "'%_'",
        `"a\\'b"`,
        `'a\\"b\\'c'`,
        "'\\%'",
        "data",
        "data.a",
        "5g",
        "é",
        " ",
        "\t",
        "\n",
        "\u00a0",
      ),
      { maxLength: 14 },
    )
    .chain((words) => fc.constantFrom("", " ").map((separator) => words.join(separator))),
);

/** Without the positions, which differ between a tree and the same tree printed and read. */
export function withoutPositions(node: CesqlNode): unknown {
  return JSON.parse(
    JSON.stringify(node, (key, value: unknown) =>
      key === "start" || key === "end" ? undefined : value,
    ),
  );
}
