import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { limits } from "../../src/kernel/limits.ts";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import { assertProblem, startHttpBroker } from "../support/http-broker.ts";
import { temporaryDirectory } from "../support/broker-process.ts";

const secret = "It's a secret to everybody but grep";
const github = { kind: "github", bus: "default", secret };

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let broker: HttpBroker;
const said: string[] = [];

function start(): Promise<HttpBroker> {
  const dataDir = directory.path;
  const write = (fields: unknown, message: string): void => {
    said.push(JSON.stringify(fields) + message);
  };
  const logger = { debug: write, info: write, warn: write, error: write };
  const keyDirectory = `${dataDir}-config/keys`;
  return startHttpBroker({
    config: { engine: "embedded", dataDir, keyDirectory },
    parts: { logger },
  });
}

before(async () => {
  directory = await temporaryDirectory();
  broker = await start();
  await broker.broker.buses.put("default", {}, {});
});
after(async () => {
  await broker.stop();
  await directory[Symbol.asyncDispose]();
});

const put = (name: string, body: unknown): Promise<Answer> =>
  broker.fetch("PUT", `/v1/sources/${name}`, { body });

function hook(name: string, payload: string, signedWith: string): Promise<Answer> {
  const signature = createHmac("sha256", signedWith).update(payload).digest("hex");
  return broker.fetch("POST", `/hooks/${name}`, {
    headers: {
      "content-type": "application/json",
      "x-github-event": "star",
      "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
      "x-hub-signature-256": `sha256=${signature}`,
    },
    body: payload,
  });
}

const payload = JSON.stringify({
  action: "created",
  starred_at: "2026-11-23T10:00:00Z",
  repository: { name: "hello", url: "https://api.github.com/repos/o/hello", stargazers_count: 1 },
  sender: { login: "octocat" },
});
const next = (): number => broker.broker.buses.require("default").log.bounds().next;

test("a source is created, found, listed; its secret is never shown", async () => {
  const made = await put("github", github);
  assert.equal(made.status, 201, made.text);
  assert.equal(made.headers.get("location"), "/v1/sources/github");
  assert.deepEqual(
    { ...made.json<object>(), created: "", updated: "" },
    {
      name: "github",
      kind: "github",
      bus: "default",
      description: "",
      config: {},
      hasSecret: true,
      created: "",
      updated: "",
    },
  );
  const listed = (await broker.fetch("GET", "/v1/sources")).json<{ name: string }[]>();
  assert.deepEqual(
    listed.map(({ name }) => name),
    ["github"],
  );
});

test("a signed webhook is answered once its event is durable", async () => {
  const offset = next();
  const answer = await hook("github", payload, secret);
  assert.ok(answer.status >= 200 && answer.status < 300, answer.text);
  const stored = await broker.fetch("GET", `/v1/buses/default/events/${offset}`);
  assert.equal(stored.json()["type"], "com.github.star.created");
});

test("a webhook with a wrong or no signature stores nothing", async () => {
  const offset = next();
  assertProblem(await hook("github", payload, "another"), 401, "signature_invalid");
  const bare = await broker.fetch("POST", "/hooks/github", { body: {} });
  assert.ok(bare.status >= 400 && bare.status < 500, bare.text);
  assertProblem(await hook("nobody", payload, secret), 404, "source_not_found");
  assert.equal(next(), offset);
});

test("a webhook over 25 MiB is 413", async () => {
  const answer = await broker.fetch("POST", "/hooks/github", {
    headers: { "content-type": "application/json" },
    body: "x".repeat(limits.webhookBodyBytesMax + 1),
  });
  assertProblem(answer, 413, "request_too_large");
});

test("a PUT without secret keeps the stored one, two verify while rotating, null is refused", async () => {
  const kept = await put("github", { kind: "github", bus: "default", description: "again" });
  assert.equal(kept.json()["hasSecret"], true, kept.text);
  assert.ok((await hook("github", payload, secret)).status < 300);
  await put("github", { ...github, secret: ["the new one", secret] });
  assert.ok((await hook("github", payload, secret)).status < 300);
  assert.ok((await hook("github", payload, "the new one")).status < 300);
  const { errors } = assertProblem(
    await put("github", { ...github, secret: null }),
    400,
    "invalid_resource",
  );
  assert.equal(errors[0]?.path, "secret");
});

const invalid: readonly [members: object, path: string][] = [
  [{ kind: "pigeon" }, "kind"],
  [{ kind: undefined }, "kind"],
  [{ bus: "nobody" }, "bus"],
  [{ bus: undefined }, "bus"],
  [{ secret: undefined }, "secret"],
  [{ secret: "" }, "secret"],
  [{ secret: 5 }, "secret"],
  [{ secret: [] }, "secret"],
  [{ secret: ["a", "b", "c"] }, "secret"],
  [{ secret: "x".repeat(2000) }, "secret"],
  [{ config: { nonsense: 1 } }, "config.nonsense"],
  [{ config: [] }, "config"],
  [{ colour: 1 }, "colour"],
  [{ name: "other" }, "name"],
];
for (const [members, path] of invalid) {
  test(`a source with ${JSON.stringify(members).slice(0, 60)} is refused at ${path}`, async () => {
    const answer = await put("wrong", { ...github, ...members });
    const { errors } = assertProblem(answer, 400, "invalid_resource");
    assert.deepEqual(
      errors.map((each) => each.path),
      [path],
    );
    assert.ok(!answer.text.includes("xxxx"), "a secret is not repeated");
  });
}

test("P8: after a restart the secret still verifies, and is nowhere on disk or in a log line", async () => {
  await put("github", github);
  await broker.stop();
  broker = await start();
  assert.ok((await hook("github", payload, secret)).status < 300);
  for (const name of await readdir(directory.path, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    const bytes = await readFile(join(name.parentPath, name.name)).catch(() => Buffer.alloc(0));
    assert.equal(bytes.includes(secret), false, name.name);
  }
  assert.ok(said.length > 0);
  assert.ok(!said.some((line) => line.includes(secret)));
});

test("a deleted source receives nothing more", async () => {
  await put("short", github);
  const deleted = await broker.fetch("DELETE", "/v1/sources/short");
  assert.equal(deleted.status, 200);
  assert.equal(deleted.json()["name"], "short");
  assertProblem(await hook("short", payload, secret), 404, "source_not_found");
});

test("a bus with sources is deleted only with all of them", async () => {
  await broker.broker.buses.put("used", {}, {});
  await put("on-used", { ...github, bus: "used" });
  assertProblem(await broker.fetch("DELETE", "/v1/buses/used"), 409, "in_use");
  assert.equal((await broker.fetch("DELETE", "/v1/buses/used?cascade=true")).status, 200);
  assertProblem(await broker.fetch("GET", "/v1/sources/on-used"), 404, "source_not_found");
});
