import type { EventView } from "../../event/event-view.ts";
import { attributeOf } from "../../event/event.ts";
import type { AttributeReader, CesqlNode } from "../../expression/cesql/cesql.ts";
import { compileCesql, explainCesql, literalEndsOf } from "../../expression/cesql/cesql.ts";
import { describePosition } from "../../expression/template.ts";
import { nameKind } from "../../kernel/unchecked.ts";
import { anchoredBy, intersectAnchorings, unanchored, uniteAnchorings } from "../anchors.ts";
import { defineDialect } from "../dialect.ts";
import type { Clause, ClauseCompiler, Dialect } from "../dialect.ts";
import type { Anchoring } from "../filter.ts";

export const sql: Dialect = defineDialect({
  name: "sql",
  summary: "The CloudEvents SQL expression is TRUE, without any error.",
  config: { shape: "text", doc: "An expression of CESQL 1.0 over the attributes." },
  examples: [
    {
      spec: "type LIKE 'order.%' AND priority > 3",
      event: { type: "order.paid", priority: 5 },
      passes: true,
    },
    { spec: "priority > 3", event: {}, passes: false },
    { spec: "EXISTS subject AND LENGTH(subject) < 5", event: { subject: "4711" }, passes: true },
    { spec: "source IN ('/a', '/b')", event: { source: "/c" }, passes: false },
    { spec: "NOT (subject = 'draft')", event: {}, passes: false },
  ],
  compile(spec, compiler) {
    if (typeof spec !== "string") {
      const message = `expected an expression, as in "type LIKE 'order.%'", not ${nameKind(spec)}`;
      return compiler.refuse({ code: "invalid_value", message });
    }
    return compiler.isWithinLimits(spec) ? compileSql(spec, compiler) : undefined;
  },
});

function compileSql(text: string, compiler: ClauseCompiler): Clause | undefined {
  const compilation = compileCesql(text, readerOf, compiler.work.addPart());
  if (!compilation.ok) {
    const { position, message } = compilation.failure;
    const place = describePosition(text, position);
    return compiler.refuse({ code: "invalid_expression", message: `${place}: ${message}` });
  }
  const { expression } = compilation;
  for (const { position, message } of expression.warnings) {
    compiler.warn(`${describePosition(text, position)}: ${message}`);
  }
  const { path } = compiler;
  return {
    anchorings: anchoringsOf(expression.node),
    passes: (view) => expression.holds(view),
    explain(view, verdicts) {
      const reason = explainCesql(expression, readerOf, view);
      verdicts.push({ path, passed: expression.holds(view), reason });
    },
  };
}

/** CESQL knows strings, booleans and 32-bit integers, and so do the attributes of an event. */
function readerOf(name: string): AttributeReader<EventView> {
  if (name === "type") return (view) => view.event.type;
  if (name === "source") return (view) => view.event.source;
  return (view) => attributeOf(view.event, name);
}

/** What must hold of type, source or subject for the expression to be TRUE, where it says so. */
function anchoringsOf(node: CesqlNode): readonly Anchoring[] {
  if (node.kind === "in") return node.isNegated ? unanchored : anchoringsOfIn(node);
  if (node.kind === "like") return node.isNegated ? unanchored : anchoringsOfLike(node);
  if (node.kind !== "binary") return unanchored;
  const { operator, left, right } = node;
  if (operator === "=") {
    const [attribute, literal] = left.kind === "attribute" ? [left, right] : [right, left];
    const text = textOf(literal);
    const isSaid = attribute.kind === "attribute" && text !== undefined;
    return isSaid ? anchoredBy(attribute.name, "exact", [text]) : unanchored;
  }
  if (operator !== "AND" && operator !== "OR") return unanchored;
  const sides = [{ anchorings: anchoringsOf(left) }, { anchorings: anchoringsOf(right) }];
  return operator === "AND" ? intersectAnchorings(sides) : uniteAnchorings(sides);
}

function anchoringsOfIn({ operand, elements }: NodeOf<"in">): readonly Anchoring[] {
  const values = elements.map(textOf).filter((text) => text !== undefined);
  if (operand.kind !== "attribute" || values.length < elements.length) return unanchored;
  return anchoredBy(operand.name, "exact", values);
}

function anchoringsOfLike({ operand, pattern }: NodeOf<"like">): readonly Anchoring[] {
  if (operand.kind !== "attribute") return unanchored;
  const { start, end, isWhole } = literalEndsOf(pattern);
  if (isWhole) return anchoredBy(operand.name, "exact", [start]);
  if (start.length >= end.length && start !== "")
    return anchoredBy(operand.name, "prefix", [start]);
  return end === "" ? unanchored : anchoredBy(operand.name, "suffix", [end]);
}

type NodeOf<Kind extends CesqlNode["kind"]> = Extract<CesqlNode, { readonly kind: Kind }>;

function textOf(node: CesqlNode): string | undefined {
  return node.kind === "literal" && typeof node.value === "string" ? node.value : undefined;
}
