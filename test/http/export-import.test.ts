/** Export and import of a bus as JSON lines, over real HTTP. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { eventually } from "../support/broker-process.ts";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import {
  assertProblem,
  binaryHeaders,
  startHttpBroker,
  structuredEvent,
  untilClosed,
} from "../support/http-broker.ts";

const lines = { "content-type": "application/x-ndjson" };

function importInto(broker: HttpBroker, body: string | Uint8Array): Promise<Answer> {
  return broker.fetch("POST", "/v1/buses/copy/import", { headers: lines, body });
}

/** Every record of a bus as it is stored: attributes, data and all. */
async function stored(broker: Broker, bus: string): Promise<string[]> {
  const { log } = broker.buses.require(bus);
  const records: string[] = [];
  for (let at = 0; at < log.bounds().next;) {
    const batch = await log.read(at, { records: 1000, bytes: 1_000_000_000 });
    for (let index = 0; index < batch.count; index++) {
      records.push(batch.buffer.toString("latin1", batch.starts[index], batch.ends[index]));
    }
    at = batch.next;
  }
  return records;
}

const datas: readonly (readonly [string, Record<string, string>, string | Buffer])[] = [
  ["JSON with line breaks", { "content-type": "application/json" }, '{\n "n": 1e400,\r\n"a":1}'],
  ["JSON with blanks around it", { "content-type": "application/json" }, ' {"a": 1}\t'],
  ["JSON that is none", { "content-type": "application/json" }, "{"],
  ["text with line breaks", { "content-type": "text/plain" }, 'one\ntwo\r\n\u2028"three"'],
  ["a byte order mark", { "content-type": "application/json" }, "\ufeff{}"],
  ["no valid UTF-8", { "content-type": "text/plain" }, Buffer.from([0xff, 0x0a, 0xfe])],
  ["bytes", { "content-type": "application/octet-stream" }, Buffer.from([0, 10, 13, 255])],
  ["empty data of a type", { "content-type": "application/json" }, ""],
];

test("an import of an export gives the same events in the same order, byte for byte", async () => {
  await using broker = await startHttpBroker({ buses: ["origin", "copy"] });
  const path = "/v1/buses/origin/events";
  for (const [id, headers, body] of datas) {
    const all = binaryHeaders({ "ce-id": id, "ce-subject": "s", "ce-x": "", ...headers });
    assert.equal((await broker.fetch("POST", path, { headers: all, body })).status, 202);
  }
  const structured = [
    '{"specversion":"1.0","id":"j","source":"/s","type":"t","data":{\n"a" : 12345678901234567890 }}',
    '{"specversion":"1.0","id":"k","source":"/s","type":"t","data":null}',
    '{"specversion":"1.0","id":"l","source":"/s","type":"t","num":7,"yes":true,"data_base64":"Cg=="}',
    '{"specversion":"1.0","id":"m","source":"/s","type":"t","time":"2026-01-01T00:00:00.120Z"}',
  ];
  const headers = { "content-type": "application/cloudevents+json" };
  for (const body of structured) {
    assert.equal((await broker.fetch("POST", path, { headers, body })).status, 202);
  }
  const exported = await broker.fetch("GET", "/v1/buses/origin/export");
  assert.equal(exported.headers.get("content-type"), "application/x-ndjson");
  assert.equal(exported.headers.get("millrace-next-offset"), String(datas.length + 4));
  assert.equal(exported.text.split("\n").length, datas.length + 4 + 1);
  for (const line of exported.text.trimEnd().split("\n")) JSON.parse(line);
  const answer = await importInto(broker, exported.text);
  assert.deepEqual(answer.json(), {
    lines: datas.length + 4,
    imported: datas.length + 4,
    duplicates: 0,
    first: 0,
    next: datas.length + 4,
  });
  assert.deepEqual(await stored(broker.broker, "copy"), await stored(broker.broker, "origin"));
});

