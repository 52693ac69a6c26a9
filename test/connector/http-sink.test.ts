import assert from "node:assert/strict";
import { test } from "node:test";

import type { Outcome } from "../../src/connector/sink.ts";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { only, recorder } from "./recorder.ts";
import {
  answering,
  httpServer,
  makeContext,
  makeDelivery,
  makeEvent,
  openSink,
  rawServer,
} from "./support.ts";
import type { TestServer } from "./support.ts";

test("binary mode sends the attributes as headers and the data bytes as they are", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", {
    sink: server.url,
    protocolsettings: { headers: { Authorization: "Bearer x" }, method: "PUT" },
  });
  const outcome = await sink.send({ attempt: 3 });
  assert.equal(outcome.outcome, "delivered");
  const { method, path, headers, body } = only(server.seen);
  assert.equal(method, "PUT");
  assert.equal(path, "/in?x=1");
  assert.equal(body, '{"total":12}');
  assert.equal(headers["ce-id"], "e-1");
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["content-length"], "12");
  assert.equal(headers["authorization"], "Bearer x");
  assert.equal(headers["millrace-subscription"], "sub-1");
  assert.equal(headers["millrace-bus"], "default");
  assert.equal(headers["millrace-offset"], "7");
  assert.equal(headers["millrace-attempt"], "3");
  assert.match(headers["user-agent"] ?? "", /^millrace\/\d/);
  assert.equal(headers["ce-datacontenttype"], undefined);
});

test("data without datacontenttype goes out without any Content-Type", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", { sink: server.url });
  await sink.send({ event: makeEvent({ datacontenttype: undefined }) });
  assert.equal(only(server.seen).headers["content-type"], undefined);
});

const structured: readonly (readonly [string, object, Parameters<typeof makeEvent>[0]])[] = [
  ["format structured", { format: "structured" }, {}],
  ["an event without data", {}, { data: undefined, datacontenttype: undefined }],
  ["headers over the limit", {}, { subject: "x".repeat(limits.deliveryHeaderBytesMax) }],
];
for (const [name, protocolsettings, overrides] of structured) {
  test(`${name} goes structured with exactly the content type of the format`, async () => {
    await using server = await recorder();
    await using sink = openSink("HTTP", { sink: server.url, protocolsettings });
    const { outcome } = await sink.send({ event: makeEvent(overrides) });
    assert.equal(outcome, "delivered");
    const { headers, body } = only(server.seen);
    assert.equal(headers["content-type"], "application/cloudevents+json; charset=utf-8");
    assert.equal(headers["ce-id"], undefined);
    assert.equal((JSON.parse(body) as { id: string }).id, "e-1");
  });
}

const statuses: readonly (readonly [string, Outcome["outcome"], number | undefined])[] = [
  ["200 OK", "delivered", undefined],
  ["204 No Content", "delivered", undefined],
  ["299 Fine", "delivered", undefined],
  ["404 Not Found", "retry", undefined],
  ["500 Oops\r\nRetry-After: 7", "retry", 7000],
  ["503 Busy", "retry", undefined],
  ["503 Busy\r\nRetry-After: 9", "hold", 9000],
  ["503 Busy\r\nRetry-After: 0", "retry", undefined],
  ["429 Slow down\r\nRetry-After: 3\r\nRetry-After: 8", "hold", 8000],
  ["429 Slow down", "hold", undefined],
  ["410 Gone", "gone", undefined],
  ["400 Bad", "rejected", undefined],
  ["304 Same", "rejected", undefined],
];
for (const [head, expected, retryAfterMs] of statuses) {
  test(`the answer ${JSON.stringify(head)} is ${expected}`, async () => {
    const length = head.startsWith("204") || head.startsWith("304") ? "" : "Content-Length: 0\r\n";
    await using server = await answering(`HTTP/1.1 ${head}\r\n${length}\r\n`);
    await using sink = openSink("HTTP", { sink: server.url });
    const outcome = await sink.send();
    assert.equal(outcome.outcome, expected);
    if ("retryAfterMs" in outcome) assert.equal(outcome.retryAfterMs, retryAfterMs);
    if ("error" in outcome) assert.match(outcome.error, new RegExp(`answered ${head.slice(0, 3)}`));
  });
}

