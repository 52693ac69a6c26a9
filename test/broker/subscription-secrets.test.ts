/** P8: what a subscription signs with and logs in with is write-only, sealed, and shown nowhere. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { DeadLetter, PlaygroundResult, SubscriptionStatus } from "../../src/api/api.ts";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import {
  assertProblem,
  binaryHeaders,
  startHttpBroker,
  structuredEvent,
} from "../support/http-broker.ts";
import { temporaryDirectory } from "../support/broker-process.ts";

const secret = `whsec_${Buffer.from("grep-me-in-the-data-directory-01").toString("base64")}`;
const other = `whsec_${Buffer.from("another-secret-nobody-may-see-02").toString("base64")}`;
const token = "token-that-only-the-consumer-sees";
const credential = { credentialtype: "ACCESSTOKEN", accesstoken: token };
/** What must appear nowhere, in the forms in which it could. */
const secrets = [
  ...[secret, other].flatMap((each) => [each, each.slice("whsec_".length)]),
  "grep-me-in-the-data-directory",
  token,
  Buffer.from(token).toString("base64"),
];

interface Seen {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
const seen: Seen[] = [];
let status = 200;
const consumer = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk: Buffer) => (body += chunk.toString()));
  request.on("end", () => {
    seen.push({ headers: request.headers, body });
    response.writeHead(status).end("the consumer's answer");
  });
});

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let broker: HttpBroker;
/** Everything the broker has said: log lines of every level and answers to requests. */
const said: string[] = [];

function start(keyDirectory = `${directory.path}-config/keys`): Promise<HttpBroker> {
  const write = (fields: unknown, message: string): void => {
    said.push(JSON.stringify(fields) + message);
  };
  const logger = { debug: write, info: write, warn: write, error: write };
  const dataDir = directory.path;
  return startHttpBroker({
    config: { engine: "embedded", dataDir, keyDirectory, allowPrivateSinks: true },
    parts: { logger },
  });
}

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await broker.fetch(method, path, body === undefined ? {} : { body });
  said.push(answer.text, JSON.stringify([...answer.headers]));
  return answer;
}

let minimal: { bus: string; protocol: string; sink: string };

before(async () => {
  directory = await temporaryDirectory();
  await once(consumer.listen(0, "127.0.0.1"), "listening");
  const { port } = consumer.address() as AddressInfo;
  minimal = { bus: "default", protocol: "HTTP", sink: `http://127.0.0.1:${port}/in` };
  broker = await start();
  await broker.broker.buses.put("default", {}, {});
});
after(async () => {
  consumer.closeAllConnections();
  consumer.close();
  await broker.stop();
  await directory[Symbol.asyncDispose]();
  await rm(`${directory.path}-config`, { recursive: true, force: true });
});
beforeEach(async () => {
  status = 200;
  for (const { id } of broker.broker.subscriptions.list({ limit: 100, after: undefined }).items) {
    await call("DELETE", `/v1/subscriptions/${id}`);
  }
  seen.length = 0;
});

const put = (id: string, members: object): Promise<Answer> =>
  call("PUT", `/v1/subscriptions/${id}`, { ...minimal, ...members });

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, "it did not happen within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Publishes an event and returns the request that the consumer got for it. */
async function delivered(): Promise<Seen> {
  const count = seen.length;
  const body = `event ${count}`;
  await broker.fetch("POST", "/v1/buses/default/events", { headers: binaryHeaders(), body });
  await until(() => seen.length > count);
  return seen[count] ?? assert.fail("nothing came");
}

function signatureWith(key: string, { headers, body }: Seen): string {
  const bytes = Buffer.from(key.slice("whsec_".length), "base64");
  const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
  return `v1,${createHmac("sha256", bytes).update(signed).digest("base64")}`;
}

const flags = (answer: Answer): readonly unknown[] => {
  const { hasSigningSecret, hasSinkCredential } = answer.json();
  return [hasSigningSecret, hasSinkCredential];
};

test("requests are signed and carry the credential; the answer says only that they do", async () => {
  const made = await put("signed", { signing: { secret }, sinkcredential: credential });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual(flags(made), [true, true]);
  assert.equal(made.json()["signing"], undefined);
  assert.equal(made.json()["sinkcredential"], undefined);
  const request = await delivered();
  assert.equal(request.headers["webhook-signature"], signatureWith(secret, request));
  assert.equal(request.headers["authorization"], `Bearer ${token}`);
});

