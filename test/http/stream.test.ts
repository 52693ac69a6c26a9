/** `GET …/events/stream`: a bus as Server-Sent Events, over real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { LongAnswers } from "../../src/http/long-answers.ts";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { eventually } from "../support/broker-process.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import {
  assertProblem,
  binaryHeaders,
  startHttpBroker,
  structuredEvent,
} from "../support/http-broker.ts";

const PATH = "/v1/buses/default/events/stream";

interface Tail extends AsyncDisposable {
  readonly answer: Response;
  /** Everything that came so far. */
  text(): string;
  /** Resolves when the text matches. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;
}

async function tail(
  broker: HttpBroker,
  query = "",
  headers: Record<string, string> = {},
): Promise<Tail> {
  const controller = new AbortController();
  const { signal } = controller;
  const answer = await fetch(`${broker.url}${PATH}${query}`, { headers, signal });
  assert.equal(answer.status, 200);
  let text = "";
  const decoder = new TextDecoder();
  const ended = (async () => {
    for await (const chunk of answer.body ?? []) text += decoder.decode(chunk as Uint8Array);
  })().catch(() => undefined);
  const until = async (pattern: RegExp): Promise<string> => {
    await eventually(
      () => pattern.test(text),
      () => `${pattern} in ${text}`,
      5000,
    );
    return text;
  };
  return {
    answer,
    text: () => text,
    until,
    ended,
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await ended;
    },
  };
}

async function publish(broker: HttpBroker, id: string, more = {}): Promise<void> {
  const body = structuredEvent({ id, ...more });
  const headers = { "content-type": "application/cloudevents+json" };
  const answer = await broker.fetch("POST", "/v1/buses/default/events", { headers, body });
  assert.equal(answer.status, 202, answer.text);
}

test("a stream tells the events that are there and those that come, with their offsets", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  await publish(broker, "a");
  await using stream = await tail(broker);
  assert.equal(stream.answer.headers.get("content-type"), "text/event-stream");
  assert.match(stream.answer.headers.get("cache-control") ?? "", /no-cache/);
  assert.equal(stream.answer.headers.get("x-accel-buffering"), "no");
  await stream.until(/^id: 0\ndata: \{"specversion":"1.0","id":"a".*\}\n\n/);
  await publish(broker, "b");
  await stream.until(/id: 1\ndata: .*"id":"b".*\n\n$/);
});

test("an event is one line whatever its data looks like", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const headers = binaryHeaders({ "content-type": "application/json" });
  const body = '{\n  "a": "x\\ny",\r\n  "n": 12345678901234567890\n}';
  await broker.fetch("POST", "/v1/buses/default/events", { headers, body });
  await using stream = await tail(broker);
  const text = await stream.until(/\n\n$/);
  const [id, data, ...rest] = text.split("\n");
  assert.deepEqual([id, rest], ["id: 0", ["", ""]]);
  assert.match(data ?? "", /12345678901234567890/);
  const event = JSON.parse((data ?? "").slice("data: ".length)) as { data: unknown };
  assert.deepEqual(event.data, JSON.parse(body));
});

test("Last-Event-ID goes on after that offset and wins over from", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  for (const id of ["a", "b", "c"]) await publish(broker, id);
  await using stream = await tail(broker, "?from=earliest", { "last-event-id": "1" });
  assert.match(await stream.until(/\n\n/), /^id: 2\n/);
});

test("from=latest tells only what comes, and a filter only what passes", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  await publish(broker, "a");
  const filter = encodeURIComponent(JSON.stringify({ exact: { id: "c" } }));
  await using latest = await tail(broker, "?from=latest");
  await using filtered = await tail(broker, `?filter=${filter}`);
  await publish(broker, "b");
  await publish(broker, "c");
  assert.match(await latest.until(/"id":"c"/), /^id: 1\n/);
  assert.match(await filtered.until(/"id":"c"/), /^id: 2\n/);
});

test("a trimmed offset comes as a gap, and its id resumes behind the gap", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const { log } = broker.broker.buses.require("default");
  const events = Array.from({ length: 1000 }, (_, id) => structuredEvent({ id: String(id) }));
  const headers = { "content-type": "application/cloudevents-batch+json" };
  for (let round = 0; round < 2; round++) {
    await broker.fetch("POST", "/v1/buses/default/events", { headers, body: events });
  }
  await log.trim(log.trimmable(1500));
  const { first } = log.bounds();
  assert.ok(first > 3);
  await using stream = await tail(broker, "?from=3");
  const text = await stream.until(new RegExp(`id: ${first}\n`));
  assert.ok(text.startsWith(`id: ${first - 1}\nevent: gap\ndata: 3-${first - 1}\n\n`), text);
  await using earliest = await tail(broker);
  assert.match(await earliest.until(/\n\n/), new RegExp(`^id: ${first}\n`));
});

test("what is wrong is answered as a problem before the stream begins", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const get = (query: string, headers = {}): ReturnType<HttpBroker["fetch"]> =>
    broker.fetch("GET", `${PATH}${query}`, { headers });
  assertProblem(await broker.fetch("GET", "/v1/buses/no/events/stream"), 404, "bus_not_found");
  const from = assertProblem(await get("?from=7"), 400, "invalid_request");
  assert.equal(from.errors[0]?.path, "from");
  const last = assertProblem(await get("", { "last-event-id": "x" }), 400, "invalid_request");
  assert.equal(last.errors[0]?.path, "last-event-id");
  const beyond = assertProblem(await get("", { "last-event-id": "9" }), 400, "invalid_request");
  assert.equal(beyond.errors[0]?.path, "last-event-id");
  assertProblem(await get("?filter={}"), 400, "invalid_request");
  assertProblem(await broker.fetch("POST", PATH), 405, "method_not_allowed");
  const head = await broker.fetch("HEAD", PATH);
  assert.equal(head.headers.get("content-type"), "text/event-stream");
});

test("a quiet stream says so every 15 s, and how far its filter has looked", async () => {
  const clock = new FakeClock();
  await using broker = await startHttpBroker({ buses: ["default"], parts: { clock } });
  const filter = encodeURIComponent(JSON.stringify({ exact: { id: "never" } }));
  await using stream = await tail(broker, `?filter=${filter}`);
  clock.advance(limits.streamHeartbeatMs - 1000);
  await using unfiltered = await tail(broker);
  await publish(broker, "a");
  await unfiltered.until(/"a"/);
  assert.equal(stream.text(), "");
  clock.advance(2000);
  assert.equal(await stream.until(/\n\n/), ":\nid: 0\n\n");
  clock.advance(limits.streamHeartbeatMs + 1000);
  assert.equal(await stream.until(/\n\n.*\n\n/s), ":\nid: 0\n\n:\n\n");
});

test("a stream ends when its bus is deleted and when the broker stops", async () => {
  const clock = new FakeClock();
  const broker = await startHttpBroker({ buses: ["default", "other"], parts: { clock } });
  await using first = await tail(broker);
  await broker.fetch("DELETE", "/v1/buses/default");
  clock.advance(limits.answerSweepIntervalMs);
  await first.ended;
  await broker.broker.buses.put("default", {}, {});
  await using second = await tail(broker);
  const started = performance.now();
  await Promise.all([broker.stop(), second.ended]);
  assert.ok(performance.now() - started < limits.stopAnswersMs, "it did not wait to be cut off");
});

/** Asks for a stream and then reads nothing. */
async function deafReader(broker: HttpBroker): Promise<Socket> {
  const socket = connect(broker.port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => undefined);
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  // The headers, and nothing after them.
  await once(socket, "readable");
  return socket;
}

