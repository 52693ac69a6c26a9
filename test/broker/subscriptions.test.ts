import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Subscription, SubscriptionStatus } from "../../src/api/api.ts";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import { assertProblem, binaryHeaders, startHttpBroker } from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({
    buses: ["default", "other", "history"],
    config: { allowPrivateSinks: true },
  });
  for (let index = 0; index < 3; index++) {
    await broker.fetch("POST", "/v1/buses/history/events", { headers: binaryHeaders(), body: "x" });
  }
});
after(() => broker.stop());

/** Nobody listens there; nothing is delivered in these tests. */
const sink = "http://127.0.0.1:9/";
const minimal = { bus: "default", protocol: "HTTP", sink };

const create = (body: unknown): Promise<Answer> =>
  broker.fetch("POST", "/v1/subscriptions", { body });

async function created(extra: object = {}): Promise<{ id: string; etag: string; path: string }> {
  const answer = await create({ ...minimal, ...extra });
  assert.equal(answer.status, 201, answer.text);
  const { id } = answer.json<{ id: string }>();
  return { id, etag: answer.headers.get("etag") ?? "", path: `/v1/subscriptions/${id}` };
}

test("a subscription is created with every default filled in", async () => {
  const answer = await create(minimal);
  assert.equal(answer.status, 201, answer.text);
  const body = answer.json<{ id: string; revision: number; created: string }>();
  assert.equal(answer.headers.get("location"), `/v1/subscriptions/${body.id}`);
  assert.equal(answer.headers.get("etag"), `"${body.revision}"`);
  assert.deepEqual(
    { ...body, id: "", revision: 0, created: "", updated: "" },
    {
      id: "",
      name: "",
      bus: "default",
      description: "",
      labels: {},
      filters: [],
      protocol: "HTTP",
      sink,
      protocolsettings: {},
      hasSigningSecret: false,
      hasSinkCredential: false,
      config: {
        start: "latest",
        concurrency: 64,
        rateLimit: 0,
        circuitKey: null,
        timeoutMs: 60_000,
        retry: { maxAttempts: null, maxAge: "1d", minDelayMs: 1000, maxDelayMs: 600_000 },
        deadLetter: true,
        paused: false,
        ordering: null,
      },
      startOffset: 0,
      revision: 0,
      created: "",
      updated: "",
      warnings: [],
    },
  );
  const got = await broker.fetch("GET", `/v1/subscriptions/${body.id}`);
  assert.deepEqual(got.json(), body);
});

test("an id may be chosen with PUT, never with POST", async () => {
  const put = await broker.fetch("PUT", "/v1/subscriptions/chosen", { body: minimal });
  assert.equal(put.status, 201, put.text);
  assert.equal(put.json()["id"], "chosen");
  const again = await broker.fetch("PUT", "/v1/subscriptions/chosen", {
    body: { ...minimal, id: "x" },
  });
  assert.equal(again.status, 200);
  assert.equal(again.json()["id"], "chosen");
  const posted = await create({ ...minimal, id: "mine" });
  assert.notEqual(posted.json()["id"], "mine");
  const odd = await broker.fetch("PUT", "/v1/subscriptions/Not%20a%20name", { body: minimal });
  assertProblem(odd, 400, "invalid_resource");
});

test("what a subscription returns can be sent back", async () => {
  const { path } = await created({
    name: "n",
    labels: { a: "b" },
    types: ["t"],
    source: "/s",
    filters: [{ exact: { type: "t" } }],
    transformer: { define: { x: "$.id" }, template: "id ${x}" },
    config: { start: "earliest", paused: true },
  });
  const got = await broker.fetch("GET", path);
  const put = await broker.fetch("PUT", path, { body: got.json() });
  assert.equal(put.status, 200, put.text);
  const without = (answer: Answer): object => ({ ...answer.json(), revision: 0, updated: "" });
  assert.deepEqual(without(put), without(got));
});

const starts: readonly [start: unknown, offset: number | undefined][] = [
  ["latest", 3],
  ["earliest", 0],
  [0, 0],
  [2, 2],
  ["2", 2],
  [3, 3],
  ["2020-01-01T00:00:00Z", 0],
  [4, undefined],
  ["99", undefined],
  [-1, undefined],
  [1.5, undefined],
  ["2999-01-01T00:00:00Z", undefined],
  ["yesterday", undefined],
  [true, undefined],
];
for (const [start, offset] of starts) {
  test(`start ${JSON.stringify(start)} is ${offset === undefined ? "refused" : `offset ${offset}`}`, async () => {
    const answer = await create({ ...minimal, bus: "history", config: { start, paused: true } });
    if (offset === undefined) {
      const { errors } = assertProblem(answer, 400, "invalid_resource");
      assert.deepEqual(
        errors.map(({ path }) => path),
        ["config.start"],
      );
    } else {
      assert.equal(answer.status, 201, answer.text);
      const body = answer.json<{ startOffset: number; config: { start: unknown } }>();
      assert.equal(body.startOffset, offset);
      assert.equal(body.config.start, start, "it is returned as given");
    }
  });
}

