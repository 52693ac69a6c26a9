/** Sinks that take several events in one request, and what they answer of each. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import type { Outcome, SinkDelivery } from "../../src/connector/sink.ts";
import { batchLimitsOf, checkBatch } from "../../src/connector/sinks/batch-settings.ts";
import { limits } from "../../src/kernel/limits.ts";
import { only, recorder } from "./recorder.ts";
import type { TestServer, TestSink } from "./support.ts";
import { answering, httpServer, makeDelivery, makeEvent, openSink, rawServer } from "./support.ts";

const secret = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;

function batchSink(server: TestServer, batch: object = {}, signing: string[] = []): TestSink {
  const protocolsettings = { format: "batch", batch };
  return openSink("HTTP", { sink: server.url, protocolsettings, signing });
}

/** Deliveries of events e-0, e-1 … at the offsets 10, 11 … */
function deliveries(count: number, change: Partial<SinkDelivery> = {}): SinkDelivery[] {
  return Array.from({ length: count }, (_, index) =>
    makeDelivery({ event: makeEvent({ id: `e-${index}` }), offset: 10 + index, ...change }),
  );
}

const names = (outcomes: readonly Outcome[]): string[] => outcomes.map(({ outcome }) => outcome);
/** `drd` for delivered, retry, delivered. */
const initials = (outcomes: readonly Outcome[]): string =>
  outcomes.map(({ outcome }) => outcome.slice(0, 1)).join("");

test("a batch is one request: a JSON list, the offsets, the highest attempt", async () => {
  await using server = await recorder();
  await using sink = batchSink(server);
  const batch = deliveries(3).map((each, index) => ({ ...each, attempt: [1, 4, 2][index] ?? 1 }));
  assert.deepEqual(names(await sink.sendBatch(batch)), ["delivered", "delivered", "delivered"]);
  const { headers, body } = only(server.seen);
  assert.equal(headers["content-type"], "application/cloudevents-batch+json; charset=utf-8");
  assert.equal(headers["millrace-offsets"], "10,11,12");
  assert.equal(headers["millrace-offset"], undefined);
  assert.equal(headers["millrace-attempt"], "4");
  assert.equal(headers["millrace-subscription"], "sub-1");
  assert.equal(headers["ce-id"], undefined);
  const events = JSON.parse(body) as { id: string; data: unknown }[];
  assert.deepEqual(
    events.map(({ id }) => id),
    ["e-0", "e-1", "e-2"],
  );
  assert.deepEqual(events[0]?.data, { total: 12 });
});

test("a single event of a sink that takes batches is a batch of one, and so is its preview", async () => {
  await using server = await recorder();
  await using sink = batchSink(server);
  assert.equal((await sink.send()).outcome, "delivered");
  const { headers, body } = only(server.seen);
  assert.equal(headers["millrace-offsets"], "7");
  const preview = sink.sink.preview(makeDelivery());
  assert.equal(preview.body, body);
  assert.equal(preview.headers["millrace-offsets"], "7");
});

