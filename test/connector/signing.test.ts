import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomBytes, verify } from "node:crypto";
import { test } from "node:test";

import { checkCredential } from "../../src/connector/credential.ts";
import { createSigner, objectionToSecret, webhookId } from "../../src/connector/signing.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { answering, makeContext, makeDelivery, makeEvent, openSink } from "./support.ts";
import { recorder, only } from "./recorder.ts";

const secret = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
const other = `whsec_${Buffer.from("fedcba9876543210fedcba9876543210").toString("base64")}`;

function symmetric(key: string, signed: string): string {
  const bytes = Buffer.from(key.slice("whsec_".length), "base64");
  return `v1,${createHmac("sha256", bytes).update(signed).digest("base64")}`;
}

test("a signature is HMAC-SHA256 over id, timestamp and the exact bytes of the body", () => {
  const body = Buffer.from('{"test": 2432232314}');
  // The published example of the Standard Webhooks libraries.
  const signer = createSigner(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
  assert.equal(
    signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body),
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});

test("an ed25519 key, as seed or with its public key, signs as v1a", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(-32);
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const body = randomBytes(100);
  for (const key of [seed, Buffer.concat([seed, raw])]) {
    const text = `whsk_${key.toString("base64")}`;
    assert.equal(objectionToSecret(text), undefined);
    const [version, signature = ""] = createSigner([text]).sign("msg_1", "5", body).split(",");
    assert.equal(version, "v1a");
    const signed = Buffer.concat([Buffer.from("msg_1.5."), body]);
    assert.ok(verify(null, signed, publicKey, Buffer.from(signature, "base64")));
  }
});

test("while rotating, each request carries a signature of both secrets, the new one first", () => {
  const signed = createSigner([secret, other]).sign("msg_1", "5", Buffer.from("x"));
  assert.equal(signed, `${symmetric(secret, "msg_1.5.x")} ${symmetric(other, "msg_1.5.x")}`);
});

test("a signed request has the same webhook-id at every attempt, and its own time and signature", async () => {
  await using server = await recorder();
  const clock = new FakeClock(1_700_000_000_900);
  await using sink = openSink(
    "HTTP",
    { sink: server.url, protocolsettings: {}, signing: [secret] },
    makeContext({ clock }),
  );
  await sink.send({ attempt: 1 });
  await sink.send({ attempt: 2 });
  const [first, second] = server.seen;
  assert.ok(first !== undefined && second !== undefined);
  const id = String(first.headers["webhook-id"]);
  assert.doesNotMatch(id, /\./);
  assert.equal(second.headers["webhook-id"], id);
  assert.equal(first.headers["webhook-timestamp"], "1700000000");
  const wanted = symmetric(secret, `${id}.1700000000.${first.body}`);
  assert.equal(first.headers["webhook-signature"], wanted);
});

test("two events, two subscriptions and two offsets never share a webhook-id", () => {
  const facts = { subscription: "s", bus: "b", offset: 1, source: "/a", id: "1" };
  const ids = [
    facts,
    { ...facts, subscription: "t" },
    { ...facts, bus: "c" },
    { ...facts, offset: 2 },
    { ...facts, source: "/a1", id: "" },
    { ...facts, id: "2" },
  ].map(webhookId);
  assert.equal(new Set(ids).size, ids.length);
});

test("secrets that cannot sign are refused without being repeated", () => {
  const short = `whsec_${Buffer.alloc(23).toString("base64")}`;
  const long = `whsec_${Buffer.alloc(65).toString("base64")}`;
  const wrongKey = `whsk_${Buffer.alloc(33).toString("base64")}`;
  for (const wrong of ["hunter2hunter2", "whsec_", "whsec_not base64", short, long, wrongKey]) {
    const objection = objectionToSecret(wrong);
    assert.ok(objection !== undefined, wrong);
    assert.ok(!objection.includes(wrong.slice(7, 15)) || wrong === "whsec_");
  }
  assert.equal(objectionToSecret(secret), undefined);
});

test("a preview shows neither the signature nor the credential", async () => {
  await using sink = openSink("HTTP", {
    sink: "http://127.0.0.1:1/",
    protocolsettings: {},
    signing: [secret],
    credential: { credentialtype: "HEADER", header: "X-Api", value: "hush" },
  });
  const { headers } = sink.sink.preview(makeDelivery());
  assert.equal(headers["webhook-signature"], "***");
  assert.equal(headers["x-api"], "***");
  assert.ok(headers["webhook-id"]?.startsWith("msg_"));
});