test("bus and start cannot be changed; the answer names seek", async () => {
  const { path } = await created({ config: { start: "earliest" } });
  const bus = await broker.fetch("PATCH", path, { body: { bus: "other" } });
  assert.equal(assertProblem(bus, 400, "immutable").errors[0]?.path, "bus");
  const start = await broker.fetch("PATCH", path, { body: { config: { start: 0 } } });
  const { detail } = assertProblem(start, 400, "immutable");
  assert.match(detail, /seek/);
  const same = await broker.fetch("PATCH", path, { body: { config: { start: "earliest" } } });
  assert.equal(same.status, 200, same.text);
  const absent = await broker.fetch("PUT", path, { body: minimal });
  assert.equal(absent.status, 200, absent.text);
  assert.equal(absent.json<{ config: { start: string } }>().config.start, "earliest");
});

test("PATCH merges, replaces lists whole, and null removes", async () => {
  const { path } = await created({
    labels: { keep: "1", drop: "2" },
    filters: [{ exact: { type: "a" } }, { exact: { source: "b" } }],
    transformer: { template: "x" },
    description: "old",
  });
  const headers = { "content-type": "application/merge-patch+json" };
  const body = JSON.stringify({
    labels: { drop: null, add: "3" },
    filters: [{ prefix: { type: "c" } }],
    transformer: null,
    config: { retry: { maxAttempts: 3 } },
  });
  const answer = await broker.fetch("PATCH", path, { headers, body });
  assert.equal(answer.status, 200, answer.text);
  const patched = answer.json<Record<string, unknown> & { config: { retry: object } }>();
  assert.deepEqual(patched["labels"], { keep: "1", add: "3" });
  assert.deepEqual(patched["filters"], [{ prefix: { type: "c" } }]);
  assert.equal(patched["transformer"], undefined);
  assert.equal(patched["description"], "old");
  assert.deepEqual(patched.config.retry, {
    maxAttempts: 3,
    maxAge: "1d",
    minDelayMs: 1000,
    maxDelayMs: 600_000,
  });
});

test("If-Match guards PUT, PATCH and DELETE", async () => {
  const { path, etag } = await created();
  const first = await broker.fetch("PATCH", path, {
    headers: { "if-match": etag },
    body: { name: "x" },
  });
  assert.equal(first.status, 200, first.text);
  for (const method of ["PUT", "PATCH", "DELETE"]) {
    const body = method === "DELETE" ? {} : { body: minimal };
    const stale = await broker.fetch(method, path, { headers: { "if-match": etag }, ...body });
    assertProblem(stale, 412, "precondition_failed");
  }
  const current = first.headers.get("etag") ?? "";
  const gone = await broker.fetch("DELETE", path, { headers: { "if-match": `"1", ${current}` } });
  assert.equal(gone.status, 200);
  assertProblem(await broker.fetch("GET", path), 404, "subscription_not_found");
  assertProblem(await broker.fetch("DELETE", path), 404, "subscription_not_found");
});

test("pause and resume show in config and status", async () => {
  const { path } = await created();
  const paused = await broker.fetch("POST", `${path}/pause`);
  assert.equal(paused.status, 200, paused.text);
  assert.equal(paused.json<{ config: { paused: boolean } }>().config.paused, true);
  assert.equal((await broker.fetch("GET", `${path}/status`)).json()["state"], "paused");
  const again = await broker.fetch("POST", `${path}/pause`);
  assert.equal(again.headers.get("etag"), paused.headers.get("etag"), "nothing changed");
  const resumed = await broker.fetch("POST", `${path}/resume`);
  assert.equal(resumed.json<{ config: { paused: boolean } }>().config.paused, false);
  assert.equal((await broker.fetch("GET", `${path}/status`)).json()["state"], "active");
});

test("the nine counters of a status add up to next - start", async () => {
  const { path } = await created({ bus: "history", config: { start: 1, paused: true } });
  const status = (await broker.fetch("GET", `${path}/status`)).json<{
    start: number;
    next: number;
    counters: Record<string, number>;
  }>();
  const names = [
    "delivered",
    "filtered",
    "dead",
    "discarded",
    "expired",
    "skipped",
    "parked",
    "inFlight",
    "pending",
  ];
  assert.deepEqual(Object.keys(status.counters).toSorted(), names.toSorted());
  const sum = Object.values(status.counters).reduce((total, each) => total + each, 0);
  assert.equal(sum, status.next - status.start);
  assert.equal(status.counters["pending"], 2);
});

