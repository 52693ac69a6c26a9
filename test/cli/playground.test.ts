import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { HttpBroker } from "../support/http-broker.ts";
import { startHttpBroker, structuredEvent } from "../support/http-broker.ts";
import type { Ran } from "../support/run-cli.ts";
import { millrace as run } from "../support/run-cli.ts";

let directory = "";
let broker: HttpBroker;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-fixtures-"));
  broker = await startHttpBroker({});
});
after(async () => {
  await broker.stop();
  await rm(directory, { recursive: true });
});

const millrace = (...argv: readonly string[]): Promise<Ran> => run(argv);

async function fixtures(name: string, content: unknown): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

const event = structuredEvent({ type: "order.placed", data: { total: 7 } });
const subscription = {
  filters: [{ exact: { type: "order.placed" } }],
  transformer: { template: '{"t":${$.data.total}}' },
};

test("a dry run without a broker shows clauses, the new event and the request", async () => {
  const ran = await millrace(
    "playground",
    "--event",
    JSON.stringify(event),
    "--subscription",
    JSON.stringify(subscription),
    "--sink",
    "https://example.com/hook",
  );
  assert.equal(ran.status, 0, ran.noticed);
  assert.match(ran.printed, /event 1: passes/);
  assert.match(ran.printed, /✓ filters\[0\]\.exact\.type/);
  assert.match(ran.printed, /"t": 7/);
  assert.match(ran.printed, /POST https:\/\/example\.com\/hook/);
});

test("large numbers of an event keep their digits on the way through the command line", async () => {
  const text = JSON.stringify(event).replace('"total":7', '"total":12345678901234567890');
  const ran = await millrace(
    "playground",
    "--event",
    text,
    "--transformer",
    '{"template":"{\\"t\\":${$.data.total}}"}',
    "--sink",
    "https://example.com/hook",
  );
  assert.match(ran.printed, /{"t":12345678901234567890}/);
});

test("what is wrong with a filter is said with its path, and the exit status is 1", async () => {
  const ran = await millrace(
    "playground",
    "--event",
    JSON.stringify(event),
    "--filters",
    '[{"x":1}]',
  );
  assert.equal(ran.status, 1);
  assert.match(ran.noticed, /filters\[0\]/);
});

test("--last tries the newest events of a bus and counts them", async () => {
  await broker.fetch("PUT", "/v1/buses/orders", { body: {} });
  for (let index = 0; index < 10; index++) {
    const one = structuredEvent({ type: index % 2 === 0 ? "even" : "odd", data: { index } });
    await broker.fetch("POST", "/v1/buses/orders/events", {
      headers: { "content-type": "application/cloudevents+json" },
      body: JSON.stringify(one),
    });
  }
  const filters = '[{"exact":{"type":"even"}}]';
  const wanted = ["--bus", "orders", "--last", "7", "--samples", "2", "--filters", filters];
  const ran = await millrace("playground", "--url", broker.url, ...wanted, "--output", "json");
  assert.equal(ran.status, 0, ran.noticed);
  const { range, results } = JSON.parse(ran.printed) as {
    range: unknown;
    results: { offset: number }[];
  };
  assert.deepEqual(range, { bus: "orders", from: 3, next: 10, events: 7, passed: 3, failed: 0 });
  assert.deepEqual(
    results.map(({ offset }) => offset),
    [4, 6],
  );
});

test("neither events nor --last, and both, are refused", async () => {
  assert.equal((await millrace("playground")).status, 2);
  const both = await millrace("playground", "--last", "3", "--event", JSON.stringify(event));
  assert.equal(both.status, 2);
  assert.match(both.noticed, /--event, or --last/);
});

test("fixtures that hold end with 0", async () => {
  const file = await fixtures("good.json", [
    { name: "passes", subscription, event, expect: { passed: true, data: { t: 7 } } },
    {
      subscription,
      events: [event, structuredEvent({ type: "other" })],
      expect: [{ passed: true }, { passed: false, transformed: null }],
    },
  ]);
  const ran = await millrace("test", file);
  assert.equal(ran.status, 0, ran.printed + ran.noticed);
  assert.match(ran.printed, /2 of 2 fixtures hold/);
});

test("a fixture that does not hold says what came out and which clause failed, and ends with 1", async () => {
  const file = await fixtures("bad.json", [
    { name: "other data", subscription, event, expect: { data: { t: 8 } } },
    {
      name: "other type",
      subscription,
      event: structuredEvent({ type: "x" }),
      expect: { passed: true },
    },
  ]);
  const ran = await millrace("test", file);
  assert.equal(ran.status, 1);
  assert.match(ran.printed, /✗ .*other data\n\s+data is {"t":7}, expected {"t":8}/);
  assert.match(ran.printed, /filters\[0\]\.exact\.type: .*x/);
});

test("a transformer's error fails a fixture that does not expect it", async () => {
  const failing = { transformer: { pipeline: [{ command: ["upper_case", "$.data.none"] }] } };
  const file = await fixtures("error.json", [
    { name: "unexpected", subscription: failing, event, expect: { passed: true } },
    {
      name: "expected",
      subscription: failing,
      event,
      expect: { error: "no value at $.data.none" },
    },
  ]);
  const ran = await millrace("test", file, "--output", "json");
  assert.equal(ran.status, 1);
  const report = JSON.parse(ran.printed) as { failed: number; fixtures: { failures: string[] }[] };
  assert.equal(report.failed, 1);
  assert.deepEqual(report.fixtures[1]?.failures, []);
});

test("a subscription that would be refused fails its fixture by name, and the others run", async () => {
  const file = await fixtures("refused.json", [
    {
      name: "refused",
      subscription: { filters: [{ sql: "type =" }] },
      event,
      expect: { passed: true },
    },
    { name: "good", subscription, event, expect: { passed: true } },
  ]);
  const ran = await millrace("test", file);
  assert.equal(ran.status, 1);
  assert.match(ran.printed, /✗ .*: refused\n\s+refused: filters\[0\]\.sql: line 1, column 7/);
  assert.match(ran.printed, /✓ .*: good\n1 of 2 fixtures hold/);
});

const wrongFiles: readonly (readonly [content: string, message: RegExp])[] = [
  ["{", /line 1/],
  ["[]", /no fixture/],
  ['{"expect":{"passed":true}}', /needs an event/],
  ['{"event":{},"expect":{}}', /expect says/],
  ['{"event":{},"expect":{"pased":true}}', /no member 'pased'/],
  ['{"event":{},"expects":{}}', /no member 'expects'/],
  ['{"events":[{},{}],"expect":[{"passed":true}]}', /1 expectations for 2 events/],
];

test("a file that is wrong is named with its fault, and ends with 2", async () => {
  for (const [content, message] of wrongFiles) {
    const ran = await millrace("test", await fixtures("wrong.json", content));
    assert.equal(ran.status, 2, content);
    assert.match(ran.noticed, message);
  }
});

test("the fixture of docs/fixtures.md holds", async () => {
  const text = await readFile(new URL("../../docs/fixtures.md", import.meta.url), "utf8");
  const [, example = ""] = /```json\n([\s\S]*?)```/.exec(text) ?? [];
  const ran = await millrace("test", await fixtures("docs.json", example));
  assert.equal(ran.status, 0, ran.printed + ran.noticed);
});