test("an absent secret is kept by PUT, PATCH, pause and resume; null removes it", async () => {
  await put("kept", { signing: { secret }, sinkcredential: credential });
  assert.deepEqual(flags(await put("kept", { description: "changed" })), [true, true]);
  const path = "/v1/subscriptions/kept";
  assert.deepEqual(flags(await call("PATCH", path, { labels: { a: "b" } })), [true, true]);
  assert.deepEqual(flags(await call("PATCH", path, { signing: {} })), [true, true]);
  await call("POST", `${path}/pause`);
  await call("POST", `${path}/resume`);
  const kept = await delivered();
  assert.equal(kept.headers["webhook-signature"], signatureWith(secret, kept));
  assert.equal(kept.headers["authorization"], `Bearer ${token}`);
  assert.deepEqual(flags(await call("PATCH", path, { signing: null })), [false, true]);
  assert.deepEqual(flags(await put("kept", { sinkcredential: null })), [false, false]);
  const bare = await delivered();
  assert.equal(bare.headers["webhook-signature"], undefined);
  assert.equal(bare.headers["authorization"], undefined);
  await put("kept", { signing: { secret } });
  assert.deepEqual(flags(await call("PATCH", path, { signing: { secret: null } })), [false, false]);
});

test("what a client has read can be written back: the read-only facts are ignored", async () => {
  await put("echo", { signing: { secret } });
  const read = (await call("GET", "/v1/subscriptions/echo")).json();
  const facts = { hasSigningSecret: false, hasSinkCredential: true };
  const answer = await call("PUT", "/v1/subscriptions/echo", { ...read, ...facts });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(flags(answer), [true, false]);
});

test("while rotating each request has two signatures; the change is seen by the next attempt", async () => {
  await put("rotating", { signing: { secret: other } });
  assert.equal((await delivered()).headers["webhook-signature"]?.toString().split(" ").length, 1);
  const path = "/v1/subscriptions/rotating";
  const answer = await call("PATCH", path, { signing: { secret: [secret, other] } });
  assert.equal(answer.status, 200, answer.text);
  const both = await delivered();
  const wanted = `${signatureWith(secret, both)} ${signatureWith(other, both)}`;
  assert.equal(both.headers["webhook-signature"], wanted);
  await call("PATCH", path, { signing: { secret } });
  const one = await delivered();
  assert.equal(one.headers["webhook-signature"], signatureWith(secret, one));
});

test("a new credential takes over for an event that is waiting for a retry, in its place", async () => {
  status = 401;
  const retry = { retryOn: [401], minDelayMs: 20, maxDelayMs: 20 };
  await put("revoked", {
    sinkcredential: { credentialtype: "HEADER", header: "X-Key", value: "revoked" },
    config: { retry },
  });
  const first = await delivered();
  assert.equal(first.headers["x-key"], "revoked");
  const fresh = { credentialtype: "PLAIN", identifier: "me", secret: token };
  await call("PATCH", "/v1/subscriptions/revoked", { sinkcredential: fresh });
  status = 200;
  const basic = `Basic ${Buffer.from(`me:${token}`).toString("base64")}`;
  await until(() => seen.at(-1)?.headers["authorization"] === basic);
  assert.equal(seen.at(-1)?.headers["millrace-offset"], first.headers["millrace-offset"]);
  assert.equal(seen.at(-1)?.headers["x-key"], undefined);
  await until(async () => {
    const answer = await call("GET", "/v1/subscriptions/revoked/status");
    return answer.json<SubscriptionStatus>().counters.delivered === 1;
  });
});

test("the playground and a dead letter show that a request is trusted, not how", async () => {
  const members = { signing: { secret: [secret, other] }, sinkcredential: credential };
  const events = [structuredEvent({ data: 1 })];
  const tried = await call("POST", "/v1/playground", { ...minimal, ...members, events });
  const { results } = tried.json<{ results: PlaygroundResult[] }>();
  status = 400;
  await put("dying", members);
  await delivered();
  let letters: DeadLetter[] = [];
  await until(async () => {
    letters = (await call("GET", "/v1/subscriptions/dying/dead-letters")).json<DeadLetter[]>();
    return letters.length > 0;
  });
  for (const request of [results[0]?.request, letters[0]?.request]) {
    assert.equal(request?.headers["authorization"], "***");
    assert.equal(request?.headers["webhook-signature"], "***");
    assert.ok(request?.headers["webhook-id"]?.startsWith("msg_"));
  }
});