const invalid: readonly [members: object, path: string][] = [
  [{ bus: undefined }, "bus"],
  [{ bus: "nobody" }, "bus"],
  [{ protocol: undefined }, "protocol"],
  [{ protocol: "http" }, "protocol"],
  [{ protocol: "PIGEON" }, "protocol"],
  [{ sink: undefined }, "sink"],
  [{ sink: "" }, "sink"],
  [{ sink: "not a url" }, "sink"],
  [{ sink: "ftp://example.com/" }, "sink"],
  [{ sink: 5 }, "sink"],
  [{ colour: "red" }, "colour"],
  [{ types: [] }, "types"],
  [{ types: ["a", ""] }, "types[1]"],
  [{ types: "a" }, "types"],
  [{ source: "" }, "source"],
  [{ labels: { a: 1 } }, "labels.a"],
  [{ labels: [] }, "labels"],
  [{ filters: {} }, "filters"],
  [{ filters: [{}] }, "filters[0]"],
  [{ filters: [{ exact: { type: "a" } }, { regexp: { type: "a" } }] }, "filters[1].regexp"],
  [{ filters: [{ exact: { type: "a" }, prefix: { type: "a" } }] }, "filters[0]"],
  [{ filters: [null] }, "filters[0]"],
  [{ transformer: "x" }, "transformer"],
  [{ config: { concurrency: 0 } }, "config.concurrency"],
  [{ config: { concurrency: 5000 } }, "config.concurrency"],
  [{ config: { timeoutMs: "1s" } }, "config.timeoutMs"],
  [{ config: { retry: { maxAge: "31d" } } }, "config.retry.maxAge"],
  [{ config: { retry: { minDelayMs: 10, maxDelayMs: 5 } } }, "config.retry.minDelayMs"],
  [{ config: { retry: { maxAttempts: 0 } } }, "config.retry.maxAttempts"],
  [{ config: { paused: "yes" } }, "config.paused"],
  [{ config: { speed: 1 } }, "config.speed"],
  [{ config: [] }, "config"],
  [{ protocolsettings: { method: "GET" } }, "protocolsettings.method"],
  [{ protocolsettings: { format: "xml" } }, "protocolsettings.format"],
  [{ protocolsettings: { topic: "x" } }, "protocolsettings.topic"],
];
for (const [members, path] of invalid) {
  test(`${JSON.stringify(members)} is refused at ${path}`, async () => {
    const { errors } = assertProblem(
      await create({ ...minimal, ...members }),
      400,
      "invalid_resource",
    );
    assert.deepEqual(
      errors.map((each) => each.path),
      [path],
    );
  });
}

test("everything wrong with a subscription is listed at once", async () => {
  const answer = await create({
    protocol: "HTTP",
    sink,
    filters: [{ exact: {} }],
    transformer: { template: "${nobody}" },
    config: { concurrency: 0 },
    extra: 1,
  });
  const { errors } = assertProblem(answer, 400, "invalid_resource");
  const paths = errors.map(({ path }) => path);
  for (const start of ["bus", "filters[0]", "transformer", "config.concurrency", "extra"]) {
    assert.ok(
      paths.some((path) => path.startsWith(start)),
      `${start} in ${paths.join(", ")}`,
    );
  }
});

const later: readonly object[] = [
  { config: { replyBus: "default" } },
  { sinkcredential: { credentialtype: "REFRESHTOKEN" } },
  { protocol: "KAFKA" },
];
for (const members of later) {
  test(`${JSON.stringify(members)} is not supported yet`, async () => {
    assertProblem(await create({ ...minimal, ...members }), 400, "not_supported_yet");
  });
}

test("what is true today of later members is accepted", async () => {
  await created({
    signing: null,
    sinkcredential: null,
    config: { ordering: null, rateLimit: 0, replyBus: null, circuitKey: null },
  });
});

test("what later versions build is absent from /openapi.json", async () => {
  const { text } = await broker.fetch("GET", "/openapi.json");
  for (const name of ["replyBus", "jsonata"]) {
    assert.ok(!text.includes(name), name);
  }
});

test("OPTIONS says which methods exist", async () => {
  const list = await broker.fetch("OPTIONS", "/v1/subscriptions");
  assert.equal(list.headers.get("allow"), "GET, HEAD, OPTIONS, POST");
  const one = await broker.fetch("OPTIONS", "/v1/subscriptions/x");
  assert.equal(one.headers.get("allow"), "DELETE, GET, HEAD, OPTIONS, PATCH, PUT");
});

