import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { limits } from "../../src/kernel/limits.ts";
import { startHttpBroker, untilClosed } from "../support/http-broker.ts";

test("P7: a body that trickles in is answered 408 after the grace, and stores nothing", async () => {
  const clock = new FakeClock();
  await using broker = await startHttpBroker({ buses: ["default"], parts: { clock } });
  const socket = connect(broker.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(
    "POST /v1/buses/default/events HTTP/1.1\r\nHost: localhost\r\nce-specversion: 1.0\r\nce-id: 1\r\n" +
      "ce-source: /s\r\nce-type: t\r\nContent-Length: 10000\r\n\r\nslow",
  );
  const closed = untilClosed(socket);
  // The server has the request once it has answered another one on the same turn of its loop.
  await broker.fetch("GET", "/health/live");
  clock.advance(limits.bodyRateGraceMs - 1000);
  assert.equal(socket.destroyed, false, "within the grace nothing happens");
  clock.advance(2000);
  const text = await closed;
  assert.match(text, /^HTTP\/1\.1 408 /);
  assert.match(text, /request_timeout/);
  assert.equal(broker.broker.buses.require("default").log.bounds().next, 0);
});

test("P7: a slow body of an admin request is answered 408 as well", async () => {
  const clock = new FakeClock();
  await using broker = await startHttpBroker({ parts: { clock } });
  const socket = connect(broker.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(
    "PUT /v1/buses/default HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\nContent-Length: 10000\r\n\r\n{",
  );
  const closed = untilClosed(socket);
  await broker.fetch("GET", "/health/live");
  clock.advance(limits.bodyRateGraceMs + 1000);
  assert.match(await closed, /^HTTP\/1\.1 408 /);
});