test("a batch is signed over its whole body, with the same id for the same events", async () => {
  await using server = await recorder();
  await using sink = batchSink(server, {}, [secret]);
  const three = deliveries(3);
  await sink.sendBatch(three);
  await sink.sendBatch(three.map((each) => ({ ...each, attempt: 2 })));
  await sink.sendBatch(three.toReversed());
  await sink.sendBatch(three.slice(1));
  const ids = server.seen.map(({ headers }) => String(headers["webhook-id"]));
  assert.deepEqual([ids[1], ids[2]], [ids[0], ids[0]]);
  assert.notEqual(ids[3], ids[0]);
  const { headers, body } = server.seen[0] ?? assert.fail("nothing was sent");
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = `${ids[0]}.${String(headers["webhook-timestamp"])}.${body}`;
  const wanted = `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
  assert.equal(headers["webhook-signature"], wanted);
});

test("a sink knows its limits; one without the format has none", async () => {
  await using server = await recorder();
  await using plain = openSink("HTTP", { sink: server.url });
  await using sink = batchSink(server, { maxEvents: 5 });
  assert.equal(plain.sink.batch, undefined);
  assert.deepEqual(sink.sink.batch, { maxEvents: 5, maxBytes: 1_000_000, lingerMs: 20 });
});

test("what does not fit into maxBytes is not tried; a larger event goes alone", async () => {
  await using server = await recorder();
  await using sink = batchSink(server, { maxBytes: 400 });
  const [one] = deliveries(1);
  assert.ok(one !== undefined);
  await sink.sendBatch([one]);
  const bytes = Buffer.byteLength(server.seen[0]?.body ?? "");
  await using exact = batchSink(server, { maxBytes: 2 * bytes - 1 });
  await using less = batchSink(server, { maxBytes: 2 * bytes - 2 });
  assert.deepEqual(names(await exact.sendBatch([one, one, one])), [
    "delivered",
    "delivered",
    "aborted",
  ]);
  assert.equal(Buffer.byteLength(server.seen[1]?.body ?? ""), 2 * bytes - 1);
  assert.deepEqual(names(await less.sendBatch([one, one])), ["delivered", "aborted"]);
  await using tiny = batchSink(server, { maxBytes: 1 });
  assert.deepEqual(names(await tiny.sendBatch([one, one])), ["delivered", "aborted"]);
});

test("the header with the offsets is bounded", async () => {
  await using server = await recorder();
  await using sink = batchSink(server, { maxEvents: 1000 });
  const many = deliveries(1000).map((each, index) => ({ ...each, offset: 10 ** 12 + index }));
  const outcomes = await sink.sendBatch(many);
  const header = String(only(server.seen).headers["millrace-offsets"]);
  assert.ok(header.length <= limits.deliveryHeaderBytesMax && header.length > 8000);
  const sent = header.split(",").length;
  assert.equal(outcomes.filter(({ outcome }) => outcome === "delivered").length, sent);
  assert.ok(outcomes.slice(sent).every(({ outcome }) => outcome === "aborted"));
});

interface AnswerRow {
  readonly name: string;
  readonly body: string;
  readonly status?: number;
  /** The outcome of each of the three events: d, r for delivered and retry. */
  readonly expected: string;
  readonly waits?: readonly (number | undefined)[];
  readonly error?: RegExp;
}

const answers: readonly AnswerRow[] = [
  { name: "an empty body", body: "", expected: "ddd" },
  { name: "plain text", body: "thanks", expected: "ddd" },
  { name: "a JSON list", body: '[{"index":0}]', expected: "ddd" },
  { name: "an object without failures", body: '{"status":"ok"}', expected: "ddd" },
  { name: "failures: null", body: '{"failures":null}', expected: "ddd" },
  { name: "no failures", body: '{"failures":[]}', expected: "ddd" },
  {
    name: "one failure",
    body: '{"failures":[{"index":1}]}',
    expected: "drd",
    waits: [undefined],
    error: /named event 1 of the batch/,
  },
  {
    name: "failures with waits",
    body: ' {"failures":[{"index":2,"retryAfterMs":1500,"why":"x"},{"index":0,"retryAfterMs":0.5}]}',
    expected: "rdr",
    waits: [1, 1500],
  },
  {
    name: "an event named twice waits for the longer time",
    body: '{"failures":[{"index":0,"retryAfterMs":50},{"index":0},{"index":0,"retryAfterMs":70}]}',
    expected: "rdd",
    waits: [70],
  },
  {
    name: "waits that are none",
    body: '{"failures":[{"index":0,"retryAfterMs":-5},{"index":1,"retryAfterMs":"9"},{"index":2,"retryAfterMs":1e300}]}',
    expected: "rrr",
    waits: [undefined, undefined, limits.retryAfterMsMax],
  },
  {
    name: "an index beyond the batch",
    body: '{"failures":[{"index":0},{"index":3}]}',
    expected: "rrr",
    error: /failures\[1\] names no event of a batch of 3: the whole batch is sent again/,
  },
  { name: "an index below 0", body: '{"failures":[{"index":-1}]}', expected: "rrr" },
  { name: "an index that is no integer", body: '{"failures":[{"index":0.5}]}', expected: "rrr" },
  { name: "an index as text", body: '{"failures":[{"index":"1"}]}', expected: "rrr" },
  { name: "a failure that is no object", body: '{"failures":[1]}', expected: "rrr" },
  { name: "failures that are no list", body: '{"failures":{"index":1}}', expected: "rrr" },
  {
    name: "broken JSON that may have named failures",
    body: '{"failures":[{"index":1}',
    expected: "rrr",
    error: /JSON cannot be read/,
  },
  {
    name: "a list longer than 64 KiB",
    body: `{"failures":[${'{"index":1},'.repeat(10_000)}{"index":0}]}`,
    expected: "rrr",
    error: /too long/,
  },
  {
    name: "a page longer than 64 KiB",
    body: `<html>${"x".repeat(100_000)}</html>`,
    expected: "ddd",
  },
  { name: "failures with 202", status: 202, body: '{"failures":[{"index":1}]}', expected: "ddd" },
  { name: "failures with 207", status: 207, body: '{"failures":[{"index":1}]}', expected: "ddd" },
];
for (const { name, body, status = 200, expected, waits, error } of answers) {
  test(`a batch answered ${status} with ${name}: ${expected}`, async () => {
    await using server = await httpServer((request, response) => {
      request.resume();
      response.writeHead(status).end(body);
    });
    await using sink = batchSink(server);
    const outcomes = await sink.sendBatch(deliveries(3));
    assert.equal(initials(outcomes), expected);
    const failed = outcomes.filter((each) => each.outcome === "retry");
    if (waits !== undefined) {
      assert.deepEqual(
        failed.map(({ retryAfterMs }) => retryAfterMs),
        waits,
      );
    }
    for (const each of failed) {
      assert.equal(each.failure, "response");
      assert.equal(each.status, 200);
      assert.ok(Buffer.byteLength(each.response ?? "") <= limits.responseExcerptBytesMax);
      if (error !== undefined) assert.match(each.error, error);
    }
  });
}

const breaks: readonly (readonly [string, string, string])[] = [
  ["a 200 that promises more than it sends", "Content-Length: 500\r\n\r\n", "rrr"],
  ["a 200 that breaks off within its list", 'Content-Length: 500\r\n\r\n{"failures":[', "rrr"],
  ["a 200 that breaks off within other text", "Content-Length: 500\r\n\r\nfine so f", "ddd"],
];
for (const [name, rest, expected] of breaks) {
  test(`${name}: ${expected}`, async () => {
    await using server = await answering(`HTTP/1.1 200 OK\r\n${rest}`);
    await using sink = batchSink(server);
    const outcomes = await sink.sendBatch(deliveries(3));
    assert.equal(initials(outcomes), expected);
  });
}

test("a 200 whose list never ends is cut off in time and sent again", async () => {
  await using server = await rawServer((socket) => {
    socket.on("error", () => undefined); // The sink breaks off; that is the point.
    socket.once("data", () => socket.write('HTTP/1.1 200 OK\r\n\r\n{"failures":['));
  });
  await using sink = batchSink(server);
  const outcomes = await sink.sendBatch(deliveries(2, { timeoutMs: 100 }));
  assert.deepEqual(names(outcomes), ["retry", "retry"]);
});

const statuses: readonly (readonly [string, Outcome["outcome"]])[] = [
  ["503 Busy", "retry"],
  ["429 Slow down\r\nRetry-After: 3", "hold"],
  ["400 Bad", "rejected"],
  ["410 Gone", "gone"],
];
for (const [head, expected] of statuses) {
  test(`a batch answered ${head.slice(0, 3)} is ${expected} for every event`, async () => {
    const body = '{"failures":[{"index":0}]}';
    await using server = await answering(
      `HTTP/1.1 ${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await using sink = batchSink(server);
    assert.deepEqual(names(await sink.sendBatch(deliveries(2))), [expected, expected]);
  });
}