test("a bus with subscriptions is deleted only with all of them", async () => {
  await broker.broker.buses.put("used", {}, {});
  const { id, path } = await created({ bus: "used" });
  const refused = await broker.fetch("DELETE", "/v1/buses/used");
  assert.match(assertProblem(refused, 409, "in_use").detail, new RegExp(id));
  const gone = await broker.fetch("DELETE", "/v1/buses/used?cascade=true");
  assert.equal(gone.status, 200, gone.text);
  assertProblem(await broker.fetch("GET", path), 404, "subscription_not_found");
});

test("an empty list of dead letters is a list, an unknown letter 404", async () => {
  const { path } = await created();
  assert.deepEqual((await broker.fetch("GET", `${path}/dead-letters`)).json(), []);
  assertProblem(await broker.fetch("GET", `${path}/dead-letters/x`), 404, "dead_letter_not_found");
  assertProblem(
    await broker.fetch("DELETE", `${path}/dead-letters/x`),
    404,
    "dead_letter_not_found",
  );
});

test("P8: without --allow-private-sinks a private sink is refused", async () => {
  await using strict = await startHttpBroker({ buses: ["default"] });
  const answer = await strict.fetch("POST", "/v1/subscriptions", {
    body: { ...minimal, sink: "http://127.0.0.1:9000/" },
  });
  const { errors } = assertProblem(answer, 400, "invalid_resource");
  assert.deepEqual(
    errors.map(({ path }) => path),
    ["sink"],
  );
});

const goals: readonly [to: unknown, start: number | undefined][] = [
  ["earliest", 0],
  ["latest", 3],
  [1, 1],
  ["2", 2],
  [3, 3],
  ["2020-01-01T00:00:00Z", 0],
  ["2020-01-01T01:00:00.5+01:00", 0],
  [4, undefined],
  [-1, undefined],
  ["2999-01-01T00:00:00Z", undefined],
  ["yesterday", undefined],
  [null, undefined],
  [["earliest"], undefined],
];
for (const [to, start] of goals) {
  test(`seek to ${JSON.stringify(to)} is ${start === undefined ? "refused" : `offset ${start}`}`, async () => {
    const { path } = await created({ bus: "history", config: { paused: true } });
    const answer = await broker.fetch("POST", `${path}/seek`, { body: { to } });
    if (start === undefined) {
      const { errors } = assertProblem(answer, 400, "invalid_request");
      assert.deepEqual(
        errors.map((each) => each.path),
        ["to"],
      );
      return;
    }
    assert.equal(answer.status, 200, answer.text);
    const status = answer.json<SubscriptionStatus>();
    assert.deepEqual([status.generation, status.start], [2, start]);
    assert.equal(status.counters.pending, 3 - start);
    assert.equal(status.previous[0]?.generation, 1);
    const resource = (await broker.fetch("GET", path)).json();
    assert.equal(resource["startOffset"], 3, "what start resolved to at creation stays");
    const shown = (await broker.fetch("GET", `${path}/status`)).json<SubscriptionStatus>();
    assert.deepEqual(shown.previous, status.previous);
  });
}

test("seek says what is wrong with its body, and which subscription there is not", async () => {
  const { path } = await created();
  const extra = await broker.fetch("POST", `${path}/seek`, { body: { to: 0, speed: 1 } });
  assert.equal(assertProblem(extra, 400, "invalid_request").errors[0]?.path, "speed");
  const list = await broker.fetch("POST", `${path}/seek`, { body: [] });
  assertProblem(list, 400, "invalid_request");
  const plain = await broker.fetch("POST", `${path}/seek`, {
    body: "earliest",
    headers: { "content-type": "text/plain" },
  });
  assertProblem(plain, 415, "unsupported_content_type");
  const nobody = await broker.fetch("POST", "/v1/subscriptions/nobody/seek", { body: { to: 0 } });
  assertProblem(nobody, 404, "subscription_not_found");
});

test("rateLimit and circuitKey are kept, shown and judged", async () => {
  const { path } = await created({ config: { rateLimit: 25, circuitKey: "crm" } });
  const { config } = (await broker.fetch("GET", path)).json<Subscription>();
  assert.deepEqual([config.rateLimit, config.circuitKey], [25, "crm"]);
  for (const [member, value] of [
    ["rateLimit", -1],
    ["rateLimit", 1_000_001],
    ["rateLimit", 0.5],
    ["circuitKey", ""],
    ["circuitKey", 7],
    ["circuitKey", "k".repeat(257)],
  ] as const) {
    const answer = await create({ ...minimal, config: { [member]: value } });
    const { errors } = assertProblem(answer, 400, "invalid_resource");
    assert.equal(errors[0]?.path, `config.${member}`);
  }
});

test("the status tells of the circuit: closed while nothing is wrong", async () => {
  const { path } = await created();
  const { circuit } = (await broker.fetch("GET", `${path}/status`)).json<SubscriptionStatus>();
  assert.deepEqual(circuit, { state: "closed", reason: null, nextProbeAt: null });
});
