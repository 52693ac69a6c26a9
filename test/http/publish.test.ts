import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { limits } from "../../src/kernel/limits.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import {
  assertProblem,
  binaryHeaders,
  startHttpBroker,
  structuredEvent,
  untilClosed,
} from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({ buses: ["default", "many"] });
});
after(() => broker.stop());

const events = "/v1/buses/default/events";
const structuredType = { "content-type": "application/cloudevents+json" };
const batchType = { "content-type": "application/cloudevents-batch+json" };

function next(bus = "default"): number {
  return broker.broker.buses.require(bus).log.bounds().next;
}

describe("publish", () => {
  test("a binary event is answered 202 with its offset and no body", async () => {
    const expected = next();
    const answer = await broker.fetch("POST", events, { headers: binaryHeaders(), body: "hello" });
    assert.equal(answer.status, 202);
    assert.equal(answer.text, "");
    assert.equal(answer.headers.get("millrace-offset"), String(expected));
    const stored = await broker.fetch("GET", `${events}/${expected}`);
    assert.equal(stored.headers.get("content-type"), "application/cloudevents+json");
    assert.deepEqual(stored.json(), {
      ...structuredEvent(),
      datacontenttype: "text/plain",
      data: "hello",
    });
  });

  test("a structured event keeps the text of its numbers", async () => {
    const body =
      '{"specversion":"1.0","id":"n","source":"/s","type":"t","data":{"big":12345678901234567890,"exact":1.10}}';
    const offset = next();
    const answer = await broker.fetch("POST", events, { headers: structuredType, body });
    assert.equal(answer.status, 202, answer.text);
    const stored = await broker.fetch("GET", `${events}/${offset}`);
    assert.match(stored.text, /12345678901234567890/);
    assert.match(stored.text, /1\.10/);
  });

  test("a batch is answered 200 with every offset", async () => {
    const first = next();
    const body = [structuredEvent({ id: "a" }), structuredEvent({ id: "b" })];
    const answer = await broker.fetch("POST", events, { headers: batchType, body });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json(), { offsets: [first, first + 1], duplicates: [] });
  });

  test("an empty batch is legal and stores nothing", async () => {
    const first = next();
    const answer = await broker.fetch("POST", events, { headers: batchType, body: [] });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json(), { offsets: [], duplicates: [] });
    assert.equal(next(), first);
  });

  test("one bad event refuses its whole batch and says which one it was", async () => {
    const first = next();
    const body = [structuredEvent(), structuredEvent({ type: "" }), structuredEvent({ id: null })];
    const answer = await broker.fetch("POST", events, { headers: batchType, body });
    const { errors } = assertProblem(answer, 400, "invalid_event");
    assert.deepEqual(
      errors.map(({ index, path }) => [index, path]),
      [
        [1, "type"],
        [2, "id"],
      ],
    );
    assert.equal(next(), first, "nothing was stored");
  });

  for (const path of ["/gateway/default", "/namespaces/default/eventbus/default/events"]) {
    test(`publishers written for Vanus may send to ${path}`, async () => {
      const offset = next();
      const answer = await broker.fetch("POST", path, { headers: binaryHeaders(), body: "x" });
      assert.equal(answer.status, 202);
      assert.equal(answer.headers.get("millrace-offset"), String(offset));
    });
  }

  test("every violation of an event is listed at once", async () => {
    const headers = { "ce-specversion": "0.3", "ce-source": "/s", "ce-time": "yesterday" };
    const answer = await broker.fetch("POST", events, { headers, body: "x" });
    const { errors } = assertProblem(answer, 400, "invalid_event");
    const paths = errors.map(({ path }) => path);
    for (const path of ["specversion", "id", "type", "time"]) assert.ok(paths.includes(path), path);
  });

  const refusals: readonly {
    readonly name: string;
    readonly path?: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string | Uint8Array;
    readonly status: number;
    readonly code: string;
  }[] = [
    {
      name: "an unknown bus",
      path: "/v1/buses/nobody/events",
      headers: binaryHeaders(),
      body: "x",
      status: 404,
      code: "bus_not_found",
    },
    {
      name: "a bus name that is none",
      path: "/v1/buses/No%20body/events",
      headers: binaryHeaders(),
      body: "x",
      status: 404,
      code: "bus_not_found",
    },
    {
      name: "neither ce- headers nor a CloudEvents type",
      headers: { "content-type": "application/json" },
      body: "{}",
      status: 400,
      code: "invalid_event",
    },
    {
      name: "bare application/cloudevents",
      headers: { "content-type": "application/cloudevents" },
      body: "{}",
      status: 415,
      code: "unsupported_content_type",
    },
    {
      name: "an unknown format",
      headers: { "content-type": "application/cloudevents+avro" },
      body: "{}",
      status: 415,
      code: "unsupported_content_type",
    },
    {
      name: "an unknown batch format",
      headers: { "content-type": "application/cloudevents-batch+xml" },
      body: "[]",
      status: 415,
      code: "unsupported_content_type",
    },
    {
      name: "gzip",
      headers: { ...binaryHeaders(), "content-encoding": "gzip" },
      body: "x",
      status: 415,
      code: "unsupported_content_type",
    },
    {
      name: "malformed JSON",
      headers: structuredType,
      body: '{"id": ',
      status: 400,
      code: "invalid_event",
    },
    {
      name: "an array as structured event",
      headers: structuredType,
      body: "[]",
      status: 400,
      code: "invalid_event",
    },
    {
      name: "an empty structured body",
      headers: structuredType,
      body: "",
      status: 400,
      code: "invalid_event",
    },
    {
      name: "an object as batch",
      headers: batchType,
      body: "{}",
      status: 400,
      code: "invalid_event",
    },
    {
      name: "bytes that are not UTF-8",
      headers: structuredType,
      body: new Uint8Array([0x7b, 0xff, 0x7d]),
      status: 400,
      code: "invalid_event",
    },
    {
      name: "a control character in an attribute",
      headers: binaryHeaders({ "ce-subject": "a%0D%0Ab" }),
      body: "x",
      status: 400,
      code: "invalid_event",
    },
    {
      name: "an event over 1 MiB",
      headers: binaryHeaders(),
      body: "x".repeat(limits.eventBytesMax + 1),
      status: 413,
      code: "event_too_large",
    },
    {
      name: "a structured event over 1 MiB",
      headers: structuredType,
      body: JSON.stringify(structuredEvent({ data: "x".repeat(limits.eventBytesMax) })),
      status: 413,
      code: "event_too_large",
    },
    {
      name: "a batch over 8 MiB",
      headers: batchType,
      body: " ".repeat(limits.batchBytesMax + 1),
      status: 413,
      code: "batch_too_large",
    },
    {
      name: "a batch of more than 1 000 events",
      headers: batchType,
      body: JSON.stringify(Array.from({ length: 1001 }, () => structuredEvent())),
      status: 413,
      code: "batch_too_large",
    },
  ];
  for (const { name, path = events, headers, body, status, code } of refusals) {
    test(`${name} is refused with ${status} ${code} and nothing is stored`, async () => {
      const first = next();
      assertProblem(await broker.fetch("POST", path, { headers, body }), status, code);
      assert.equal(next(), first);
    });
  }

  test("an event of exactly 1 MiB is taken", async () => {
    const body = "x".repeat(limits.eventBytesMax);
    const answer = await broker.fetch("POST", events, { headers: binaryHeaders(), body });
    assert.equal(answer.status, 202, answer.text);
  });

  test("64 KiB of attributes in headers are taken", async () => {
    const headers = binaryHeaders({ "ce-large": "y".repeat(64 * 1024) });
    const answer = await broker.fetch("POST", events, { headers, body: "x" });
    assert.equal(answer.status, 202, answer.text);
  });

  test("events sent by many connections at once get offsets of their own", async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        broker.fetch("POST", "/v1/buses/many/events", {
          headers: binaryHeaders({ "ce-id": String(index) }),
          body: "x",
        }),
      ),
    );
    const offsets = answers.map(({ headers }) => Number(headers.get("millrace-offset")));
    assert.deepEqual(
      offsets.toSorted((one, other) => one - other),
      Array.from({ length: 200 }, (_, index) => index),
    );
  });

  test("a method that a publish path does not take is 405 with Allow", async () => {
    const answer = await broker.fetch("PUT", events, { body: {} });
    assertProblem(answer, 405, "method_not_allowed");
    assert.equal(answer.headers.get("allow"), "GET, HEAD, OPTIONS, POST");
    const vanus = await broker.fetch("GET", "/gateway/default");
    assertProblem(vanus, 405, "method_not_allowed");
    assert.equal(vanus.headers.get("allow"), "OPTIONS, POST");
  });

  test("the webhook handshake grants the origin that asks", async () => {
    const headers = { "webhook-request-origin": "sender.example", "webhook-request-rate": "120" };
    const answer = await broker.fetch("OPTIONS", events, { headers });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("webhook-allowed-origin"), "sender.example");
    assert.equal(answer.headers.get("webhook-allowed-rate"), "*");
    assert.match(answer.headers.get("allow") ?? "", /POST/);
  });
});