const wrong: readonly (readonly [object, string, string])[] = [
  [{ signing: secret }, "signing", "wrong_type"],
  [{ signing: [secret] }, "signing", "wrong_type"],
  [{ signing: { secret: 5 } }, "signing.secret", "wrong_type"],
  [{ signing: { secret: "hunter2-hunter2" } }, "signing.secret", "invalid_value"],
  [{ signing: { secret: [secret, `${other}é`] } }, "signing.secret[1]", "invalid_value"],
  [{ signing: { secret: [] } }, "signing.secret", "out_of_range"],
  [{ signing: { secret: [secret, other, secret] } }, "signing.secret", "out_of_range"],
  [{ signing: { secrets: secret } }, "signing.secrets", "unknown_member"],
  [{ sinkcredential: token }, "sinkcredential", "wrong_type"],
  [{ sinkcredential: { accesstoken: token } }, "sinkcredential.credentialtype", "invalid_value"],
  [
    { sinkcredential: { ...credential, accesstoken: `${token}\n` } },
    "sinkcredential.accesstoken",
    "invalid_value",
  ],
  [
    { sinkcredential: credential, protocolsettings: { headers: { Authorization: "Basic x" } } },
    "protocolsettings.headers.Authorization",
    "conflict",
  ],
];
for (const [members, path, code] of wrong) {
  test(`${path} is refused as ${code} and not repeated: ${Object.keys(members).join()}`, async () => {
    const answer = await put("wrong", members);
    const { errors } = assertProblem(answer, 400, "invalid_resource");
    assert.deepEqual(
      errors.map((each) => [each.path, each.code]),
      [[path, code]],
    );
    assert.doesNotMatch(answer.text, /hunter2/);
    const events = [structuredEvent()];
    const tried = await call("POST", "/v1/playground", { ...minimal, ...members, events });
    assertProblem(tried, 400, "invalid_resource");
    assertProblem(await call("GET", "/v1/subscriptions/wrong"), 404, "subscription_not_found");
  });
}

test("a header that the kept credential sends cannot be chosen beside it later", async () => {
  await put("clash", { sinkcredential: credential });
  const headers = { authorization: "Basic x" };
  const path = "/v1/subscriptions/clash";
  const refused = await call("PATCH", path, { protocolsettings: { headers } });
  const { errors } = assertProblem(refused, 400, "invalid_resource");
  assert.equal(errors[0]?.path, "protocolsettings.headers.authorization");
  const change = { sinkcredential: null, protocolsettings: { headers } };
  const answer = await call("PATCH", path, change);
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await delivered()).headers["authorization"], "Basic x");
});

test("secrets survive a restart; without the key the broker refuses to start", async () => {
  await put("lasting", { signing: { secret }, sinkcredential: credential });
  await broker.stop();
  await assert.rejects(start(`${directory.path}-config/elsewhere`), {
    code: "secret_key_missing",
    message: /MILLRACE_SECRET_KEY/,
  });
  broker = await start();
  assert.deepEqual(flags(await call("GET", "/v1/subscriptions/lasting")), [true, true]);
  const request = await delivered();
  assert.equal(request.headers["webhook-signature"], signatureWith(secret, request));
  assert.equal(request.headers["authorization"], `Bearer ${token}`);
});

test("no secret is in any answer, log line, metric or file", async () => {
  await put("last", { signing: { secret: [secret, other] }, sinkcredential: credential });
  status = 500;
  await delivered();
  await call("GET", "/v1/subscriptions");
  await call("GET", "/v1/subscriptions/last");
  await call("GET", "/v1/subscriptions/last/status");
  await call("GET", "/metrics");
  await call("DELETE", "/v1/subscriptions/last");
  await put("last", { signing: { secret: [secret, other] }, sinkcredential: credential });
  await broker.stop();
  const text = said.join("\n");
  assert.ok(text.length > 10_000, "there is something to search");
  for (const each of secrets) assert.ok(!text.includes(each), `${each} was said`);
  const files = await readdir(directory.path, { recursive: true, withFileTypes: true });
  let bytes = 0;
  for (const file of files.filter((each) => each.isFile())) {
    const content = await readFile(join(file.parentPath, file.name));
    bytes += content.length;
    for (const each of secrets) assert.ok(!content.includes(each), `${each} in ${file.name}`);
  }
  assert.ok(bytes > 10_000, "there is something to search");
  broker = await start();
});
