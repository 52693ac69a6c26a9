import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import { assertProblem, binaryHeaders, startHttpBroker } from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({ buses: ["default", "empty", "poll", "trimmed"] });
  for (let index = 0; index < 5; index++) await publish("default", index);
});
after(() => broker.stop());

function publish(bus: string, id: number): Promise<Answer> {
  const headers = binaryHeaders({ "ce-id": String(id) });
  return broker.fetch("POST", `/v1/buses/${bus}/events`, { headers, body: "x" });
}

const read = (query: string, bus = "default"): Promise<Answer> =>
  broker.fetch("GET", `/v1/buses/${bus}/events${query}`);

function idsOf(answer: Answer): string[] {
  assert.equal(answer.status, 200, answer.text);
  return answer.json<{ id: string }[]>().map(({ id }) => id);
}

test("a read begins at the oldest event and says where to go on", async () => {
  const answer = await read("");
  assert.deepEqual(idsOf(answer), ["0", "1", "2", "3", "4"]);
  assert.equal(answer.headers.get("content-type"), "application/cloudevents-batch+json");
  assert.equal(answer.headers.get("millrace-offsets"), "0,1,2,3,4");
  assert.equal(answer.headers.get("millrace-next-offset"), "5");
  assert.equal(answer.headers.get("millrace-gap"), null);
});

test("from and limit choose a part", async () => {
  const answer = await read("?from=1&limit=2");
  assert.deepEqual(idsOf(answer), ["1", "2"]);
  assert.equal(answer.headers.get("millrace-next-offset"), "3");
});

test("from=latest and an empty bus answer an empty list", async () => {
  const latest = await read("?from=latest");
  assert.deepEqual(idsOf(latest), []);
  assert.equal(latest.headers.get("millrace-next-offset"), "5");
  assert.equal(latest.headers.get("millrace-offsets"), "");
  assert.deepEqual(idsOf(await read("", "empty")), []);
});

test("from takes a time: the first event appended at or after it", async () => {
  assert.deepEqual(idsOf(await read("?from=2020-01-01T00:00:00Z")).length, 5);
});

for (const from of [
  "6",
  "99",
  "2999-01-01T00:00:00Z",
  "soon",
  "-1",
  "1.5",
  "2026-02-30T00:00:00Z",
]) {
  test(`from=${from} is refused`, async () => {
    const { errors } = assertProblem(await read(`?from=${from}`), 400, "invalid_request");
    assert.equal(errors[0]?.path, "from");
  });
}

test("a read of an unknown bus is 404", async () => {
  assertProblem(await read("", "nobody"), 404, "bus_not_found");
});

test("a filter is not supported yet", async () => {
  assertProblem(await read("?filter=x"), 400, "not_supported_yet");
});

test("a long poll answers when an event comes", async () => {
  const poll = read("?from=latest&waitMs=10000", "poll");
  await broker.fetch("GET", "/health/live");
  await publish("poll", 7);
  assert.deepEqual(idsOf(await poll), ["7"]);
});

test("a long poll answers an empty list when its time is over", async () => {
  assert.deepEqual(idsOf(await read("?from=latest&waitMs=20", "empty")), []);
});

test("one event is read by its offset", async () => {
  const answer = await broker.fetch("GET", "/v1/buses/default/events/3");
  assert.equal(answer.status, 200);
  assert.equal(answer.json()["id"], "3");
  assertProblem(await broker.fetch("GET", "/v1/buses/default/events/5"), 404, "event_not_found");
  assertProblem(await broker.fetch("GET", "/v1/buses/default/events/stream"), 404, "not_found");
  assertProblem(await broker.fetch("GET", "/v1/buses/default/events/0/explain"), 404, "not_found");
});

test("a trimmed offset reads from the oldest kept and names the gap", async () => {
  const { log } = broker.broker.buses.require("trimmed");
  const events = Array.from({ length: 1000 }, (_, index) => ({
    specversion: "1.0",
    id: String(index),
    source: "/s",
    type: "t",
  }));
  const headers = { "content-type": "application/cloudevents-batch+json" };
  for (let round = 0; round < 2; round++) {
    await broker.fetch("POST", "/v1/buses/trimmed/events", { headers, body: events });
  }
  await log.trim(log.trimmable(1500));
  const { first } = log.bounds();
  assert.ok(first > 0);
  const answer = await read("?from=3&limit=1", "trimmed");
  assert.equal(answer.headers.get("millrace-offsets"), String(first));
  assert.equal(answer.headers.get("millrace-gap"), `3-${first - 1}`);
  const earliest = await read("?limit=1", "trimmed");
  assert.equal(earliest.headers.get("millrace-gap"), null);
  assertProblem(await broker.fetch("GET", "/v1/buses/trimmed/events/3"), 410, "event_expired");
});
