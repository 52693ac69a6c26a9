/** The door closes without resetting anybody. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { eventually } from "../support/broker-process.ts";
import { startHttpBroker, untilClosed } from "../support/http-broker.ts";

const publish =
  "POST /v1/buses/default/events HTTP/1.1\r\nHost: localhost\r\nce-specversion: 1.0\r\nce-id: 1\r\n" +
  "ce-source: /s\r\nce-type: t\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx";

test("F27: a publish that arrives on a kept-alive connection during the stop is 503 with Connection: close", async () => {
  const broker = await startHttpBroker({ buses: ["default"] });
  const { log } = broker.broker.buses.require("default");
  const socket = connect(broker.port, "127.0.0.1");
  await once(socket, "connect");
  const closed = untilClosed(socket);
  socket.write(publish);
  await eventually(
    () => log.bounds().next === 1,
    () => "the first publish is stored",
  );
  await broker.fetch("GET", "/health/live");
  const stopped = broker.stop();
  // The door is shut from here on, this connection is not.
  socket.write(publish);
  const text = await closed;
  assert.match(text, /^HTTP\/1\.1 202 /);
  const [, second = ""] = text.split(/(?=HTTP\/1\.1 503)/);
  assert.match(second, /^HTTP\/1\.1 503 [\s\S]*connection: close/i);
  assert.match(second, /retry-after: \d/i);
  assert.match(second, /"code":"stopping"/);
  assert.equal(log.bounds().next, 1, "nothing was stored of it");
  await stopped;
});

test("F27: other requests on kept-alive connections are answered and end them; idle ones close by themselves", async () => {
  const broker = await startHttpBroker({ buses: ["default"] });
  const busy = connect(broker.port, "127.0.0.1");
  const idle = connect(broker.port, "127.0.0.1");
  const silent = connect(broker.port, "127.0.0.1");
  await Promise.all([busy, idle, silent].map((socket) => once(socket, "connect")));
  const ask = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const [busyText, idleText, silentText] = [busy, idle, silent].map((socket) =>
    untilClosed(socket),
  );
  idle.write(ask);
  await broker.fetch("GET", "/health/live");
  const stopped = broker.stop();
  busy.write(ask);
  assert.match((await busyText) ?? "", /^HTTP\/1\.1 200 [\s\S]*connection: close/i);
  assert.match((await idleText) ?? "", /^HTTP\/1\.1 200 /);
  assert.equal(await silentText, "");
  await stopped;
});

test("F27: a request under way when the stop begins gets its answer, and the connection ends with it", async () => {
  const broker = await startHttpBroker({ buses: ["default"] });
  const socket = connect(broker.port, "127.0.0.1");
  await once(socket, "connect");
  const closed = untilClosed(socket);
  socket.write(publish.slice(0, -1));
  await broker.fetch("GET", "/health/live");
  const stopped = broker.stop();
  socket.write("x");
  assert.match(await closed, /^HTTP\/1\.1 202 [\s\S]*connection: close/i);
  await stopped;
});