const credentials = [
  {
    credential: { credentialtype: "PLAIN", identifier: "me", secret: "pä:ss" },
    header: "authorization",
    value: `Basic ${Buffer.from("me:pä:ss").toString("base64")}`,
  },
  {
    credential: { credentialtype: "ACCESSTOKEN", accesstoken: "abc" },
    header: "authorization",
    value: "Bearer abc",
  },
  {
    credential: { credentialtype: "HEADER", header: "X-Api-Key", value: "abc" },
    header: "x-api-key",
    value: "abc",
  },
] as const;

for (const { credential, header, value } of credentials) {
  test(`a credential of type ${credential.credentialtype} goes with every request`, async () => {
    await using server = await recorder();
    await using sink = openSink("HTTP", { sink: server.url, protocolsettings: {}, credential });
    await sink.send();
    assert.equal(only(server.seen).headers[header], value);
  });
}

test("the trace of an event goes on in the headers traceparent and tracestate", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", { sink: server.url, protocolsettings: {} });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const extensions = new Map([
    ["traceparent", traceparent],
    ["tracestate", "congo=t61rcWkgMzE"],
  ]);
  await sink.send({ event: makeEvent({ extensions }) });
  const { headers } = only(server.seen);
  assert.equal(headers["traceparent"], traceparent);
  assert.equal(headers["tracestate"], "congo=t61rcWkgMzE");
  assert.equal(headers["ce-traceparent"], traceparent);
});

test("a trace header that the user has chosen stays the only one", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", {
    sink: server.url,
    protocolsettings: { headers: { traceparent: "mine" } },
  });
  await sink.send({ event: makeEvent({ extensions: new Map([["traceparent", "the event's"]]) }) });
  assert.equal(only(server.seen).headers["traceparent"], "mine");
});

test("an unsigned request has none of the headers of a signed one", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", { sink: server.url, protocolsettings: {} });
  await sink.send();
  const { headers } = only(server.seen);
  for (const name of Object.keys(headers)) assert.doesNotMatch(name, /^webhook-|^authorization$/);
});

test("a refused signature is an answer like any other", async () => {
  await using server = await answering("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n");
  await using sink = openSink("HTTP", {
    sink: server.url,
    protocolsettings: {},
    signing: [secret],
  });
  assert.equal((await sink.send()).outcome, "rejected");
});

const wrongCredentials = [
  { credential: "Bearer x", path: "sinkcredential", code: "wrong_type" },
  { credential: {}, path: "sinkcredential.credentialtype", code: "invalid_value" },
  {
    credential: { credentialtype: "REFRESHTOKEN" },
    path: "sinkcredential.credentialtype",
    code: "not_supported_yet",
  },
  {
    credential: { credentialtype: "PLAIN", identifier: "a:b", secret: "s" },
    path: "sinkcredential.identifier",
    code: "invalid_value",
  },
  {
    credential: { credentialtype: "PLAIN", identifier: "a" },
    path: "sinkcredential.secret",
    code: "missing",
  },
  {
    credential: { credentialtype: "ACCESSTOKEN", accesstoken: "hush\r\nx: y" },
    path: "sinkcredential.accesstoken",
    code: "invalid_value",
  },
  {
    credential: { credentialtype: "ACCESSTOKEN", accesstoken: "hush", accesstokentype: "mac" },
    path: "sinkcredential.accesstokentype",
    code: "invalid_value",
  },
  {
    credential: { credentialtype: "HEADER", header: "Host", value: "hush" },
    path: "sinkcredential.header",
    code: "invalid_value",
  },
  {
    credential: { credentialtype: "HEADER", header: "X-Key", value: "hush", extra: 1 },
    path: "sinkcredential.extra",
    code: "unknown_member",
  },
  {
    credential: { credentialtype: "ACCESSTOKEN", accesstoken: "x".repeat(9000) },
    path: "sinkcredential.accesstoken",
    code: "too_long",
  },
];

for (const { credential, path, code } of wrongCredentials) {
  test(`a credential with a bad ${path} is refused as ${code}, without repeating it`, () => {
    const violations = checkCredential(credential);
    assert.deepEqual(
      violations.map((each) => [each.path, each.code]),
      [[path, code]],
    );
    assert.doesNotMatch(violations[0]?.message ?? "", /hush/);
  });
}
