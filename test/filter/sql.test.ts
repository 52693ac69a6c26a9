import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "../../src/filter/compile.ts";
import type { CompiledFilter } from "../../src/filter/filter.ts";
import { viewOf } from "../support/event-views.ts";
import { mayPass } from "../../src/filter/filter-index.ts";
import { anchoringsOf } from "../support/anchorings.ts";

function compile(filters: unknown): CompiledFilter {
  const compilation = compileFilters(filters);
  assert(compilation.ok, JSON.stringify(compilation));
  return compilation.filter;
}

function reasonOf(sql: string, event: Readonly<Record<string, unknown>>): string {
  const [verdict] = compile([{ sql }]).explain(viewOf(event));
  assert.equal(verdict?.path, "filters[0].sql");
  return `${verdict?.passed}: ${verdict?.reason}`;
}

test("only a Boolean TRUE without an error passes, and not turns all else around", () => {
  const view = viewOf({ n: 5, flag: true, subject: "true" });
  const passing = ["TRUE", "n = 5", "flag", "flag = 'true'", "EXISTS subject"];
  const failing = ["FALSE", "1", "n", "'true'", "subject", "nosuch", "1 / 0 = 1", "nosuch OR TRUE"];
  for (const sql of passing) {
    assert.equal(compile([{ sql }]).passes(view), true, sql);
    assert.equal(compile([{ not: { sql } }]).passes(view), false, sql);
  }
  for (const sql of failing) {
    assert.equal(compile([{ sql }]).passes(view), false, sql);
    assert.equal(compile([{ not: { sql } }]).passes(view), true, sql);
  }
});

test("a filter judges each event anew, whatever the one before it did", () => {
  const filter = compile([{ sql: "n > 3" }]);
  const verdicts = [{ n: 5 }, {}, { n: "x" }, { n: "7" }, { n: 1 }].map((event) =>
    filter.passes(viewOf(event)),
  );
  assert.deepEqual(verdicts, [true, false, false, true, false]);
});

const anchored: readonly [sql: string, anchorings: readonly string[]][] = [
  ["type = 'a'", ["type=a"]],
  ["'a' = source", ["source=a"]],
  ["TYPE IN ('a', 'b')", ["type=a,b"]],
  ["type = 'a' AND n > 3", ["type=a"]],
  ["n > 3 AND (type = 'a' OR type = 'b')", ["type=a,b"]],
  ["type = 'a' AND type = 'b'", ["type="]],
  ["type = 'a' OR subject = 'b'", ["type=a or subject=b"]],
  ["type = 'a' OR n > 3", []],
  ["type != 'a'", []],
  ["NOT (type = 'a')", []],
  ["type NOT IN ('a')", []],
  ["type IN ('a', subject)", []],
  ["type = 1", []],
  ["type LIKE 'a'", ["type=a"]],
  ["type LIKE 'a%'", ["type^a"]],
  ["type LIKE 'a\\%%c'", ["type^a%"]],
  ["type LIKE 'a_c%'", ["type^a"]],
  ["subject LIKE '%bc'", ["subject$bc"]],
  ["type LIKE '%b%'", []],
  ["type NOT LIKE 'a%'", []],
  ["type = 'a' XOR FALSE", []],
];

test("what an expression asks of type, source and subject serves the index, and only that", () => {
  for (const [sql, anchorings] of anchored) {
    const filter = compile([{ sql }]);
    assert.deepEqual(anchoringsOf(filter), anchorings, sql);
    for (const type of ["a", "b", "1", "c", "abc", "a%bc"]) {
      const view = viewOf({ type, n: 5, subject: "b" });
      assert(!filter.passes(view) || mayPass(filter.anchorings, view.event), `${sql} ${type}`);
    }
  }
});

test("refusals and warnings name the filter, the line and the column", () => {
  const refused = compileFilters([{ exact: { type: "a" } }, { all: [{ sql: "n >\n ?" }] }]);
  assert(!refused.ok);
  assert.deepEqual(refused.violations, [
    {
      path: "filters[1].all[0].sql",
      code: "invalid_expression",
      message: 'line 2, column 2: unexpected character "?"',
    },
  ]);
  const wrongKind = compileFilters([{ sql: { a: 1 } }]);
  assert(!wrongKind.ok);
  assert.match(wrongKind.violations[0]?.message ?? "", /expected an expression.*not an object/);
  const accepted = compileFilters([{ sql: "a = 1 AND b = 2 OR c = 3" }, { sql: "1" }]);
  assert(accepted.ok);
  assert.equal(accepted.warnings.length, 2);
  assert.match(
    accepted.warnings[0] ?? "",
    /^filters\[0\]\.sql: line 1, column 17: AND, OR and XOR/,
  );
  assert.match(accepted.warnings[1] ?? "", /^filters\[1\]\.sql: line 1, column 1: .* Integer/);
  const clean = compileFilters([{ sql: "a = 1 AND b = 2" }]);
  assert(clean.ok);
  assert.deepEqual(clean.warnings, []);
});

test("explain names the part that decided, with the values, or the error with its position", () => {
  assert.equal(reasonOf("n = 5", { n: 5 }), "true: n = 5 is TRUE, with n 5");
  assert.equal(
    reasonOf("type = 'a' AND (n > 3 AND EXISTS subject)", { type: "a", n: 2 }),
    "false: line 1, column 17: n > 3 is FALSE, with n 2",
  );
  assert.equal(
    reasonOf("type = 'a' OR n = 3", { type: "b", n: "2" }),
    'false: line 1, column 1: type = \'a\' OR n = 3 is FALSE, with type "b", n "2"',
  );
  assert.equal(
    reasonOf("n + 1 > 3", { n: "x" }),
    'false: line 1, column 1: "x" is no Integer (cast), so it does not hold, with n "x"',
  );
  assert.equal(
    reasonOf("TRUE AND\n subject = 'a'", {}),
    'false: line 2, column 2: the event has no attribute "subject" (missingAttribute), so it does not hold, with no subject',
  );
  assert.equal(
    reasonOf("1 + 1", {}),
    "false: the expression is the Integer 2, and only TRUE holds",
  );
});