test("P3, P7: a reader that takes nothing holds a slice of the bus, delays no publisher and is closed", async () => {
  const clock = new FakeClock();
  await using broker = await startHttpBroker({ buses: ["default"], parts: { clock } });
  const data = "x".repeat(100_000);
  for (let id = 0; id < 200; id++) await publish(broker, String(id), { data });
  const deaf = await deafReader(broker);
  await using listening = await tail(broker, "?from=latest");
  for (let id = 0; id < 20; id++) await publish(broker, `later-${id}`);
  await listening.until(/later-19/);
  const closed = once(deaf, "close");
  clock.advance(limits.answerSweepIntervalMs);
  clock.advance(limits.answerStallMsMax + limits.answerSweepIntervalMs);
  deaf.resume();
  await closed;
  await publish(broker, "after");
  await listening.until(/"after"/);
});

test("P7: a stream beyond the limit is 429, and its place is free again when one goes", async () => {
  const answers = new LongAnswers(new FakeClock());
  const responses: ServerResponse[] = [];
  const server = createServer((_request, response) => void responses.push(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  const controller = new AbortController();
  const request = fetch(`http://127.0.0.1:${port}`, { signal: controller.signal });
  request.catch(() => undefined);
  await once(server, "request");
  const [response] = responses;
  assert.ok(response);
  const noOne = { onRoom: () => undefined, onSweep: () => undefined, onClosed: () => undefined };
  for (let count = 0; count < limits.exportsMax; count++) {
    answers.refuseBeyond("export");
    answers.open({ kind: "export", response, ...noOne });
  }
  assert.throws(() => answers.refuseBeyond("export"), { code: "overloaded" });
  answers.refuseBeyond("stream");
  const closed = once(response, "close");
  controller.abort();
  await closed;
  answers.refuseBeyond("export");
  server.closeAllConnections();
  server.close();
  answers.close();
});
