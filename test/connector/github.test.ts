import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import { github } from "../../src/connector/catalog/github.ts";
import type { SourceKind, WebhookVerdict } from "../../src/connector/source.ts";
import { findSourceKind, webhookSourceKind } from "../../src/connector/sources.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { validateEvent } from "../../src/event/validate.ts";
import { systemRandom } from "../../src/kernel/random.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

interface Examples {
  readonly name: string;
  readonly examples: readonly Readonly<Record<string, unknown>>[];
}
const catalogue = createRequire(import.meta.url)("@octokit/webhooks-examples") as Examples[];

const secret = "It's a Secret to Everybody";
const now = "2026-01-01T00:00:00.000Z";

interface Sending {
  readonly kind?: string | undefined;
  readonly body: string | Buffer;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly source?: SourceKind;
}

function sign(body: string | Buffer, key = secret): string {
  return `sha256=${createHmac("sha256", key).update(body).digest("hex")}`;
}

function receive({
  kind = "star",
  body,
  contentType,
  headers,
  secrets,
  source,
}: Sending): WebhookVerdict {
  const opened = (source ?? webhookSourceKind(github)).open({
    secrets: secrets ?? [secret],
    config: {},
    clock: new FakeClock(Date.parse(now)),
    random: systemRandom,
  });
  return opened.receive({
    method: "POST",
    headers: new Map(
      Object.entries({
        "content-type": contentType ?? "application/json",
        "x-github-event": kind,
        "x-github-delivery": "d-1",
        "x-hub-signature-256": sign(body),
        ...headers,
      }),
    ),
    query: new Map(),
    body: Buffer.from(body),
  });
}

function eventOf(verdict: WebhookVerdict): CloudEvent {
  assert.equal(verdict.verdict, "publish", JSON.stringify(verdict));
  assert.ok(verdict.verdict === "publish");
  const [event] = verdict.events;
  assert.ok(event !== undefined && verdict.events.length === 1);
  return event;
}

function refusalOf(verdict: WebhookVerdict): string {
  assert.ok(verdict.verdict === "refuse", verdict.verdict);
  return `${verdict.code}: ${verdict.message}`;
}

test("all 329 payloads of octokit become valid, typed events with their bytes untouched", () => {
  let count = 0;
  for (const { name, examples } of catalogue) {
    for (const example of examples) {
      const body = JSON.stringify(example, null, 1);
      const event = eventOf(receive({ kind: name, body }));
      assert.deepEqual(validateEvent(event), [], `${name}: ${JSON.stringify(event)}`);
      assert.match(event.type, new RegExp(`^com\\.github\\.${name}(\\.[^.]+)*$`));
      assert.equal(event.id, "d-1");
      assert.equal(event.datacontenttype, "application/json");
      assert.ok(Buffer.from(body).equals(event.data ?? new Uint8Array()));
      count += 1;
    }
  }
  assert.equal(count, 329);
});

