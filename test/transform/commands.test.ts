import assert from "node:assert/strict";
import { test } from "node:test";
import { commands } from "../../src/expression/functions/commands.ts";
import { limits } from "../../src/kernel/limits.ts";
import { compileTransformer } from "../../src/transform/compile.ts";
import { viewOf, viewOfBytes, viewOfData } from "../support/event-views.ts";
import { checkCommands } from "./commands-property.ts";
import { cpuMs } from "../support/cpu-time.ts";

test("any command with any arguments is refused, fails, or makes a valid event", () => {
  checkCommands({ numRuns: 10_000 });
});

function transform(pipeline: readonly (readonly unknown[])[], view = viewOfData('{"a":"x"}')) {
  const commandsGiven = pipeline.map((command) => ({ command }));
  const compilation = compileTransformer({ pipeline: commandsGiven });
  assert.ok(compilation.ok, JSON.stringify(compilation));
  return compilation.transformer.transform(view);
}

function dataAfter(pipeline: readonly (readonly unknown[])[], data: string): string {
  const result = transform(pipeline, viewOfData(data));
  assert.ok(result.ok, JSON.stringify(result));
  return Buffer.from(result.event.data ?? []).toString();
}

test("numbers that no command calculates with keep their digits", () => {
  const data = '{"n":12345678901234567890,"m":1.10,"e":1e400}';
  const after = dataAfter([["move", "$.data.n", "$.data.o"]], data);
  assert.equal(after, '{"m":1.10,"e":1e400,"o":12345678901234567890}');
});

test("data that no command touches stays as it was, to the last byte", () => {
  const bytes = Buffer.from('{ "a" : 1.0 ,\n"a":2}');
  const result = transform([["create", "$.level", "high"]], viewOfBytes(bytes, "application/json"));
  assert.ok(result.ok);
  assert.deepEqual(result.event.data, bytes);
  assert.equal(result.event.extensions.get("level"), "high");
});

test("a pipeline that changes nothing hands on the very same event", () => {
  const view = viewOf({ data: { a: 1 } });
  const result = transform([["delete", "$.absent"]], view);
  assert.ok(result.ok);
  assert.deepEqual(result.event.extensions, view.event.extensions);
});

test("data that is not JSON can be left alone, and fails the command that looks into it", () => {
  const view = viewOfBytes(Buffer.from("hello"), "text/plain");
  assert.ok(transform([["create", "$.level", "high"]], view).ok);
  const result = transform([["create", "$.data.a", 1]], view);
  assert.ok(!result.ok);
  assert.equal(result.failure.path, "transformer.pipeline[0]");
  assert.match(result.failure.message, /create: the data of the event is not JSON/);
});

test("a command makes JSON data where the event has none", () => {
  const result = transform([["create", "$.data.a", 1]], viewOfBytes(undefined, undefined));
  assert.ok(result.ok);
  assert.equal(Buffer.from(result.event.data ?? []).toString(), '{"a":1}');
  assert.equal(result.event.datacontenttype, "application/json");
});

test("keys of the prototype are members like others", () => {
  const after = dataAfter([["create", '$.data["__proto__"].x', 1]], "{}");
  assert.equal(after, '{"__proto__":{"x":1}}');
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});

test("attributes are held to what CloudEvents allow", () => {
  for (const [command, message] of [
    [["replace", "$.time", "yesterday"], /time "yesterday"/],
    [["create", "$.level", { a: 1 }], /is an attribute/],
    [["create", "$.level", 1.5], /is an attribute/],
    [["replace", "$.source", ""], /source/],
    [["delete", "$.type"], /every event needs its type/],
    [["create", "$.datacontenttype", "x"], /cannot be changed/],
  ] as const) {
    const result = transform([command], viewOf({ time: "2022-11-15T15:41:25Z", data: {} }));
    assert.ok(!result.ok, JSON.stringify(command));
    assert.match(result.failure.message, message);
  }
});

/** Attacks, each of which must end within its limits and fail only this event. */
const attacks: readonly (readonly [name: string, pipeline: readonly (readonly unknown[])[]])[] = [
  [
    "doubling a text in every command",
    Array.from({ length: 100 }, () => ["add_suffix", "$.data.a", "$.data.a"]),
  ],
  [
    "doubling an object in every command",
    Array.from({ length: 50 }, (_, index) => ["duplicate", "$.data", `$.data.k${index}`]),
  ],
  [
    "a replacement that grows a millionfold",
    [
      ["replace_string", "$.data.a", "x", "y".repeat(60_000)],
      ["replace_string", "$.data.a", "y", "z".repeat(60_000)],
    ],
  ],
  [
    "lists filled with null",
    Array.from({ length: 100 }, (_, index) => ["create", `$.data.l${index}[9999].b[9999]`, 1]),
  ],
  [
    "one piece for each byte, again and again",
    [
      ["create", "$.data.t", "x".repeat(60_000)],
      ...Array.from({ length: 90 }, (_, index) => [
        "split_with_intervals",
        "$.data.t",
        0,
        1,
        `$.data.p${index}`,
      ]),
    ],
  ],
];

for (const [name, pipeline] of attacks) {
  test(`an attack ends within its limits: ${name}`, () => {
    const begun = cpuMs();
    const result = transform(pipeline);
    assert.ok(!result.ok, "it fails");
    assert.match(result.failure.message, /pipelineWorkMax|transformOutputBytesMax|pipelineList/);
    assert.ok(cpuMs() - begun < 2000, "soon");
  });
}

test("a pattern that would take for ever fails within its time", () => {
  const text = "a".repeat(20_000);
  const result = transform(
    [["replace_with_regex", "$.data.a", "(a|aa)+$|a", "b"]],
    viewOfData(JSON.stringify({ a: `${text}!` })),
  );
  const slow = transform(
    [["replace_with_regex", "$.data.a", "a.*b|a", "c"]],
    viewOfData(JSON.stringify({ a: text })),
  );
  for (const one of [result, slow]) {
    if (!one.ok) assert.match(one.failure.message, /regexWorkMax|took more than/);
  }
  assert.ok(!slow.ok, "a search that looks ahead at every match is stopped");
});

test("data may not be nested deeper than the broker reads it", () => {
  const deep = Array.from({ length: 3 }, (_, index) => [
    "create",
    `$.data${".d".repeat(30)}${index === 0 ? "" : `.x${index}`}`,
    index === 0 ? {} : "$.data",
  ]);
  const result = transform(deep, viewOfData("{}"));
  assert.ok(!result.ok);
  assert.match(result.failure.message, new RegExp(`${limits.jsonDepthMax} deep`));
});

test("every command has a summary, a use and examples of its own", () => {
  for (const { name, summary, parameters, examples } of commands) {
    assert.match(summary, /\.$/, name);
    assert.ok(
      parameters.every((one) => one.summary !== ""),
      name,
    );
    assert.ok(examples.length > 0, name);
  }
});
