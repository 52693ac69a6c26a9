import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import type { WebhookVerdict } from "../../src/connector/source.ts";
import type { WebhookDefinition } from "../../src/connector/sources.ts";
import { webhookSourceKind } from "../../src/connector/sources.ts";
import { systemRandom } from "../../src/kernel/random.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

/** A second provider, as data only: a token instead of a signature, kinds in the body. */
const forge: WebhookDefinition = {
  name: "forge",
  summary: "A forge that sends its secret",
  verify: [
    { kind: "token", header: "x-forge-token" },
    {
      kind: "hmac",
      algorithm: "sha256",
      header: "webhook-signature",
      prefix: "v1,",
      separator: " ",
      encoding: "base64",
      key: "whsec",
      signed: "{h:webhook-id}.{h:webhook-timestamp}.{body}",
      timestamp: { header: "webhook-timestamp", unit: "s", toleranceMs: 300_000 },
    },
  ],
  contentTypes: { "application/json": { as: "json" } },
  handshakes: [
    {
      when: { "{$.type}": "url_verification" },
      unsigned: true,
      respond: { status: 200, body: "{$.challenge}" },
    },
    { when: { "{h:x-forge-event}": "test" }, respond: { status: 204 } },
  ],
  kind: "{$.object_kind}",
  event: {
    type: "com.forge.{$.object_kind|snake}",
    source: "{$.project.web_url}",
    id: ["{h:idempotency-key}", "{uuid}"],
    time: "{$.at}",
  },
  kinds: {
    MergeRequest: {
      type: "com.forge.merge_request.{$.attributes.action|lower}",
      subject: "{$.attributes.iid}[@{q:instance}]",
    },
  },
  status: 200,
};

const token = "whsec_c2VjcmV0LWtleS1vZi10aGUtZm9yZ2U=";
const clock = new FakeClock();

interface Sending {
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
}

function receive({
  body,
  headers = { "x-forge-token": token },
  query = {},
}: Sending): WebhookVerdict {
  const source = webhookSourceKind(forge).open({
    secrets: [token],
    config: {},
    clock,
    random: systemRandom,
  });
  return source.receive({
    method: "POST",
    headers: new Map(Object.entries({ "content-type": "application/json", ...headers })),
    query: new Map(Object.entries(query)),
    body: Buffer.from(JSON.stringify(body)),
  });
}

const merge = {
  object_kind: "MergeRequest",
  project: { web_url: "https://forge.example/p" },
  attributes: { action: "OPEN", iid: 5 },
};

test("a second provider works as data: token, kind from the body, optional parts, changes", () => {
  const verdict = receive({ body: merge, query: { instance: "eu" } });
  assert.ok(verdict.verdict === "publish", JSON.stringify(verdict));
  assert.equal(verdict.status, 200);
  const [event] = verdict.events;
  assert.equal(event?.type, "com.forge.merge_request.open");
  assert.equal(event?.source, "https://forge.example/p");
  assert.equal(event?.subject, "5@eu");
  assert.match(event?.id ?? "", /^[0-9a-f-]{36}$/);
});

test("an optional part is left out when its value is absent", () => {
  const verdict = receive({ body: merge });
  assert.ok(verdict.verdict === "publish");
  assert.equal(verdict.events[0]?.subject, "5");
});

test("a kind without rules of its own takes the common ones", () => {
  const body = { object_kind: "WikiPage", project: { web_url: "https://forge.example/p" } };
  const verdict = receive({ body, headers: { "x-forge-token": token, "idempotency-key": "k" } });
  assert.ok(verdict.verdict === "publish");
  assert.equal(verdict.events[0]?.type, "com.forge.wiki_page");
  assert.equal(verdict.events[0]?.id, "k");
});

test("a body that gives no type or source is an invalid request, not an event", () => {
  const verdict = receive({ body: {} });
  assert.ok(verdict.verdict === "refuse");
  assert.equal(verdict.code, "invalid_request");
});

test("a wrong token is refused", () => {
  for (const headers of [{ "x-forge-token": `${token}x` }, { "x-forge-token": "" }, {}]) {
    const verdict = receive({ body: merge, headers });
    assert.ok(verdict.verdict === "refuse");
    assert.equal(verdict.code, "signature_invalid");
  }
});

function signed(body: unknown, { ageMs = 0, key = token } = {}): Record<string, string> {
  const timestamp = String(Math.floor((clock.now() - ageMs) / 1000));
  const bytes = Buffer.from(key.slice("whsec_".length), "base64");
  const text = `m-1.${timestamp}.${JSON.stringify(body)}`;
  const signature = createHmac("sha256", bytes).update(text).digest("base64");
  return {
    "webhook-id": "m-1",
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,AAAA v1a,BBBB v1,${signature}`,
  };
}

test("Standard Webhooks: one of several signatures over id, time and body is enough", () => {
  assert.equal(receive({ body: merge, headers: signed(merge) }).verdict, "publish");
  const other = { ...signed(merge), "webhook-id": "m-2" };
  assert.equal(receive({ body: merge, headers: other }).verdict, "refuse");
});

test("a signature that is too old, or from the future, is refused", () => {
  for (const ageMs of [301_000, -301_000]) {
    assert.equal(receive({ body: merge, headers: signed(merge, { ageMs }) }).verdict, "refuse");
  }
});

test("an unsigned handshake is answered without a secret, a signed one is not", () => {
  const challenge = receive({
    body: { type: "url_verification", challenge: "abc" },
    headers: {},
  });
  assert.deepEqual(challenge, {
    verdict: "answer",
    status: 200,
    contentType: "text/plain; charset=utf-8",
    body: "abc",
  });
  const hello = { "x-forge-event": "test" };
  assert.equal(receive({ body: {}, headers: hello }).verdict, "refuse");
  const verdict = receive({ body: {}, headers: { ...hello, "x-forge-token": token } });
  assert.ok(verdict.verdict === "answer");
  assert.equal(verdict.status, 204);
});

const mistakes = ["{$.a", "[a", "a]", "{x:y}", "{$.a|shout}", "{$.a[*]}", "{$..a}"];
for (const template of mistakes) {
  test(`the template ${template} stops the start, not a request`, () => {
    const definition = { ...forge, event: { ...forge.event, type: template } };
    assert.throws(() => webhookSourceKind(definition));
  });
}
