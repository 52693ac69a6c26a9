/** Any command on any event: shared by the quick and the long test. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeStructured } from "../../src/event/json-format.ts";
import { decodeStructured } from "../../src/event/json-format.ts";
import { commands } from "../../src/expression/functions/commands.ts";
import { compileTransformer } from "../../src/transform/compile.ts";
import { viewOf } from "../support/event-views.ts";

const paths = [
  "$.data",
  "$.data.a",
  "$.data.b.c",
  "$.data.l[1]",
  "$.data.l[*]",
  "$.data.new[2].x",
  "$.subject",
  "$.level",
  "$.id",
  "@.n",
  "${v}",
] as const;

const argument: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...paths) },
  fc.string({ unit: "grapheme" }),
  fc.constantFrom<unknown>(-1, 0, 1, 2, "3", 1.5, true, null, "==", "UTC", "Y-m-d", "(a)", [
    "upper_case",
    "@.n",
  ]),
  fc.jsonValue({ maxDepth: 3 }),
);

const command = fc
  .record({
    name: fc.constantFrom(...commands.map((one) => one.name)),
    args: fc.array(argument, { maxLength: 6 }),
  })
  .map(({ name, args }) => ({ command: [name, ...args] }));

const data = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.record({
    a: fc.jsonValue({ maxDepth: 1 }),
    b: fc.record({
      c: fc.oneof(
        fc.string({ unit: "grapheme" }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
      ),
    }),
    l: fc.array(fc.record({ n: fc.string() })),
  }),
);

/** The seed of a failure is in fast-check's report. */
export function checkCommands(parameters: { readonly numRuns: number }): void {
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 3 }), data, (pipeline, value) => {
      const compilation = compileTransformer({ define: { v: "$.data.a" }, pipeline });
      if (!compilation.ok) return;
      const result = compilation.transformer.transform(viewOf({ data: value, subject: "s" }));
      if (!result.ok) {
        assert.match(result.failure.path, /^transformer\.pipeline\[\d\]$/);
        return;
      }
      // What a command makes must be an event that any broker takes.
      const reading = decodeStructured(encodeStructured(result.event));
      assert.ok(reading.ok, JSON.stringify(reading));
    }),
    parameters,
  );
}
