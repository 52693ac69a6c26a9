import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compileCesql } from "../../../src/expression/cesql/cesql.ts";
import type { CesqlValue } from "../../../src/expression/cesql/cesql.ts";

interface TckCase {
  readonly name: string;
  readonly expression: string;
  readonly result?: CesqlValue;
  readonly error?: string;
  readonly event?: Readonly<Record<string, CesqlValue>>;
  readonly eventOverrides?: Readonly<Record<string, CesqlValue>>;
}

interface TckSuite {
  readonly suite: string;
  readonly file: string;
  readonly tests: readonly TckCase[];
}

interface Erratum {
  readonly file: string;
  readonly name: string;
  readonly set: Partial<TckCase>;
  readonly drop: readonly string[];
}

function readVectors<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/${file}`, import.meta.url), "utf8")) as T;
}

const { suites } = readVectors<{ readonly suites: readonly TckSuite[] }>("cesql-tck.json");
const { replace: errata } = readVectors<{ readonly replace: readonly Erratum[] }>(
  "cesql-errata.json",
);

function corrected(file: string, each: TckCase): TckCase {
  const erratum = errata.find((fact) => fact.file === file && fact.name === each.name);
  if (erratum === undefined) return each;
  const kept = Object.entries(each).filter(([member]) => !erratum.drop.includes(member));
  return { ...(Object.fromEntries(kept) as unknown as TckCase), ...erratum.set };
}

function outcomeOf(each: TckCase): { result: CesqlValue; error: string | undefined } {
  const required = { specversion: "1.0", id: "id", source: "source", type: "type" };
  const event = new Map(Object.entries({ ...required, ...each.event, ...each.eventOverrides }));
  const compilation = compileCesql<typeof event>(
    each.expression,
    (name) => (subject) => subject.get(name),
  );
  if (!compilation.ok) return { result: false, error: compilation.kind };
  const { value, error } = compilation.expression.evaluate(event);
  assert.equal(compilation.expression.holds(event), value === true && error === undefined);
  return { result: value, error: error?.kind };
}

for (const { suite, file, tests } of suites) {
  test(`CESQL does what the official TCK says: ${suite}`, () => {
    assert(tests.length > 0);
    for (const each of tests) {
      const { name, expression, result, error } = corrected(file, each);
      const outcome = outcomeOf(each);
      assert.equal(outcome.error, error, `${name}: ${expression}`);
      if (result !== undefined) assert.equal(outcome.result, result, `${name}: ${expression}`);
    }
  });
}

test("the TCK is whole: 275 cases, of which one is corrected by the erratum", () => {
  assert.equal(suites.flatMap((suite) => suite.tests).length, 275);
  assert.equal(errata.length, 1);
});
