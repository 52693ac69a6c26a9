import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { HttpBroker } from "../support/http-broker.ts";
import { assertProblem, binaryHeaders, startHttpBroker } from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker();
});
after(() => broker.stop());

const put = (name: string, body: unknown = {}, headers: Record<string, string> = {}) =>
  broker.fetch("PUT", `/v1/buses/${name}`, { body, headers });

test("a bus is created with defaults filled in, and found again", async () => {
  const made = await put("first");
  assert.equal(made.status, 201, made.text);
  assert.equal(made.headers.get("location"), "/v1/buses/first");
  const bus = made.json();
  assert.deepEqual(
    { ...bus, created: "", updated: "" },
    {
      name: "first",
      description: "",
      retention: { maxAge: "7d", maxBytes: null, keepUnread: false },
      deduplication: null,
      created: "",
      updated: "",
    },
  );
  const got = await broker.fetch("GET", "/v1/buses/first");
  assert.deepEqual(got.json(), bus);
  assert.equal(got.headers.get("etag"), made.headers.get("etag"));
});

test("a second PUT changes the bus and keeps when it was created", async () => {
  const before = (await put("second")).json();
  const changed = await put("second", { description: "new", retention: { maxAge: "PT1H" } });
  assert.equal(changed.status, 200);
  assert.equal(changed.json()["created"], before["created"]);
  assert.deepEqual(changed.json()["retention"], {
    maxAge: "PT1H",
    maxBytes: null,
    keepUnread: false,
  });
});

test("what a bus returns can be sent back", async () => {
  const made = await put("round-trip", { retention: { maxAge: null, maxBytes: 1_000_000 } });
  const again = await put("round-trip", made.json());
  assert.equal(again.status, 200, again.text);
  assert.deepEqual(again.json()["retention"], {
    maxAge: null,
    maxBytes: 1_000_000,
    keepUnread: false,
  });
});

test("preconditions are held: If-Match by ETag, If-None-Match for create only", async () => {
  const etag = (await put("guarded")).headers.get("etag") ?? "";
  assertProblem(await put("guarded", {}, { "if-none-match": "*" }), 412, "precondition_failed");
  assertProblem(await put("absent", {}, { "if-match": "*" }), 412, "precondition_failed");
  assertProblem(await put("guarded", {}, { "if-match": '"999999"' }), 412, "precondition_failed");
  const changed = await put("guarded", { description: "x" }, { "if-match": etag });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers.get("etag"), etag);
  const stale = { headers: { "if-match": etag } };
  assertProblem(
    await broker.fetch("DELETE", "/v1/buses/guarded", stale),
    412,
    "precondition_failed",
  );
});

const invalid: readonly [name: string, body: unknown, path: string][] = [
  ["ok", { retention: { maxAge: "7 days" } }, "retention.maxAge"],
  ["ok", { retention: { maxAge: 7 } }, "retention.maxAge"],
  ["ok", { retention: { maxAge: "1ms" } }, "retention.maxAge"],
  ["ok", { retention: { maxBytes: 0 } }, "retention.maxBytes"],
  ["ok", { retention: { maxBytes: 1.5 } }, "retention.maxBytes"],
  ["ok", { retention: { max_age: "1d" } }, "retention.max_age"],
  ["ok", { retention: { keepUnread: "yes" } }, "retention.keepUnread"],
  ["ok", { retention: [] }, "retention"],
  ["ok", { deduplication: true }, "deduplication"],
  ["ok", { deduplication: { window: "10 min" } }, "deduplication.window"],
  ["ok", { deduplication: { window: "999ms" } }, "deduplication.window"],
  ["ok", { deduplication: { window: "8d" }, retention: null }, "deduplication.window"],
  ["ok", { deduplication: { window: "2h" }, retention: { maxAge: "1h" } }, "deduplication.window"],
  ["ok", { deduplication: { maxKeys: 0 } }, "deduplication.maxKeys"],
  ["ok", { deduplication: { maxKeys: 10_000_001 } }, "deduplication.maxKeys"],
  ["ok", { deduplication: { keys: 1 } }, "deduplication.keys"],
  ["ok", { description: 5 }, "description"],
  ["ok", { description: "x".repeat(1025) }, "description"],
  ["ok", { name: "other" }, "name"],
  ["ok", { colour: "red" }, "colour"],
  ["ok", [], ""],
  ["Upper", {}, "name"],
  ["-dash", {}, "name"],
  ["a.b", {}, "name"],
  ["x".repeat(64), {}, "name"],
];
for (const [name, body, path] of invalid) {
  test(`bus '${name.slice(0, 10)}' with ${JSON.stringify(body).slice(0, 60)} is refused at '${path}'`, async () => {
    const { errors } = assertProblem(await put(name, body), 400, "invalid_resource");
    assert.deepEqual(
      errors.map((each) => each.path),
      [path],
    );
  });
}

test("what is off by default may be said to be off", async () => {
  const made = await put("neutral", { deduplication: null, retention: { keepUnread: false } });
  assert.equal(made.status, 201, made.text);
});

test("lists are paged by Link", async () => {
  await using many = await startHttpBroker({ buses: ["a", "b", "c", "d", "e"] });
  const seen: string[] = [];
  let path: string | undefined = "/v1/buses?limit=2";
  while (path !== undefined) {
    const answer = await many.fetch("GET", path);
    const buses = answer.json<{ name: string }[]>();
    assert.ok(buses.length <= 2);
    seen.push(...buses.map(({ name }) => name));
    path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1];
  }
  assert.deepEqual(seen, ["a", "b", "c", "d", "e"]);
});

test("a deleted bus is gone with its events, and one of that name is a new one", async () => {
  await put("short");
  await broker.fetch("POST", "/v1/buses/short/events", { headers: binaryHeaders(), body: "x" });
  const deleted = await broker.fetch("DELETE", "/v1/buses/short");
  assert.equal(deleted.status, 200);
  assert.equal(deleted.json()["name"], "short");
  assertProblem(await broker.fetch("GET", "/v1/buses/short"), 404, "bus_not_found");
  const answer = await broker.fetch("POST", "/v1/buses/short/events", {
    headers: binaryHeaders(),
    body: "x",
  });
  assertProblem(answer, 404, "bus_not_found");
  await put("short");
  const read = await broker.fetch("GET", "/v1/buses/short/events");
  assert.equal(read.text, "[]");
  assert.equal(read.headers.get("millrace-next-offset"), "0");
});