/** What the first payload of a kind must become; the time `now` where the rules name none. */
const table: readonly (readonly [string, string, string, string | undefined, string])[] = [
  [
    "check_run",
    "check_run.created",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "128620228",
    "2019-05-15T15:21:12Z",
  ],
  [
    "commit_comment",
    "commit_comment.created",
    "https://api.github.com/repos/Codertocat/Hello-World/comments/33548674/6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "33548674",
    "2019-05-15T15:20:39Z",
  ],
  [
    "create",
    "create.tag",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "simple-tag",
    now,
  ],
  [
    "delete",
    "delete.tag",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "simple-tag",
    now,
  ],
  [
    "fork",
    "fork",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "https://api.github.com/repos/Octocoders/Hello-World",
    "2019-05-15T15:20:42Z",
  ],
  ["gollum", "gollum", "https://api.github.com/repos/Codertocat/Hello-World", undefined, now],
  [
    "github_app_authorization",
    "github_app_authorization",
    "https://api.github.com/users/octocat",
    undefined,
    now,
  ],
  [
    "issues",
    "issues.edited",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "1",
    "2019-05-15T15:20:18Z",
  ],
  [
    "issue_comment",
    "issue_comment.created",
    "https://api.github.com/repos/Codertocat/Hello-World/issues/1",
    "492700400",
    "2019-05-15T15:20:21Z",
  ],
  [
    "marketplace_purchase",
    "marketplace_purchase.purchased",
    "https://api.github.com/users",
    "username",
    "2017-10-25T00:00:00+00:00",
  ],
  [
    "membership",
    "membership.team.removed",
    "https://api.github.com/teams/3253328",
    "Codertocat",
    now,
  ],
  [
    "pull_request",
    "pull_request.opened",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "2",
    "2019-05-15T15:20:33Z",
  ],
  [
    "pull_request_review",
    "pull_request_review.submitted",
    "https://api.github.com/repos/Codertocat/Hello-World/pulls/2",
    "237895671",
    "2019-05-15T15:20:38Z",
  ],
  ["push", "push", "https://github.com/Codertocat/Hello-World", "refs/tags/simple-tag", now],
  [
    "release",
    "release.published",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "17372790",
    "2019-05-15T15:20:53Z",
  ],
  [
    "repository",
    "repository.publicized",
    "https://api.github.com/users/Codertocat",
    "Hello-World",
    "2019-05-15T15:21:03Z",
  ],
  [
    "repository_dispatch",
    "repository_dispatch.on-demand-test",
    "https://api.github.com/users/octo-org",
    undefined,
    now,
  ],
  [
    "security_advisory",
    "security_advisory.published",
    "github.com",
    "GHSA-rf4j-j272-fj86",
    "2018-10-03T21:13:54Z",
  ],
  [
    "star",
    "star.created",
    "https://api.github.com/repos/Codertocat/Hello-World",
    undefined,
    "2019-05-15T15:20:40Z",
  ],
  [
    "status",
    "status.success",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "2019-05-15T15:20:55+00:00",
  ],
  ["watch", "watch.started", "https://api.github.com/repos/Codertocat/Hello-World", undefined, now],
  [
    "workflow_dispatch",
    "workflow_dispatch",
    "https://api.github.com/repos/octo-org/octo-repo",
    ".github/workflows/hello-world-workflow.yml",
    now,
  ],
  [
    "deployment",
    "deployment",
    "https://api.github.com/repos/Codertocat/Hello-World",
    "145988746",
    "2019-05-15T15:20:53Z",
  ],
  [
    "deployment_status",
    "deployment_status.success",
    "https://api.github.com/repos/Codertocat/Hello-World/deployments/145988746",
    "https://api.github.com/repos/Codertocat/Hello-World/deployments/145988746/statuses/209916254",
    "2019-05-15T15:20:55Z",
  ],
  [
    "installation",
    "installation.deleted",
    "https://api.github.com/users/octocat",
    "2",
    "2018-04-30T17:38:19.000Z",
  ],
];
for (const [kind, type, source, subject, time] of table) {
  test(`the first payload of ${kind} becomes com.github.${type}`, () => {
    const example = catalogue.find(({ name }) => name === kind)?.examples[0];
    const event = eventOf(receive({ kind, body: JSON.stringify(example) }));
    const { type: gotType, source: gotSource, subject: gotSubject, time: gotTime } = event;
    assert.deepEqual(
      { type: gotType, source: gotSource, subject: gotSubject, time: gotTime },
      { type: `com.github.${type}`, source, subject, time },
    );
  });
}

test("every kind of the definition is one that can be recognised, and it is plain JSON", () => {
  const copy = JSON.parse(JSON.stringify(github)) as typeof github;
  assert.deepEqual(copy, github);
  const event = eventOf(receive({ body: '{"action":"created"}', source: webhookSourceKind(copy) }));
  assert.equal(event.type, "com.github.star.created");
  assert.equal(event.source, "https://github.com");
});

test("a ping answers 202 and is published as com.github.ping", () => {
  const example = catalogue.find(({ name }) => name === "ping")?.examples[0];
  const verdict = receive({ kind: "ping", body: JSON.stringify(example) });
  assert.ok(verdict.verdict === "publish");
  assert.equal(verdict.status, 202);
  assert.equal(eventOf(verdict).type, "com.github.ping");
});

test("the example of the quick start becomes the star of the article", () => {
  const body = readFileSync(new URL("../../examples/github-star.json", import.meta.url));
  const event = eventOf(receive({ body }));
  assert.equal(event.type, "com.github.star.created");
  assert.equal(event.source, "https://api.github.com/repos/riverside/millrace");
  assert.equal(event.time, "2026-11-23T09:00:00Z");
  const data = JSON.parse(Buffer.from(event.data ?? "").toString()) as {
    repository: { name: string; stargazers_count: number };
    sender: { login: string };
  };
  assert.equal(data.repository.name, "millrace");
  assert.equal(data.repository.stargazers_count, 1024);
  assert.equal(data.sender.login, "miller-anna");
});

test("GitHub's published signature example verifies", () => {
  const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const verdict = receive({
    body: "Hello, World!",
    headers: { "x-hub-signature-256": signature },
  });
  // The signature holds, so what is wrong is that the body is no JSON.
  assert.match(refusalOf(verdict), /^invalid_json: /);
});

const signatures: readonly (readonly [string, string])[] = [
  ["of another secret", sign("{}", "other")],
  ["of other bytes", sign("{ }")],
  ["without prefix", sign("{}").slice("sha256=".length)],
  ["cut short", sign("{}").slice(0, -2)],
  ["too long", `${sign("{}")}00`],
  ["that is no hex", "sha256=zz"],
  ["that is empty", ""],
  ["by SHA-1", `sha256=${createHmac("sha1", secret).update("{}").digest("hex")}`],
];
for (const [name, signature] of signatures) {
  test(`a signature ${name} is refused`, () => {
    const verdict = receive({ body: "{}", headers: { "x-hub-signature-256": signature } });
    assert.match(refusalOf(verdict), /^signature_invalid: .*x-hub-signature-256/);
  });
}

