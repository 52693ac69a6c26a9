/** Properties that hold for every filter, run a few thousand times in short tests and longer in long. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { compileCesql, parseCesql, printCesql } from "../../src/expression/cesql/cesql.ts";
import type { EventView } from "../../src/event/event-view.ts";
import { compileWildcard, one, run } from "../../src/expression/wildcard.ts";
import type { WildcardPart } from "../../src/expression/wildcard.ts";
import { compileFilters } from "../../src/filter/compile.ts";
import { compareDecimals } from "../../src/filter/decimal.ts";
import { cesqlNodes, cesqlTexts, withoutPositions } from "./cesql-arbitraries.ts";
import { viewOfData, viewOf } from "./event-views.ts";

export interface FilterProperty {
  readonly name: string;
  run(numRuns: number): void;
}

export const filterProperties: readonly FilterProperty[] = [
  {
    name: "printing a CESQL tree and reading it gives the same tree",
    run(numRuns) {
      const holds = fc.property(cesqlNodes, (node) => {
        const parsing = parseCesql(printCesql(node));
        assert(parsing.ok, JSON.stringify(parsing));
        assert.deepEqual(withoutPositions(parsing.node), withoutPositions(node));
      });
      fc.assert(holds, { numRuns });
    },
  },
  {
    name: "any text is a CESQL expression that prints and reads the same, or a failure with its position",
    run(numRuns) {
      const attributes = new Map<string, string | number | boolean>([["a", "x"]]);
      const holds = fc.property(cesqlTexts, (text) => {
        const compilation = compileCesql<typeof attributes>(text, (name) => (map) => map.get(name));
        if (!compilation.ok) {
          const { position } = compilation.failure;
          assert(position >= 0 && position <= text.length, `${position} in ${text}`);
          return;
        }
        const { node } = compilation.expression;
        const again = parseCesql(printCesql(node));
        assert(again.ok);
        assert.deepEqual(withoutPositions(again.node), withoutPositions(node));
        const { value, error } = compilation.expression.evaluate(attributes);
        assert.equal(
          compilation.expression.holds(attributes),
          value === true && error === undefined,
        );
      });
      fc.assert(holds, { numRuns });
    },
  },
  {
    name: "a wildcard matches what the slow matcher by definition matches",
    run(numRuns) {
      const part = fc.constantFrom<WildcardPart>("a", "b", "ab", "🦊", run, run, one);
      const text = fc.array(fc.constantFrom("a", "b", "🦊"), { maxLength: 12 });
      const holds = fc.property(fc.array(part, { maxLength: 8 }), text, (parts, letters) => {
        const expected = matchesSlowly(splitLiterals(parts), letters);
        assert.equal(compileWildcard(parts).matches(letters.join("")), expected);
      });
      fc.assert(holds, { numRuns });
    },
  },
  {
    name: "decimals compare as exact fractions do",
    run(numRuns) {
      const digits = fc.stringMatching(/^(?:0|[1-9][0-9]{0,20})(?:\.[0-9]{1,20})?$/);
      const decimal = fc
        .tuple(fc.constantFrom("", "-"), digits, fc.constantFrom("", "e0", "e5", "E-7", "e+30"))
        .map((parts) => parts.join(""));
      const holds = fc.property(decimal, decimal, (left, right) => {
        const difference = scaled(left) - scaled(right);
        const expected = difference === 0n ? 0 : Number(difference > 0n) * 2 - 1;
        assert.equal(Math.sign(compareDecimals(left, right)) + 0, expected);
      });
      fc.assert(holds, { numRuns });
    },
  },
  {
    name: "any pattern or expression compiles to a filter that answers, or to violations",
    run(numRuns) {
      const views: readonly EventView[] = [
        viewOf({ subject: "a", data: { a: [1, { b: "x" }], c: null } }),
        viewOfData("[[],[{}],1e400]"),
        viewOf({}),
      ];
      const holds = fc.property(fc.oneof(patterns, celTexts), (filter) => {
        const compilation = compileFilters([filter]);
        if (!compilation.ok) {
          assert(compilation.violations.length > 0);
          for (const { path } of compilation.violations)
            assert(path.startsWith("filters[0]"), path);
          return;
        }
        for (const view of views) {
          const passes = compilation.filter.passes(view);
          assert.equal(compilation.filter.explain(view)[0]?.passed, passes);
        }
      });
      fc.assert(holds, { numRuns });
    },
  },
];

function splitLiterals(parts: readonly WildcardPart[]): readonly WildcardPart[] {
  return parts.flatMap((part): readonly WildcardPart[] =>
    typeof part === "string" ? Array.from(part) : [part],
  );
}

function matchesSlowly(parts: readonly WildcardPart[], letters: readonly string[]): boolean {
  const [first, ...rest] = parts;
  if (first === undefined) return letters.length === 0;
  if (first === run) {
    return (
      letters.some((_, index) => matchesSlowly(rest, letters.slice(index))) ||
      matchesSlowly(rest, [])
    );
  }
  const [letter, ...others] = letters;
  if (letter === undefined || (first !== one && first !== letter)) return false;
  return matchesSlowly(rest, others);
}

/** The decimal times 10^60, which makes every one of the generated an integer. */
function scaled(text: string): bigint {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return BigInt(whole + fraction) * 10n ** BigInt(60 - fraction.length + Number(exponent));
}

const scalars = fc.constantFrom<unknown>(
  "a",
  "",
  5,
  1e30,
  0.1,
  true,
  null,
  "10.0.0.0/8",
  "a*b",
  "**",
);
const matchers = fc.oneof(
  scalars,
  fc
    .tuple(
      fc.constantFrom(
        "prefix",
        "suffix",
        "anything-but",
        "numeric",
        "exists",
        "equals-ignore-case",
        "wildcard",
        "cidr",
        "nosuch",
      ),
      fc.oneof(
        scalars,
        fc.array(scalars, { maxLength: 4 }),
        fc.constantFrom<unknown>([">", 1], [">=", 1, "<", 3], { prefix: "a" }, { wildcard: ["*"] }),
      ),
    )
    .map(([name, value]) => ({ [name]: value })),
);
const patternKeys = fc.constantFrom("type", "subject", "data", "a", "b", "$or", "Bad-Key", "n");

const patterns = fc
  .letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.array(matchers, { maxLength: 3 }),
      fc.dictionary(patternKeys, tie("tree"), { maxKeys: 3 }),
      fc.array(fc.dictionary(patternKeys, tie("tree"), { maxKeys: 2 }), { maxLength: 2 }),
    ),
  }))
  .tree.map((pattern) => ({ pattern }));

const celTexts = fc
  .array(
    fc.constantFrom(
      "event",
      ".",
      "type",
      "data",
      "a",
      "b",
      "[",
      "]",
      "(",
      ")",
      "0",
      "1",
      "'a'",
      '"b"',
      "==",
      "!=",
      "<",
      "&&",
      "||",
      "!",
      "-",
      "+",
      "?",
      ":",
      ",",
      "has(event.subject)",
      "size(",
      "in",
      "event.data.a.exists(i, i == 1)",
      ".matches('a+')",
      "10u",
      "1.5",
      "null",
      "true",
      "{",
      "}",
      "event.data.a",
      "event.type",
      "b'x'",
      "$x.(string)",
      "🦊",
      "int(",
      "event.data.c",
    ),
    { maxLength: 10 },
  )
  .map((parts) => ({ cel: parts.join("") }));
