import assert from "node:assert/strict";
import { test } from "node:test";

import type { Outcome } from "../../src/connector/sink.ts";
import { slackBody } from "../../src/connector/sinks/slack-webhook.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { answering, bodyOf, httpServer, makeEvent, openSink } from "./support.ts";

function bodyFor(data: string | undefined, overrides: Partial<CloudEvent> = {}): string {
  const bytes = data === undefined ? undefined : Buffer.from(data);
  return slackBody(makeEvent({ data: bytes, ...overrides })).toString();
}

const untouched = [
  '{"text":"a < b"}',
  '{ "text" : "spaces stay",  "channel":"#ops" }',
  '{"blocks":[{"type":"divider"}],"text":"fallback"}',
  '{"blocks":[]}',
  '{"attachments":[{"text":"x"}]}',
];
for (const data of untouched) {
  test(`${data} passes untouched`, () => assert.equal(bodyFor(data), data));
}

const texts: readonly (readonly [string, string])[] = [
  [
    '{"slackMsg":"GitHub user<alice> just stared your repo<mill>. Current number of stars: 5."}',
    "GitHub user&lt;alice&gt; just stared your repo&lt;mill&gt;. Current number of stars: 5.",
  ],
  ['{"subject":"New star","message":"from <bob> & co"}', "New star\nfrom &lt;bob&gt; &amp; co"],
  ['"just text"', "just text"],
  ['{"a":1,"b":"x"}', '```\n{"a":1,"b":"x"}\n```'],
  ['{"text":5}', '```\n{"text":5}\n```'],
  ['{"subject":"only"}', "only"],
  ["[1,2]", "```\n[1,2]\n```"],
  ["12345678901234567890", "```\n12345678901234567890\n```"],
  ["not json at all", "not json at all"],
  ['{"a":"```","b":1}', '```\n{"a":"`\u200b`\u200b`","b":1}\n```'],
];
for (const [data, text] of texts) {
  test(`${data} becomes the text ${JSON.stringify(text)}`, () => {
    assert.deepEqual(JSON.parse(bodyFor(data)), { text });
  });
}

test("plain text is escaped and kept", () => {
  const body = bodyFor("<!channel> hello", { datacontenttype: "text/plain" });
  assert.deepEqual(JSON.parse(body), { text: "&lt;!channel&gt; hello" });
});

test("text that only looks like JSON stays text", () => {
  const body = bodyFor('{"text":"x"}', { datacontenttype: "text/plain" });
  assert.deepEqual(JSON.parse(body), { text: '{"text":"x"}' });
});

test("an event without data, or with bytes that are no text, is shown whole", () => {
  assert.match(bodyFor(undefined), /com\.example\.order\.placed/);
  const bytes = makeEvent({ data: Buffer.from([0xff, 0xfe]), datacontenttype: "image/png" });
  assert.match(slackBody(bytes).toString(), /data_base64/);
});

const answers: readonly (readonly [string, string, Outcome["outcome"], RegExp | undefined])[] = [
  ["200 OK", "ok", "delivered", undefined],
  ["200 OK", "ok\n", "delivered", undefined],
  ["200 OK", '{"ok":true,"ts":"1"}', "delivered", undefined],
  ["200 OK", "invalid_payload", "rejected", /refused it with invalid_payload/],
  ["200 OK", '{"ok":false,"error":"invalid_blocks"}', "rejected", /invalid_blocks/],
  ["200 OK", '{"ok":false,"error":"internal_error"}', "retry", /instead of 'ok'/],
  ["200 OK", "fatal_error", "retry", /instead of 'ok'/],
  ["200 OK", "<html>login</html>", "retry", /instead of 'ok'/],
  ["200 OK", "", "retry", /said nothing/],
  ["400 Bad Request", "invalid_blocks", "rejected", /invalid_blocks/],
  ["400 Bad Request", "whatever", "rejected", /answered 400/],
  ["403 Forbidden", "action_prohibited", "rejected", /action_prohibited/],
  ["404 Not Found", "no_service", "rejected", /no_service/],
  ["404 Not Found", "channel_not_found", "rejected", /channel_not_found/],
  ["404 Not Found", "<html>proxy</html>", "retry", /answered 404/],
  ["410 Gone", "channel_is_archived", "gone", /answered 410/],
  ["500 Oops", "rollup_error", "retry", /answered 500/],
  ["429 Slow\r\nRetry-After: 30", "rate_limited", "hold", /answered 429/],
  ["302 Found\r\nLocation: https://slack.example/", "", "rejected", /redirect/],
];
for (const [head, body, expected, error] of answers) {
  test(`Slack's answer ${JSON.stringify(head)} with ${JSON.stringify(body)} is ${expected}`, async () => {
    const length = Buffer.byteLength(body);
    await using server = await answering(
      `HTTP/1.1 ${head}\r\nContent-Length: ${length}\r\n\r\n${body}`,
    );
    await using sink = openSink("slack-webhook", { sink: server.url });
    const outcome = await sink.send();
    assert.equal(outcome.outcome, expected, JSON.stringify(outcome));
    if (error !== undefined) assert.match("error" in outcome ? outcome.error : "", error);
  });
}

test("an 'ok' whose body breaks off is not believed", async () => {
  await using server = await answering("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nok");
  await using sink = openSink("slack-webhook", { sink: server.url });
  assert.equal((await sink.send()).outcome, "retry");
});

test("the request is JSON by POST", async () => {
  let seen = "";
  await using server = await httpServer((request, response) => {
    void bodyOf(request).then((body) => {
      seen = `${request.method} ${request.headers["content-type"]} ${body}`;
      response.end("ok");
    });
  });
  await using sink = openSink("slack-webhook", { sink: server.url });
  assert.equal((await sink.send()).outcome, "delivered");
  assert.equal(
    seen,
    'POST application/json; charset=utf-8 {"text":"```\\n{\\"total\\":12}\\n```"}',
  );
});
