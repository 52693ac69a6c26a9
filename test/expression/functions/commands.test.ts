import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command, CommandExample } from "../../../src/expression/functions/commands.ts";
import { commands, findCommand, usageOf } from "../../../src/expression/functions/commands.ts";
import { compileTransformer } from "../../../src/transform/compile.ts";
import { viewOfText } from "../../support/event-views.ts";

const plain = { specversion: "1.0", id: "1", source: "/s", type: "t" };

/** What comes out of one command: data and attributes, or the sentence with which it fails. */
function run({ command, data, attributes }: CommandExample): unknown {
  const event = { ...plain, ...attributes, ...(data === undefined ? {} : { data }) };
  const compilation = compileTransformer({ pipeline: [{ command }] });
  if (!compilation.ok) return compilation.violations.map((one) => one.message).join("; ");
  const result = compilation.transformer.transform(viewOfText(JSON.stringify(event)));
  if (!result.ok) return result.failure.message;
  const text = result.event.data === undefined ? "null" : Buffer.from(result.event.data).toString();
  return {
    data: JSON.parse(text) as unknown,
    attributes: Object.fromEntries(result.event.extensions),
  };
}

function checkExample(example: CommandExample): void {
  const outcome = run(example);
  if (example.failure !== undefined) {
    assert.equal(typeof outcome, "string", "it fails");
    assert.ok(String(outcome).includes(example.failure), String(outcome));
    return;
  }
  const data = example.result?.data ?? example.data ?? null;
  const attributes = example.result?.attributes ?? example.attributes ?? {};
  assert.deepEqual(outcome, { data, attributes });
}

for (const command of commands) {
  test(`the examples of ${command.name} come out as written`, () => {
    assert.ok(command.examples.length > 0);
    for (const example of command.examples) checkExample(example);
  });
}

test("there are 38 commands, each under one name, and two names of a manual as aliases", () => {
  assert.equal(new Set(commands.map((command) => command.name)).size, 38);
  assert.equal(findCommand("EXTRACT_MISSING")?.name, "extract_missing_action");
  assert.equal(findCommand("split_with_interval")?.name, "split_with_intervals");
  assert.equal(findCommand("constructor"), undefined);
});

test("too few and too many arguments are refused with the way the command is used", () => {
  for (const command of commands) {
    const few = run({ command: [command.name] });
    assert.ok(String(few).includes(usageOf(command)), String(few));
    if (isOpen(command)) continue;
    const many = run({ command: [command.name, ...Array.from({ length: 9 }, () => "$.data.x")] });
    assert.ok(String(many).includes(usageOf(command)), String(many));
  }
});

function isOpen({ parameters }: Command): boolean {
  return parameters.some((parameter) => parameter.isRepeated === true);
}
