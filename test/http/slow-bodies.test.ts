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

test("P7: a body that keeps up its rate has requestTimeoutMs in all, an import as long as it likes", async () => {
  const clock = new FakeClock();
  await using broker = await startHttpBroker({ buses: ["default"], parts: { clock } });
  const [slow, endless] = [connect(broker.port, "127.0.0.1"), connect(broker.port, "127.0.0.1")];
  await Promise.all([once(slow, "connect"), once(endless, "connect")]);
  slow.write(
    "POST /v1/buses/default/events HTTP/1.1\r\nHost: localhost\r\nce-specversion: 1.0\r\nce-id: 1\r\n" +
      "ce-source: /s\r\nce-type: t\r\nContent-Length: 1000000\r\n\r\n",
  );
  endless.write(
    "POST /v1/buses/default/import HTTP/1.1\r\nHost: localhost\r\n" +
      "Content-Type: application/x-ndjson\r\nContent-Length: 1000000\r\n\r\n",
  );
  const closed = untilClosed(slow);
  endless.on("error", () => undefined);
  const isOver = { slow: false, endless: false };
  slow.once("close", () => (isOver.slow = true));
  endless.once("close", () => (isOver.endless = true));
  for (let ms = 0; ms < limits.requestTimeoutMs + 2000 && !isOver.slow; ms += 4000) {
    // Far more than the rate asks for, so that a piece that is read a round late is no slowness.
    for (const socket of [slow, endless]) {
      await new Promise<void>((resolve) => socket.write("\n".repeat(40_000), () => resolve()));
    }
    for (let turn = 0; turn < 2; turn++) await broker.fetch("GET", "/health/live");
    clock.advance(4000);
  }
  const text = await closed;
  assert.match(text, /^HTTP\/1\.1 408 [\s\S]*requestTimeoutMs/);
  assert.equal(isOver.endless, false);
  endless.destroy();
});