test("a redirect is not followed, even from a public name to the metadata service", async () => {
  await using elsewhere = await recorder();
  const goal = `http://127.0.0.1:${elsewhere.port}/latest`;
  await using server = await answering(
    `HTTP/1.1 302 Found\r\nLocation: ${goal}\r\nContent-Length: 0\r\n\r\n`,
  );
  await using sink = openSink("HTTP", { sink: server.url });
  const outcome = await sink.send();
  assert.equal(outcome.outcome, "rejected");
  assert.ok(
    "error" in outcome && outcome.error.includes("redirect") && outcome.error.includes(goal),
  );
  assert.equal(elsewhere.connects(), 0);
});

test("the excerpt of a failure's body is capped", async () => {
  const body = "é".repeat(3000);
  await using server = await httpServer((_request, response) => response.writeHead(400).end(body));
  await using sink = openSink("HTTP", { sink: server.url });
  const outcome = await sink.send();
  assert.ok("response" in outcome && outcome.response !== undefined);
  assert.ok(outcome.response.startsWith("éé"));
  assert.ok(Buffer.byteLength(outcome.response) <= limits.responseExcerptBytesMax);
});

test("connections are kept: a hundred requests in a row use one", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", { sink: server.url, concurrency: 1 });
  for (let index = 0; index < 100; index += 1) {
    assert.equal((await sink.send()).outcome, "delivered");
  }
  assert.equal(server.connects(), 1);
});

test("a connection is replaced when it has reached its age, between two requests", async () => {
  await using server = await recorder();
  const clock = new FakeClock();
  const context = makeContext({ clock });
  await using sink = openSink("HTTP", { sink: server.url, concurrency: 1 }, context);
  const connectsAfter = async (waitMs: number): Promise<number> => {
    clock.advance(waitMs);
    assert.equal((await sink.send({ timeoutMs: limits.timeoutMsMax })).outcome, "delivered");
    return server.connects();
  };
  assert.equal(await connectsAfter(0), 1);
  // In steps, so that it is not let go for want of use.
  const steps = 15;
  for (let step = 1; step < steps; step += 1) {
    assert.equal(await connectsAfter(limits.sinkConnectionAgeMsMax / steps), 1);
  }
  assert.equal(await connectsAfter(limits.sinkConnectionAgeMsMax / steps - 1), 1);
  assert.equal(await connectsAfter(1), 1);
  assert.equal(await connectsAfter(0), 2);
});

test("no more connections than the concurrency", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", { sink: server.url, concurrency: 3 });
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => sink.send()));
  assert.ok(outcomes.every(({ outcome }) => outcome === "delivered"));
  assert.ok(server.connects() <= 3);
});

test("a sink that the server closed between two requests is reached again", async () => {
  await using server = await httpServer((request, response) => {
    request.resume();
    response.writeHead(200, { connection: "close" }).end("bye");
  });
  await using sink = openSink("HTTP", { sink: server.url });
  assert.equal((await sink.send()).outcome, "delivered");
  assert.equal((await sink.send()).outcome, "delivered");
  assert.equal(server.connects(), 2);
});

interface Misbehaviour {
  readonly name: string;
  readonly server: () => Promise<TestServer>;
  readonly outcome: Outcome["outcome"];
  readonly failure?: string;
  readonly error?: RegExp;
}

