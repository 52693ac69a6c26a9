import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { PlaygroundResult } from "../../src/api/api.ts";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import { assertProblem, startHttpBroker, structuredEvent } from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({ config: { allowPrivateSinks: true } });
});
after(() => broker.stop());

const play = (body: unknown): Promise<Answer> => broker.fetch("POST", "/v1/playground", { body });

async function resultsOf(body: unknown): Promise<PlaygroundResult[]> {
  const answer = await play(body);
  assert.equal(answer.status, 200, answer.text);
  return answer.json<{ results: PlaygroundResult[] }>().results;
}

const star = structuredEvent({
  type: "com.github.star.created",
  data: { repository: { name: "hello", stargazers_count: 5 }, sender: { login: "octocat" } },
});

test("samples without last would be ignored, and is refused", async () => {
  const answer = await play({ events: [star], samples: 3 });
  assertProblem(answer, 400, "invalid_resource");
  assert.match(answer.text, /samples.*goes with last/);
});

test("numbers are compared and shown as they were written", async () => {
  const data = '{"n":1000000.50,"big":12345678901234567890}';
  const event = `{"specversion":"1.0","id":"a","source":"/s","type":"t","data":${data}}`;
  const filters = '[{"exact":{"data.n":"1000000.50"}}]';
  const transformer = '{"template":"{\\"big\\": ${$.data.big}}"}';
  const answer = await broker.fetch("POST", "/v1/playground", {
    headers: { "content-type": "application/json" },
    body: `{"events":[${event}],"filters":${filters},"transformer":${transformer}}`,
  });
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.text, /"passed":true/);
  assert.match(answer.text, /12345678901234567890/);
});

test("the article's example shows what Slack would get", async () => {
  const [first, second] = await resultsOf({
    events: [star, structuredEvent()],
    filters: [{ exact: { type: "com.github.star.created" } }],
    transformer: {
      define: {
        star_count: "$.data.repository.stargazers_count",
        repo: "$.data.repository.name",
        sender: "$.data.sender.login",
      },
      template:
        '{"slackMsg":  "GitHub user<${sender}> just stared your repo<${repo}>. Current number of stars: ${star_count}."}',
    },
  });
  assert.equal(first?.passed, true);
  const transformed = first?.transformed as { data: unknown } | undefined;
  assert.deepEqual(transformed?.data, {
    slackMsg: "GitHub user<octocat> just stared your repo<hello>. Current number of stars: 5.",
  });
  assert.deepEqual(first?.errors, []);
  assert.equal(second?.passed, false);
  assert.equal(second?.transformed, null);
  assert.equal(second?.clauses[0]?.passed, false);
  assert.match(second?.clauses[0]?.path ?? "", /^filters\[0\]/);
  assert.match(second?.clauses[0]?.reason ?? "", /com\.example\.test/);
});

test("a sink shows the request that would be sent", async () => {
  const [result] = await resultsOf({
    events: [star],
    protocol: "HTTP",
    sink: "http://127.0.0.1:9/x",
  });
  assert.equal(result?.request?.method, "POST");
  assert.equal(result?.request?.url, "http://127.0.0.1:9/x");
});

test("without a sink there is no request, without filters everything passes", async () => {
  const [result] = await resultsOf({ events: [star] });
  assert.deepEqual(result, {
    passed: true,
    clauses: [],
    transformed: star,
    request: null,
    errors: [],
  });
});

test("an event that is none is an error of that event", async () => {
  const [bad, good] = await resultsOf({ events: [{ id: "1" }, star] });
  assert.equal(bad?.passed, false);
  assert.ok(bad?.errors.some(({ path }) => path === "events[0].type"));
  assert.equal(good?.passed, true);
});

test("what a subscription would refuse is refused with its path", async () => {
  for (const [body, path] of [
    [{ events: [star], filters: [{ nope: {} }] }, "filters[0].nope"],
    [{ events: [star], transformer: { template: "${nobody}" } }, "transformer.template"],
    [{ events: [star], colour: 1 }, "colour"],
    [{ events: [] }, "events"],
    [{ events: "x" }, "events"],
    [{}, "events"],
    [[], "events"],
    [{ events: Array.from({ length: 101 }, () => star) }, "events"],
  ] as const) {
    const { errors } = assertProblem(await play(body), 400, "invalid_resource");
    assert.equal(errors[0]?.path, path);
  }
});