test("a missing signature is refused before the body is looked at", () => {
  const opened = webhookSourceKind(github).open({
    secrets: [secret],
    config: {},
    clock: new FakeClock(),
    random: systemRandom,
  });
  const headers = new Map([["content-type", "text/nonsense"]]);
  const body = Buffer.from("not json");
  const verdict = opened.receive({ method: "POST", headers, query: new Map(), body });
  assert.match(refusalOf(verdict), /^signature_invalid: .*no header x-hub-signature-256/);
});

test("either of two secrets verifies while rotating, no other", () => {
  const body = '{"action":"created"}';
  for (const secrets of [
    [secret, "old"],
    ["new", secret],
  ]) {
    assert.equal(eventOf(receive({ body, secrets })).type, "com.github.star.created");
  }
  assert.match(refusalOf(receive({ body, secrets: ["new", "old"] })), /^signature_invalid/);
  assert.match(refusalOf(receive({ body, secrets: [] })), /^signature_invalid/);
});

test("a form carries the JSON in its field payload, signed as a form", () => {
  const json = '{"action":"created","sender":{"url":"https://api.github.com/users/ä"}}';
  const body = `payload=${encodeURIComponent(json)}`;
  const contentType = "application/x-www-form-urlencoded";
  const event = eventOf(receive({ body, contentType }));
  assert.equal(Buffer.from(event.data ?? "").toString(), json);
  assert.equal(event.datacontenttype, "application/json");
  assert.match(refusalOf(receive({ body: "other=1", contentType })), /no field 'payload'/);
});

const badRequests: readonly (readonly [string, Sending, RegExp])[] = [
  [
    "XML",
    { body: "<a/>", contentType: "text/xml" },
    /^unsupported_content_type: .*application\/json/,
  ],
  ["no content type", { body: "{}", contentType: "" }, /^unsupported_content_type/],
  ["cut JSON", { body: '{"a":' }, /^invalid_json: .*line 1/],
  ["bytes that are not UTF-8", { body: Buffer.from([0x22, 0xff, 0x22]) }, /^invalid_json/],
  ["too deep JSON", { body: "[".repeat(1000) + "]".repeat(1000) }, /^invalid_json/],
];
for (const [name, sending, error] of badRequests) {
  test(`${name} is refused`, () => assert.match(refusalOf(receive(sending)), error));
}

test("a missing X-GitHub-Event is refused as an invalid request", () => {
  const opened = webhookSourceKind(github).open({
    secrets: [secret],
    config: {},
    clock: new FakeClock(),
    random: systemRandom,
  });
  const verdict = opened.receive({
    method: "POST",
    headers: new Map([
      ["content-type", "application/json; charset=utf-8"],
      ["x-hub-signature-256", sign("{}")],
    ]),
    query: new Map(),
    body: Buffer.from("{}"),
  });
  assert.match(refusalOf(verdict), /^invalid_request: .*x-github-event/);
});

test("times are RFC 3339 whatever GitHub sends: epochs are converted, nonsense is now", () => {
  const times: readonly (readonly [unknown, string])[] = [
    ["2019-05-15T15:20:40Z", "2019-05-15T15:20:40Z"],
    [1_557_933_640, "2019-05-15T15:20:40.000Z"],
    [1_557_933_640_123, "2019-05-15T15:20:40.123Z"],
    ["2019-02-30T00:00:00Z", now],
    ["yesterday", now],
    [null, now],
    [{}, now],
    [99_999_999_999_999, "5138-11-16T09:46:39.999Z"],
  ];
  for (const [value, expected] of times) {
    const body = JSON.stringify({ starred_at: value });
    assert.equal(eventOf(receive({ body })).time, expected, body);
  }
});

test("values that no attribute may hold are cleaned in attributes and kept in the data", () => {
  const body = '{"ref":"a\\u0000b\\ud800c\\uffff","ref_type":"tag"}';
  const event = eventOf(receive({ kind: "create", body }));
  assert.equal(event.subject, "abc");
  assert.equal(Buffer.from(event.data ?? "").toString(), body);
});

test("ids beyond 2^53 keep their digits", () => {
  const body = '{"issue":{"number":12345678901234567890}}';
  assert.equal(eventOf(receive({ kind: "issues", body })).subject, "12345678901234567890");
});

test("the list of kinds holds github, which signs and takes no settings", () => {
  const kind = findSourceKind("github");
  assert.equal(kind?.signs, true);
  assert.deepEqual(kind?.validate({}), []);
  assert.equal(kind?.validate({ colour: 1 })[0]?.code, "unknown_member");
  assert.equal(findSourceKind("gitlab"), undefined);
});
