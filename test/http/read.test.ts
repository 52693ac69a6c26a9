import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import { limits } from "../../src/kernel/limits.ts";
import {
  assertProblem,
  binaryHeaders,
  startHttpBroker,
  structuredEvent,
} from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({
    buses: ["default", "empty", "poll", "trimmed", "scanned", "large"],
  });
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

const filterOf = (filter: unknown): string =>
  `filter=${encodeURIComponent(JSON.stringify(filter))}`;

test("a filter chooses: one object, a list, or several parameters that must all hold", async () => {
  const two = filterOf({ exact: { id: "2" } });
  const one = await read(`?${two}`);
  assert.deepEqual(idsOf(one), ["2"]);
  assert.equal(one.headers.get("millrace-offsets"), "2");
  assert.equal(one.headers.get("millrace-next-offset"), "5");
  const either = { any: [{ exact: { id: "1" } }, { exact: { id: "2" } }] };
  assert.deepEqual(idsOf(await read(`?${filterOf([either])}`)), ["1", "2"]);
  assert.deepEqual(idsOf(await read(`?${filterOf(either)}&${two}`)), ["2"]);
  assert.deepEqual(idsOf(await read(`?${filterOf([])}`)).length, 5);
});

const badFilters: readonly (readonly [string, string, string])[] = [
  ["filter=x", "filter", "invalid_json"],
  [filterOf({}), "filter", "invalid_filter"],
  [filterOf({ nope: 1 }), "filter.nope", "unknown_dialect"],
  [filterOf([{ exact: { id: "1" } }, { not: 3 }]), "filter[1].not", "invalid_value"],
  [`${filterOf([])}&${filterOf({ exact: 1 })}`, "filter[1].exact", "invalid_value"],
];
for (const [query, path, code] of badFilters) {
  test(`${decodeURIComponent(query)} is refused at ${path}`, async () => {
    const { errors } = assertProblem(await read(`?${query}`), 400, "invalid_request");
    assert.deepEqual([errors[0]?.path, errors[0]?.code], [path, code]);
  });
}

test("P7: a filtered read looks at a bounded number of events and says where to go on", async () => {
  const events = Array.from({ length: 1000 }, (_, id) => structuredEvent({ id: `scan-${id}` }));
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const rounds = Math.ceil((limits.readScanEventsMax + 1000) / 1000);
  for (let round = 0; round < rounds; round++) {
    await broker.fetch("POST", "/v1/buses/scanned/events", { headers, body: events });
  }
  const filter = filterOf({ exact: { id: "never" } });
  const answer = await read(`?${filter}&waitMs=20000`, "scanned");
  assert.deepEqual(idsOf(answer), []);
  const next = Number(answer.headers.get("millrace-next-offset"));
  assert.ok(next >= limits.readScanEventsMax && next < rounds * 1000, String(next));
  const rest = await read(`?from=${next}&${filter}`, "scanned");
  assert.equal(rest.headers.get("millrace-next-offset"), String(rounds * 1000));
});

test("a filtered long poll waits for an event that matches, whatever comes before", async () => {
  const poll = read(`?from=latest&waitMs=10000&${filterOf({ exact: { id: "wanted" } })}`, "poll");
  await broker.fetch("GET", "/health/live");
  for (const id of ["other", "another"]) {
    const headers = binaryHeaders({ "ce-id": id });
    await broker.fetch("POST", "/v1/buses/poll/events", { headers, body: "x" });
  }
  const headers = binaryHeaders({ "ce-id": "wanted" });
  await broker.fetch("POST", "/v1/buses/poll/events", { headers, body: "x" });
  assert.deepEqual(idsOf(await poll), ["wanted"]);
});

test("P7: an answer holds at most 8 MiB as it is sent, and goes on where it ended", async () => {
  // Control characters take six bytes each in JSON: what is stored is much smaller.
  const body = "\u0001".repeat(900_000);
  for (let id = 0; id < 3; id++) {
    await broker.fetch("POST", "/v1/buses/large/events", {
      headers: binaryHeaders({ "ce-id": String(id) }),
      body,
    });
  }
  const first = await read("", "large");
  assert.ok(Buffer.byteLength(first.text) <= limits.readBytesMax, String(first.text.length));
  assert.equal(Number(first.headers.get("content-length")), Buffer.byteLength(first.text));
  assert.deepEqual(idsOf(first), ["0"]);
  assert.deepEqual(idsOf(await read("?from=1&limit=1", "large")), ["1"]);
});

test("HEAD answers the headers of a read", async () => {
  const head = await broker.fetch("HEAD", "/v1/buses/default/events?limit=2");
  assert.equal(head.status, 200);
  assert.equal(head.headers.get("millrace-offsets"), "0,1");
  assert.equal(head.text, "");
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
  assertProblem(await broker.fetch("GET", "/v1/buses/default/events/0/else"), 404, "not_found");
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
