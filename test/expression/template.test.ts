import assert from "node:assert/strict";
import { test } from "node:test";
import type { TemplatePart, TemplateReading } from "../../src/expression/template.ts";
import {
  compactJson,
  dollarSyntax,
  parseJsonTextTemplate,
  parseTextTemplate,
} from "../../src/expression/template.ts";

function show(parts: readonly TemplatePart[]): string {
  return parts
    .map((part) => {
      if (part.kind === "literal") return part.text;
      if (part.kind === "slot") return `‹${part.mode} ${part.placeholder.text}›`;
      const items = part.items.map((item) => `${show(item.parts)}${item.whole ? "?" : ""}`);
      return `${part.open}${items.join("|")}${part.close}`;
    })
    .join("");
}

function shown(reading: TemplateReading): string {
  assert(reading.ok, JSON.stringify(reading));
  return show(reading.parts);
}

const texts: readonly [template: string, parts: string][] = [
  ["", ""],
  ["plain", "plain"],
  ["a ${b} c", "a ‹text ${b}› c"],
  ["${a}${b}", "‹text ${a}›‹text ${b}›"],
  ["$${a}", "${a}"],
  ["$$${a}", "$${a}"],
  ["$ {a} $a }", "$ {a} $a }"],
  ['${$.data["}"].x}!', '‹text ${$.data["}"].x}›!'],
  ["${$.data['a\\'}']}", "‹text ${$.data['a\\'}']}›"],
  ["${größe} ${my-var_1}", "‹text ${größe}› ‹text ${my-var_1}›"],
];

test("a text template is text and placeholders", () => {
  for (const [template, parts] of texts) {
    assert.equal(shown(parseTextTemplate(template, dollarSyntax)), parts, template);
  }
});

const jsons: readonly [template: string, parts: string][] = [
  ['{"a": ${x}, "b": "<${y}>"}', '{"a": ‹value ${x}›?| "b": "<‹string ${y}›>"}'],
  ["${x}", "‹value ${x}›"],
  [" [ ${x} , ${y} ] ", " [ ‹value ${x}› ?| ‹value ${y}› ?] "],
  ['{"${k}": {"n": []}}', '{"‹string ${k}›": {"n": []}}'],
  ['"$${x} ${y}"', '"${x} ‹string ${y}›"'],
  ['"\\\\${x}\\""', '"\\\\‹string ${x}›\\""'],
  ['"${$.data[\\"}\\"]}"', '"‹string ${$.data[\\"}\\"]}›"'],
  ['"\\u0024{x}"', '"\\u0024{x}"'],
];

test("a JSON text template is cut along the structure of its JSON", () => {
  for (const [template, parts] of jsons) {
    assert.equal(shown(parseJsonTextTemplate(template, dollarSyntax)), parts, template);
  }
});

const refused: readonly [template: string, position: number, message: RegExp][] = [
  ["ab ${c", 3, /not closed by '}'; a literal '\${' is written '\$\${'/],
  ["${}", 0, /empty/],
  ["${ a }", 0, /' a ' is no name/],
  ["${a.b}", 0, /'a\.b' is no name/],
  ["x ${$.data..y}", 10, /'\.\.'/],
  ["${$type}", 2, /begins with '\$\.'/],
];

test("a bad placeholder is refused where it is wrong", () => {
  for (const [template, position, message] of refused) {
    const reading = parseTextTemplate(template, dollarSyntax);
    assert(!reading.ok, template);
    assert.match(reading.failure.message, message, template);
    assert.equal(reading.failure.position, position, template);
  }
});

const refusedJson: readonly [template: string, position: number, message: RegExp][] = [
  ['{"a":1,}', 7, /not valid JSON: unexpected '}'/],
  ['{"a": ${x} ${y}}', 11, /not valid JSON/],
  ['{"a": 1${x}}', 7, /not valid JSON/],
  ['{"a": ${x}1}', 10, /not valid JSON/],
  ["{${k}: 1}", 1, /not valid JSON/],
  ['{"a": $${x}}', 6, /not valid JSON/],
  ['{"a": "${x"}', 7, /not closed/],
  ['{"a": "${$.data["k"]}"}', 7, /not closed/],
  ['{"a": "x}', 9, /not valid JSON/],
  ['{"a": "\\q"}', 8, /not valid JSON/],
  ["{} {}", 3, /not valid JSON/],
  ["", 0, /not valid JSON/],
  ['{"a":"${$.data[\\"x\\"]..y}"}', 21, /'\.\.'/],
];

test("a JSON text template that makes no JSON is refused where it is wrong", () => {
  for (const [template, position, message] of refusedJson) {
    const reading = parseJsonTextTemplate(template, dollarSyntax);
    assert(!reading.ok, template);
    assert.match(reading.failure.message, message, template);
    assert.equal(reading.failure.position, position, template);
  }
});

test("compact JSON loses the white space outside of strings only", () => {
  assert.equal(compactJson('{ "a b" : [ 1.10 ,\n\t"\\" x" ] }'), '{"a b":[1.10,"\\" x"]}');
  assert.equal(compactJson("[1]"), "[1]");
});
