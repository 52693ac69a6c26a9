import assert from "node:assert/strict";
import { test } from "node:test";
import { cesqlFunctions, compileCesql, signatureOf } from "../../../src/expression/cesql/cesql.ts";
import type { CesqlExpression, CesqlValue } from "../../../src/expression/cesql/cesql.ts";
import { describePosition } from "../../../src/expression/template.ts";
import { limits } from "../../../src/kernel/limits.ts";

type Attributes = ReadonlyMap<string, CesqlValue>;

const event: Attributes = new Map<string, CesqlValue>([
  ["id", "1"],
  ["source", "/s"],
  ["type", "t"],
  ["specversion", "1.0"],
  ["n", 5],
  ["zero", "010"],
  ["flag", true],
  ["text", "true"],
  ["fox", "🦊a"],
  ["5g", "yes"],
]);

function compile(text: string): CesqlExpression<Attributes> {
  const compilation = compileCesql<Attributes>(text, (name) => (map) => map.get(name));
  assert(compilation.ok, `${text}: ${JSON.stringify(compilation)}`);
  return compilation.expression;
}

function refusalOf(text: string): string {
  const compilation = compileCesql<Attributes>(text, (name) => (map) => map.get(name));
  assert(!compilation.ok, text);
  const { position, message } = compilation.failure;
  return `${describePosition(text, position)}: ${message}`;
}

const results: readonly [text: string, value: CesqlValue, error?: string][] = [
  // Casts of =: the left side takes the type of the right side.
  ["zero = 10", true],
  ["10 = zero", false],
  ["true = 'TRUE'", false],
  ["'TRUE' = true", true],
  ["'x' != 1", false, "cast"],
  ["missing != 2", false, "missingAttribute"],
  ["n = '5'", true],
  ["flag = TRUE", true],
  ["text = TRUE", true],
  // Order and arithmetic are of integers.
  ["'9' < '10'", true],
  ["'a' < 'b'", false, "cast"],
  ["TRUE > FALSE", true],
  ["2147483647 + 1", 0, "math"],
  ["-2147483648 - 1", 0, "math"],
  ["2147483647 * 2147483647", 0, "math"],
  ["- -2147483648", 0, "math"],
  ["-2147483648 / -1", 0, "math"],
  ["-7 / 2", -3],
  ["-7 % 3", -1],
  ["0 / -5", 0],
  ["0 * -1", 0],
  ["-2147483648", -2147483648],
  ["4 -1", 3],
  ["4-1", 3],
  ["4 - -1", 5],
  ["1 + +1", 2],
  ["'' + 1", 0, "cast"],
  ["' 1' + 1", 0, "cast"],
  ["'1.5' + 1", 0, "cast"],
  ["'99999999999' + 1", 0, "cast"],
  ["'+0012' + 1", 13],
  // Errors end everything around them.
  ["missing OR TRUE", false, "missingAttribute"],
  ["TRUE OR missing", true],
  ["FALSE AND missing", false],
  ["1 / missing", 0, "missingAttribute"],
  ["NOT missing", false, "missingAttribute"],
  ["LENGTH(missing) = 0", false, "missingAttribute"],
  ["CONCAT('a', missing)", "", "missingAttribute"],
  ["TRUE XOR missing", false, "missingAttribute"],
  ["missing", false, "missingAttribute"],
  // Precedence.
  ["NOT TRUE = FALSE", true],
  ["NOT (TRUE = TRUE)", false],
  ["NOT 'a' LIKE 'a'", false, "cast"],
  ["1 + 2 IN (2)", 2],
  ["2 * 3 + 4", 10],
  ["2 + 3 * 4", 14],
  ["1 < 2 = TRUE", true],
  ["10 - 4 - 3", 3],
  ["TRUE OR TRUE AND FALSE", true],
  ["TRUE AND FALSE OR TRUE", true],
  ["FALSE AND FALSE OR TRUE", false],
  ["TRUE OR FALSE AND FALSE", true],
  ["FALSE AND TRUE OR TRUE", false],
  ["TRUE XOR TRUE XOR TRUE", true],
  ["-n LIKE '-5'", true],
  // IN casts the elements to the left side, and stops at the first that equals.
  ["n IN ('4', '5')", true],
  ["'5' IN (n)", true],
  ["1 IN ('a', 1)", false, "cast"],
  ["1 IN (1, 'a')", true],
  ["1 NOT IN ('a', 1)", false, "cast"],
  ["1 IN (missing, 1)", false, "missingAttribute"],
  ["n IN (n + 1, n)", true],
  // LIKE.
  ["fox LIKE '_a'", true],
  ["fox LIKE '__a'", false],
  ["'a.c' LIKE 'a.c'", true],
  ["'abc' LIKE 'a.c'", false],
  ["'A' LIKE 'a'", false],
  ["'a%' LIKE 'a\\%'", true],
  ["'ab' LIKE 'a\\%'", false],
  ["'' LIKE ''", true],
  ["'' LIKE '%'", true],
  ["'' LIKE '_'", false],
  ["'a\\Eb' LIKE '%\\E%'", true],
  ["'a\nb' LIKE 'a%b'", true],
  ["n LIKE '5'", true],
  // Names and texts.
  ["TYPE = 't'", true],
  ["5g = 'yes'", true],
  ["EXISTS constructor", false],
  ["EXISTS SpecVersion", true],
  ["exists missing or true", true],
  ["'it''s'", "it''s"],
  ["'=' != '='", false],
  ["'=' = '='", true],
  ["'(' <> ')'", true],
  ['"a\\"b"', 'a"b'],
  ["'a\\c'", "a\\c"],
  ["'a\\\\'", "a\\\\"],
  ["length ( 'abc' )", 3],
  ["SUBSTRING('🦊abc', 2, 2)", "ab"],
  ["SUBSTRING('a🦊', -1)", "🦊"],
  ["TRIM('\u0085 \ufeffa\u3000')", "\ufeffa"],
  ["UPPER('ß')", "SS"],
];

