import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { PlaygroundResult, Subscription } from "../../src/api/api.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { assertProblem, startHttpBroker, structuredEvent } from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({ buses: ["default"], config: { allowPrivateSinks: true } });
});
after(() => broker.stop());

const minimal = { bus: "default", protocol: "HTTP", sink: "http://127.0.0.1:9/" };

test("a filter that is probably not meant leaves a warning, until it is mended", async () => {
  const filters = [{ sql: "type = 'a' AND source = '/s' OR subject = 'x'" }];
  const answer = await broker.fetch("POST", "/v1/subscriptions", { body: { ...minimal, filters } });
  assert.equal(answer.status, 201, answer.text);
  const { id, warnings } = answer.json<Subscription>();
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /^filters\[0\]\.sql: line 1, column 30: AND, OR and XOR/);
  const path = `/v1/subscriptions/${id}`;
  const read = await broker.fetch("GET", path);
  assert.deepEqual(read.json<Subscription>().warnings, warnings);
  const mended = await broker.fetch("PATCH", path, {
    body: { filters: [{ sql: "(type = 'a' AND source = '/s') OR subject = 'x'" }] },
  });
  assert.equal(mended.status, 200, mended.text);
  assert.deepEqual(mended.json<Subscription>().warnings, []);
});

test("a filter that cannot be read is refused with its place, and nothing is stored", async () => {
  const before = await broker.fetch("GET", "/v1/subscriptions");
  const filters = [{ sql: "type =" }, { pattern: { type: [] } }, { cel: "event.type ==" }];
  const answer = await broker.fetch("POST", "/v1/subscriptions", { body: { ...minimal, filters } });
  assertProblem(answer, 400, "invalid_resource");
  const { errors } = answer.json<{ errors: readonly { path: string; message: string }[] }>();
  assert.deepEqual(
    errors.map(({ path }) => path),
    ["filters[0].sql", "filters[1].pattern.type", "filters[2].cel"],
  );
  assert.match(errors[0]?.message ?? "", /^line 1, column 7: /);
  const after = await broker.fetch("GET", "/v1/subscriptions");
  assert.equal(after.text, before.text);
});

test("the playground explains nested clauses with their paths and the values compared", async () => {
  const event = structuredEvent({ type: "order.paid", data: { total: 50 } });
  const filters = [
    {
      all: [
        { prefix: { type: "order." } },
        { pattern: { data: { total: [{ numeric: [">", 99] }] } } },
      ],
    },
    { not: { sql: "type = 'order.sent'" } },
    { any: [{ cel: "event.data.total > 99" }, { exact: { "data.total": 50 } }] },
  ];
  const answer = await broker.fetch("POST", "/v1/playground", {
    body: { events: [event], filters },
  });
  assert.equal(answer.status, 200, answer.text);
  const [result] = answer.json<{ results: PlaygroundResult[] }>().results;
  assert.equal(result?.passed, false);
  const clauses = result?.clauses.map(({ path, passed, reason }) => `${path} ${passed}: ${reason}`);
  assert.deepEqual(clauses, [
    "filters[0].all false: 1 of 2 filters hold",
    'filters[0].all[0].prefix.type true: type is "order.paid", which starts with "order."',
    "filters[0].all[1].pattern false: the event does not look like the pattern",
    'filters[0].all[1].pattern.data.total false: the value is 50, which is none of [{"numeric":[">",99]}]',
    "filters[1].not true: the filter inside does not hold",
    "filters[1].not.sql false: line 1, column 1: type = 'order.sent' is FALSE, with type \"order.paid\"",
    "filters[2].any true: 1 of 2 filters hold",
    "filters[2].any[0].cel false: line 1, column 1: event.data.total > 99 is false, with event.data.total: 50",
    'filters[2].any[1].exact["data.total"] true: data.total is "50", which equals "50"',
  ]);
});