test("from, to and filter choose what is exported", async () => {
  await using broker = await startHttpBroker({ buses: ["origin", "copy"] });
  const body = Array.from({ length: 6 }, (_, id) =>
    JSON.stringify(structuredEvent({ id: `${id}` })),
  );
  await importInto(broker, body.join("\n"));
  const get = (query: string): Promise<Answer> =>
    broker.fetch("GET", `/v1/buses/copy/export${query}`);
  const ids = async (query: string): Promise<string> =>
    [...(await get(query)).text.matchAll(/"id":"(\d+)"/g)].map(([, id]) => id).join("");
  assert.equal(await ids("?from=1&to=4"), "123");
  assert.equal(await ids("?to=2020-01-01T00:00:00Z"), "");
  assert.equal(await ids("?from=6"), "");
  const filter = encodeURIComponent('{"exact":{"id":"3"}}');
  assert.equal(await ids(`?filter=${filter}`), "3");
  const wrong = assertProblem(await get("?from=3&to=1"), 400, "invalid_request");
  assert.equal(wrong.errors[0]?.path, "to");
  assertProblem(await get("?filter=x"), 400, "invalid_request");
  assertProblem(await broker.fetch("GET", "/v1/buses/no/export"), 404, "bus_not_found");
  assertProblem(await broker.fetch("PUT", "/v1/buses/copy/export"), 405, "method_not_allowed");
});

test("an export says its gaps in a header beforehand and in a trailer at its end", async () => {
  await using broker = await startHttpBroker({ buses: ["origin", "copy"] });
  const { log } = broker.broker.buses.require("copy");
  const body = Array.from({ length: 2000 }, (_, id) =>
    JSON.stringify(structuredEvent({ id: `${id}` })),
  );
  await importInto(broker, body.join("\n"));
  await log.trim(log.trimmable(1500));
  const { first } = log.bounds();
  const [answer] = (await once(
    httpRequest(`${broker.url}/v1/buses/copy/export?from=3`).end(),
    "response",
  )) as [IncomingMessage];
  assert.equal(answer.headers["millrace-gap"], `3-${first - 1}`);
  answer.resume();
  await once(answer, "end");
  assert.equal(answer.trailers["millrace-gap"], `3-${first - 1}`);
  assert.equal(answer.trailers["millrace-count"], String(2000 - first));
  const head = await broker.fetch("HEAD", "/v1/buses/copy/export?from=3");
  assert.equal(head.headers.get("millrace-gap"), `3-${first - 1}`);
  const earliest = await broker.fetch("GET", "/v1/buses/copy/export");
  assert.equal(earliest.headers.get("millrace-gap"), null);
});

test("blank lines are skipped, line breaks may be CRLF, the last line needs none", async () => {
  await using broker = await startHttpBroker({ buses: ["copy"] });
  const line = JSON.stringify(structuredEvent());
  const answer = await importInto(broker, `\n${line}\r\n  \n\n${line}\n${line}`);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json()["imported"], 3);
  const empty = await importInto(broker, "\n");
  assert.deepEqual(empty.json(), { lines: 0, imported: 0, duplicates: 0, first: null, next: null });
});

const badLines: readonly (readonly [string, string, number, string, RegExp])[] = [
  ["no JSON", "{oops", 400, "invalid_event", /line 3: .*JSON/],
  ["an invalid event", '{"specversion":"1.0","id":"x"}', 400, "invalid_event", /line 3: /],
  [
    "too long",
    `{"a":"${"x".repeat(limits.importLineBytesMax)}"}`,
    413,
    "event_too_large",
    /line 3: .*importLineBytesMax/,
  ],
];
for (const [what, bad, status, code, says] of badLines) {
  test(`a line that is ${what} is refused by its number, and the lines before it are stored`, async () => {
    await using broker = await startHttpBroker({ buses: ["copy"] });
    const line = JSON.stringify(structuredEvent());
    const answer = await importInto(broker, `${line}\n${line}\n${bad}\n${line}\n`);
    const { detail } = assertProblem(answer, status, code);
    assert.match(detail, says);
    assert.match(detail, /2 lines before it were imported/);
    assert.deepEqual(
      [answer.json()["line"], answer.json()["lines"], answer.json()["next"]],
      [3, 2, 2],
    );
    assert.equal(broker.broker.buses.require("copy").log.bounds().next, 2);
  });
}

test("an import is refused before its body: unknown bus, other content type, coded content", async () => {
  await using broker = await startHttpBroker({ buses: ["copy"] });
  const post = (bus: string, headers: Record<string, string>): Promise<Answer> =>
    broker.fetch("POST", `/v1/buses/${bus}/import`, { headers, body: "x" });
  assertProblem(await post("nobody", lines), 404, "bus_not_found");
  const json = { "content-type": "application/json" };
  assertProblem(await post("copy", json), 415, "unsupported_content_type");
  const coded = { ...lines, "content-encoding": "gzip" };
  assertProblem(await post("copy", coded), 415, "unsupported_content_type");
  assertProblem(await broker.fetch("GET", "/v1/buses/copy/import"), 405, "method_not_allowed");
});