const misbehaviours: readonly Misbehaviour[] = [
  {
    name: "accepts and never answers",
    server: () => rawServer((socket) => void socket.resume()),
    outcome: "retry",
    failure: "timeout",
    error: /no answer from 127\.0\.0\.1:\d+ within 300 ms/,
  },
  {
    name: "sends its headers a byte at a time",
    server: () => trickling("HTTP/1.1 200 OK\r\nx: ", "y"),
    outcome: "retry",
    failure: "timeout",
  },
  {
    name: "sends informational answers for ever",
    server: () => trickling("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
    outcome: "retry",
    failure: "timeout",
  },
  {
    name: "says 200 and trickles its body for ever",
    server: () => trickling("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "x"),
    outcome: "delivered",
  },
  {
    name: "says 500 and trickles its body for ever",
    server: () => trickling("HTTP/1.1 500 No\r\n\r\n", "x"),
    outcome: "retry",
    failure: "status",
    error: /answered 500/,
  },
  {
    name: "says 200 with an endless body",
    server: () => endless("HTTP/1.1 200 OK\r\n\r\n"),
    outcome: "delivered",
  },
  {
    name: "says 400 with an endless body",
    server: () => endless("HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n"),
    outcome: "rejected",
    failure: "status",
  },
  {
    name: "promises more bytes than it sends",
    server: () => answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
    outcome: "delivered",
  },
  {
    name: "sends more bytes than it promised",
    server: () => answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nmuch too long"),
    outcome: "delivered",
  },
  {
    name: "breaks its chunked coding",
    server: () =>
      answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk size\r\n"),
    outcome: "delivered",
  },
  {
    name: "answers garbage",
    server: () => answering("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    outcome: "retry",
    failure: "protocol",
    error: /not HTTP/,
  },
  {
    name: "answers with too large headers",
    server: () => answering(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}\r\n\r\n`),
    outcome: "retry",
    failure: "protocol",
  },
  {
    name: "switches protocols",
    server: () => answering("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
    outcome: "retry",
    failure: "connect",
  },
  {
    name: "answers 100 Continue unasked",
    server: () => answering("HTTP/1.1 100 Continue\r\n\r\n"),
    outcome: "retry",
    failure: "connect",
  },
  {
    name: "floods it with 100 Continue",
    server: () => flooding("HTTP/1.1 100 Continue\r\n\r\n".repeat(500)),
    outcome: "retry",
    failure: "connect",
  },
  {
    name: "floods it with 103 Early Hints",
    server: () => flooding("HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n".repeat(500)),
    outcome: "retry",
    failure: "timeout",
  },
  {
    name: "answers as HTTP/0.9, a body without headers",
    server: () => answering("<html>hello</html>\r\n"),
    outcome: "retry",
    failure: "protocol",
    error: /not HTTP/,
  },
  {
    name: "answers in a version that does not exist",
    server: () => answering("HTTP/4.2 200 OK\r\nContent-Length: 0\r\n\r\n"),
    outcome: "retry",
    failure: "protocol",
  },
  {
    name: "answers with a status of two digits",
    server: () => answering("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    outcome: "retry",
    failure: "protocol",
  },
  {
    name: "answers with two different lengths",
    server: () => answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nok"),
    outcome: "retry",
    failure: "protocol",
  },
  {
    name: "answers with a length and chunks",
    server: () =>
      answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ),
    outcome: "retry",
    failure: "protocol",
  },
  {
    name: "answers with a length that is no number",
    server: () => answering("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nok"),
    outcome: "retry",
    failure: "protocol",
  },
  {
    name: "claims a body of a petabyte",
    server: () => answering(`HTTP/1.1 200 OK\r\nContent-Length: ${10 ** 15}\r\n\r\nok`),
    outcome: "delivered",
  },
  {
    name: "claims a chunk of a petabyte",
    server: () =>
      answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n38D7EA4C68000\r\nok"),
    outcome: "delivered",
  },
  {
    name: "answers 204 with a body all the same",
    server: () => answering("HTTP/1.1 204 No Content\r\n\r\nsurprise, surprise"),
    outcome: "delivered",
  },
  {
    name: "answers with headers for ever",
    server: () => trickling("HTTP/1.1 200 OK\r\n", "x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"),
    outcome: "retry",
    failure: "timeout",
  },
  {
    name: "resets the connection within its body",
    server: () => resettingAfter("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    outcome: "delivered",
  },
  {
    name: "resets the connection within the body of a 500",
    server: () => resettingAfter("HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf"),
    outcome: "retry",
    failure: "status",
  },
  {
    name: "resets the connection within its headers",
    server: () => resettingAfter("HTTP/1.1 200 OK\r\nContent-Le"),
    outcome: "retry",
    failure: "connect",
  },
  {
    name: "closes without an answer",
    server: () => answering(""),
    outcome: "retry",
    failure: "connect",
  },
  {
    name: "resets the connection",
    server: () => rawServer((socket) => void socket.once("data", () => socket.resetAndDestroy())),
    outcome: "retry",
    failure: "connect",
    error: /reset/,
  },
];

function trickling(head: string, drop: string): Promise<TestServer> {
  return rawServer((socket) => {
    socket.on("error", () => undefined); // The sink breaks off; that is the point.
    socket.once("data", () => {
      socket.write(head);
      const timer = setInterval(() => socket.write(drop), 20);
      socket.once("close", () => clearInterval(timer));
    });
  });
}

/** Writes the same bytes again and again, as fast as they are taken. */
function flooding(bytes: string): Promise<TestServer> {
  return rawServer((socket) => {
    socket.on("error", () => undefined); // The sink breaks off; that is the point.
    const pour = (): void => {
      if (!socket.destroyed) socket.write(bytes, () => setImmediate(pour));
    };
    socket.once("data", pour);
  });
}

function resettingAfter(bytes: string): Promise<TestServer> {
  return rawServer((socket) => {
    socket.on("error", () => undefined); // The sink breaks off; that is the point.
    socket.once("data", () => {
      socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 20));
    });
  });
}

function endless(head: string): Promise<TestServer> {
  return rawServer((socket) => {
    socket.on("error", () => undefined); // The sink breaks off; that is the point.
    const block = Buffer.alloc(16_384, "x");
    const pour = (): void => {
      while (!socket.destroyed && socket.write(block));
    };
    socket.once("data", () => {
      socket.write(head);
      socket.on("drain", pour);
      pour();
    });
  });
}

for (const { name, server: start, outcome: expected, failure, error } of misbehaviours) {
  test(`F11: a sink that ${name} is ${expected}, and lets go of its connection`, async () => {
    await using server = await start();
    await using sink = openSink("HTTP", { sink: server.url });
    const before = performance.now();
    const outcome = await sink.send({ timeoutMs: 300 });
    assert.ok(performance.now() - before < 10_000, "settled within the timeout and a little");
    assert.equal(outcome.outcome, expected, JSON.stringify(outcome));
    if (failure !== undefined) assert.equal("failure" in outcome && outcome.failure, failure);
    if (error !== undefined) assert.match("error" in outcome ? outcome.error : "", error);
    assert.ok(outcome.latencyMs >= 0 && outcome.latencyMs < 10_000);
    // Closing waits for the sockets: nothing that hangs may hold it.
    await sink.sink.close();
  });
}

test("a refused connection is retried and says who refused", async () => {
  const server = await rawServer(() => undefined);
  await server[Symbol.asyncDispose]();
  await using sink = openSink("HTTP", { sink: server.url });
  const outcome = await sink.send();
  assert.equal(outcome.outcome, "retry");
  assert.ok("error" in outcome);
  assert.equal(outcome.error, `connection refused by 127.0.0.1:${server.port}`);
  assert.equal(outcome.failure, "connect");
});

test("a sink recovers after timeouts: abandoned requests do not take its connections", async () => {
  let hangs = true;
  await using server = await httpServer((request, response) => {
    request.resume();
    if (!hangs) response.writeHead(204).end();
  });
  await using sink = openSink("HTTP", { sink: server.url, concurrency: 2 });
  const timedOut = await Promise.all([1, 2, 3, 4, 5].map(() => sink.send({ timeoutMs: 100 })));
  assert.ok(timedOut.every(({ outcome }) => outcome === "retry"));
  hangs = false;
  const outcomes = await Promise.all([1, 2, 3, 4, 5].map(() => sink.send()));
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    Array.from({ length: 5 }, () => "delivered"),
  );
});

test("closing settles what is under way as aborted, once, and later sends too", async () => {
  await using server = await rawServer((socket) => void socket.resume());
  await using sink = openSink("HTTP", { sink: server.url, concurrency: 2 });
  const underWay = [sink.send(), sink.send(), sink.send()];
  while (server.connects() < 2) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([sink.sink.close(), sink.sink.close()]);
  const outcomes = await Promise.all([...underWay, sink.send()]);
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ["aborted", "aborted", "aborted", "aborted"],
  );
  while (server.openSockets.size > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("no timer is left once nothing is under way", async () => {
  await using server = await recorder();
  const context = makeContext();
  await using sink = openSink("HTTP", { sink: server.url }, context);
  await sink.send();
  assert.equal(context.deadlines.armed, 0);
});

test("the preview is the request that send makes, with the user's secrets masked", async () => {
  await using server = await recorder();
  await using sink = openSink("HTTP", {
    sink: server.url,
    protocolsettings: { headers: { Authorization: "Bearer secret", "X-Team": "blue" } },
  });
  const preview = sink.sink.preview(makeDelivery());
  await sink.send();
  const { headers, body } = only(server.seen);
  assert.equal(preview.url, server.url);
  assert.equal(preview.method, "POST");
  assert.equal(preview.body, body);
  assert.equal(preview.headers["authorization"], "***");
  for (const [name, value] of Object.entries(preview.headers)) {
    if (name !== "authorization") assert.equal(headers[name], value, name);
  }
});

test("what a callback throws is not swallowed", async (context) => {
  await using server = await recorder();
  await using sink = openSink("HTTP", { sink: server.url });
  const thrown = new Promise<unknown>((resolve) => {
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", resolve);
    context.after(() => listeners.forEach((each) => process.on("uncaughtException", each)));
  });
  sink.sink.send(makeDelivery(), () => {
    throw new Error("a bug in delivery");
  });
  assert.match(String(await thrown), /a bug in delivery/);
});