test("expressions give the value and the error that spec/filters.md says", () => {
  for (const [text, value, error] of results) {
    const outcome = compile(text).evaluate(event);
    assert.equal(outcome.error?.kind, error, text);
    assert.equal(outcome.value, value, text);
  }
});

test("every example of every function is true", () => {
  for (const each of cesqlFunctions) {
    assert.match(each.summary, /^[A-Z].*\.$/);
    assert(each.examples.length > 0, each.name);
    for (const { call, result, error } of each.examples) {
      assert(call.startsWith(`${each.name}(`));
      const outcome = compile(call).evaluate(event);
      assert.deepEqual([outcome.value, outcome.error?.kind], [result, error], call);
    }
  }
  assert.equal(
    signatureOf(cesqlFunctions.find(({ name }) => name === "SUBSTRING") ?? assert.fail()),
    "SUBSTRING(text, position[, length])",
  );
});

const refusals: readonly [text: string, message: RegExp][] = [
  ["", /^line 1, column 1: the expression is empty/],
  ["  ", /the expression is empty/],
  ["type ==  't'", /^line 1, column 7: unexpected '='; CESQL compares with one =/],
  ["type =\n  ", /^line 2, column 3: unexpected end of the text; expected a value/],
  ["type = 't", /^line 1, column 8: the text that begins here has no closing '/],
  ["(type = 't'", /^line 1, column 12: unexpected end of the text; expected '\)'/],
  ["type = 't')", /^line 1, column 11: this '\)' closes nothing/],
  ["type LIKE subject", /^line 1, column 11: LIKE takes a text in quotes/],
  ["type IN ()", /^line 1, column 10: IN needs at least one value/],
  ["EXISTS 'a'", /^line 1, column 8: unexpected ''a''; expected an attribute's name/],
  ["EXISTS 5", /'5' can be no attribute's name/],
  ["n NOT = 5", /^line 1, column 7: expected LIKE or IN behind NOT/],
  ["data.a = 1", /^line 1, column 5: unexpected '.'; CESQL sees attributes only/],
  ["data = 'a'", /^line 1, column 1: CESQL sees attributes only/],
  ["my_ext = 1", /'my_ext' can be no attribute's name; names consist of a-z and 0-9/],
  ["in = 1", /'in', a word of the language/],
  ["2147483648 = n", /^line 1, column 1: '2147483648' is too large/],
  ["- 2147483648 = n", /^line 1, column 3: '2147483648' is too large/],
  ["a && b", /^line 1, column 3: unexpected '&'; write AND, OR/],
  ["!a", /write NOT/],
  ["a @ b", /^line 1, column 3: unexpected character "@"/],
  ["a b", /^line 1, column 3: unexpected 'b'; expected an operator/],
  ["type '('", /^line 1, column 6: unexpected ''\(''; expected an operator/],
  ["1 2", /^line 1, column 3: unexpected '2'/],
  ["LENGHT('a') = 1", /^line 1, column 1: unknown function 'LENGHT'; known: INT, BOOL/],
  [
    "a = LEFT('a')",
    /^line 1, column 5: there is no LEFT with 1 arguments; it is LEFT\(text, length\)/,
  ],
  ["CONCAT_WS() = ''", /it is CONCAT_WS\(separator, text…\)/],
  ["a =\u00a0b", /unexpected character/],
];

test("what is no expression is refused with line, column and the way out", () => {
  for (const [text, message] of refusals) assert.match(refusalOf(text), message, text);
});

const warnings: readonly [text: string, message: RegExp | undefined][] = [
  ["a = 1 AND b = 2 AND c = 3", undefined],
  ["(a = 1 AND b = 2) OR c = 3", undefined],
  ["a = 1 AND b = 2 OR c = 3", /^16: AND, OR and XOR bind equally/],
  ["NOT a = 1", /^0: NOT binds tighter/],
  ["NOT (a = 1)", undefined],
  ["NOT a LIKE 'x'", /^0: NOT binds tighter/],
  ["NOT EXISTS a", undefined],
  ["LENGTH(type)", /^0: the expression is always of type Integer and never TRUE/],
  ["subject", /^0: the expression is always of type String/],
  ["flag", /^0: flag alone holds only where the event came with a Boolean/],
  ["a = 1 / 0", /^4: this always fails: 1 is divided by 0/],
  ["TRUE OR 1 / 0 = 1", undefined],
];

test("what is probably not meant is accepted with a warning", () => {
  for (const [text, message] of warnings) {
    const [first] = compile(text).warnings;
    if (message === undefined) assert.equal(first, undefined, text);
    else assert.match(`${first?.position}: ${first?.message}`, message, text);
  }
});

test("an expression is bounded in depth and parts, and long chains are not deep (P7)", () => {
  const deep = limits.expressionDepthMax;
  assert.match(
    refusalOf(`${"(".repeat(deep + 1)}TRUE${")".repeat(deep + 1)}`),
    /expressionDepthMax/,
  );
  assert.match(refusalOf("NOT ".repeat(100_000)), /expressionDepthMax/);
  assert.match(refusalOf("-".repeat(100_000)), /expressionDepthMax/);
  compile(`${"(".repeat(deep - 1)}TRUE${")".repeat(deep - 1)}`);
  const count = Math.floor(limits.expressionNodesMax / 4);
  const chain = Array.from({ length: count }, () => "n = 5").join(" AND ");
  assert(compile(chain).holds(event));
  const long = Array.from({ length: count * 2 }, () => "n = 5").join(" OR ");
  assert.match(refusalOf(long), /expressionNodesMax/);
});

test("an evaluation that would look at too much is an error, not a wait (P7)", () => {
  const huge: Attributes = new Map([["x", "a".repeat(1_000_000)]]);
  const doubled = `CONCAT(${Array.from({ length: 60 }, () => "x").join(", ")})`;
  const startMs = performance.now();
  const { error } = compile(`LENGTH(${doubled}) > 0`).evaluate(huge);
  assert.equal(error?.kind, "functionEvaluation");
  assert.match(error?.message ?? "", /expressionWorkMax/);
  const likes = Array.from({ length: 200 }, () => "x LIKE '%a_b%'").join(" OR ");
  assert(!compile(likes).holds(huge));
  assert(performance.now() - startMs < 10_000);
  assert(compile("x LIKE 'a%' AND LENGTH(x) = 1000000").holds(huge));
});