test("P7: 40 000 events travel out of one bus into another at once, in order", async () => {
  await using broker = await startHttpBroker({ buses: ["origin", "copy"] });
  const line = JSON.stringify(structuredEvent({ data: { text: "x".repeat(40) } }));
  const body = `${line}\n`.repeat(20_000);
  for (let round = 0; round < 2; round++) {
    const headers = lines;
    const done = await broker.fetch("POST", "/v1/buses/origin/import", { headers, body });
    assert.equal(done.json()["imported"], 20_000);
  }
  const exported = await fetch(`${broker.url}/v1/buses/origin/export`);
  assert.ok(exported.body);
  const answer = await fetch(`${broker.url}/v1/buses/copy/import`, {
    method: "POST",
    headers: lines,
    body: exported.body,
    duplex: "half",
  });
  const counts = (await answer.json()) as Record<string, unknown>;
  assert.deepEqual(counts, {
    lines: 40_000,
    imported: 40_000,
    duplicates: 0,
    first: 0,
    next: 40_000,
  });
});

test("P7: an import that sends nothing any more is answered 408 with what was stored", async () => {
  const clock = new FakeClock();
  await using broker = await startHttpBroker({ buses: ["copy"], parts: { clock } });
  const line = JSON.stringify(structuredEvent());
  const socket = connect(broker.port, "127.0.0.1");
  socket.write(
    "POST /v1/buses/copy/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n" +
      `Transfer-Encoding: chunked\r\n\r\n${(line.length + 1).toString(16)}\r\n${line}\n\r\n`,
  );
  const text = untilClosed(socket);
  const { log } = broker.broker.buses.require("copy");
  await eventually(
    () => log.bounds().next === 1,
    () => "the first line is stored while the rest is awaited",
  );
  clock.advance(limits.bodyRateGraceMs + limits.bodySweepIntervalMs);
  assert.match(await text, /^HTTP\/1\.1 408 [\s\S]*1 lines were imported before/);
});

test("an import during the stop stores what came and says 503 stopping", async () => {
  const broker = await startHttpBroker({ buses: ["copy"] });
  const { log } = broker.broker.buses.require("copy");
  const line = JSON.stringify(structuredEvent());
  const request = httpRequest(`${broker.url}/v1/buses/copy/import`, {
    method: "POST",
    headers: lines,
  });
  request.on("error", () => undefined);
  request.write(`${line}\n`);
  await eventually(
    () => log.bounds().next === 1,
    () => "the first line is stored",
  );
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  const stopped = broker.stop();
  const [answer] = await answered;
  assert.equal(answer.statusCode, 503);
  assert.equal(answer.headers.connection, "close");
  answer.resume();
  await stopped;
});

test("a bus with deduplication counts what it had already, and refuses an id with other content by its line", async () => {
  await using broker = await startHttpBroker({ buses: ["copy"] });
  const put = await broker.fetch("PUT", "/v1/buses/copy", { body: { deduplication: {} } });
  assert.equal(put.status, 200, put.text);
  const [a, b, other] = [
    structuredEvent({ id: "a" }),
    structuredEvent({ id: "b" }),
    structuredEvent({ id: "a", data: "other" }),
  ].map((event) => JSON.stringify(event));
  const first = await importInto(broker, `${a}\n${a}\n${b}\n`);
  assert.deepEqual(first.json(), { lines: 3, imported: 2, duplicates: 1, first: 0, next: 2 });
  const again = await importInto(
    broker,
    `${b}\n${JSON.stringify(structuredEvent({ id: "c" }))}\n${other}\n`,
  );
  const { detail } = assertProblem(again, 409, "id_reused");
  assert.match(detail, /line 3: .*2 lines before it were imported/);
  assert.match(String(again.json()["advice"]), /nothing more was stored/);
  assert.deepEqual([again.json()["imported"], again.json()["duplicates"]], [1, 1]);
  assert.equal(broker.broker.buses.require("copy").log.bounds().next, 3);
});