describe("bodies on the wire", () => {
  const head = (extra: string): string =>
    `POST ${events} HTTP/1.1\r\nHost: localhost\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n${extra}\r\n`;

  test("a body declared too large is refused before it is sent", async () => {
    const text = await broker.raw(head(`Content-Length: ${limits.eventBytesMax + 1}\r\n`));
    assert.match(text, /^HTTP\/1\.1 413 /);
    assert.match(text, /event_too_large/);
    assert.match(text, /connection: close/i);
  });

  test("an endless chunked body is cut off at the limit", async () => {
    const first = next();
    const socket = connect(broker.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(head("Transfer-Encoding: chunked\r\n"));
    const chunk = `10000\r\n${"z".repeat(0x10000)}\r\n`;
    const closed = untilClosed(socket);
    for (let sent = 0; sent < 64 && !socket.destroyed; sent++) {
      socket.write(chunk);
      await wait(1);
    }
    assert.match(await closed, /^HTTP\/1\.1 413 /);
    assert.equal(next(), first);
  });

  test("a body that is cut off stores nothing", async () => {
    const first = next();
    const socket = connect(broker.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(`${head("Content-Length: 100\r\n")}only a part`);
    await wait(20);
    socket.destroy();
    await once(socket, "close");
    const answer = await broker.fetch("GET", "/health/live");
    assert.equal(answer.status, 200);
    assert.equal(next(), first);
  });

  test("a body sent after Expect: 100-continue is taken", async () => {
    const request = `${head("Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n")}hi`;
    const text = await broker.raw(request);
    assert.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 202 /);
  });

  test("pipelined publishes are answered in order, each counted once", async () => {
    const first = next();
    const one = head("Content-Length: 1\r\n") + "a";
    const last = head("Content-Length: 1\r\nConnection: close\r\n") + "b";
    const text = await broker.raw(one + one + last);
    const offsets = [...text.matchAll(/millrace-offset: (\d+)/g)].map((match) => Number(match[1]));
    assert.deepEqual(offsets, [first, first + 1, first + 2]);
    assert.equal(next(), first + 3);
  });

  test("chunked bodies are joined", async () => {
    const offset = next();
    const body = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    await broker.raw(head("Transfer-Encoding: chunked\r\nConnection: close\r\n") + body);
    const stored = await broker.fetch("GET", `${events}/${offset}`);
    assert.match(stored.text, /"data_base64":"YWJjZGU="|"data":"abcde"/);
  });
});