test("a batch that is under way when its sink closes, or comes later, is aborted", async () => {
  await using server = await rawServer((socket) => void socket.resume());
  const sink = batchSink(server);
  const underWay = sink.sendBatch(deliveries(2));
  await sink.sink.close();
  assert.deepEqual(names(await underWay), ["aborted", "aborted"]);
  assert.deepEqual(names(await sink.sendBatch(deliveries(3))), ["aborted", "aborted", "aborted"]);
});

const settings: readonly (readonly [unknown, readonly string[]])[] = [
  [{}, []],
  [{ maxEvents: 1, maxBytes: 1, lingerMs: 0 }, []],
  [{ maxEvents: 1000, maxBytes: 8_388_608, lingerMs: 60_000 }, []],
  [{ maxEvents: null }, []],
  [{ maxEvents: 0 }, ["batch.maxEvents out_of_range"]],
  [{ maxEvents: 1001 }, ["batch.maxEvents out_of_range"]],
  [{ maxEvents: 1.5 }, ["batch.maxEvents out_of_range"]],
  [{ maxEvents: "9" }, ["batch.maxEvents wrong_type"]],
  [{ maxBytes: 0 }, ["batch.maxBytes out_of_range"]],
  [{ maxBytes: 8_388_609 }, ["batch.maxBytes out_of_range"]],
  [{ lingerMs: -1 }, ["batch.lingerMs out_of_range"]],
  [{ lingerMs: 60_001 }, ["batch.lingerMs out_of_range"]],
  [{ size: 3 }, ["batch.size unknown_member"]],
  [[], ["batch wrong_type"]],
  [7, ["batch wrong_type"]],
];
for (const [batch, expected] of settings) {
  test(`batch ${JSON.stringify(batch)}: ${expected.join() || "fine"}`, () => {
    const found = [...checkBatch(batch, "batch", { format: "batch", batch })];
    assert.deepEqual(
      found.map(({ path, code }) => `${path} ${code}`),
      expected,
    );
  });
}

test("sizes of batches need the format", () => {
  const [violation] = [...checkBatch({}, "batch", { format: "structured" })];
  assert.match(violation?.message ?? "", /"format": "batch"/);
  assert.equal(batchLimitsOf({ format: "structured", batch: {} }), undefined);
});
