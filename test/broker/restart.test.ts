/** What was created is there after a restart, on the embedded engine. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { HttpBroker } from "../support/http-broker.ts";
import { assertProblem, binaryHeaders, startHttpBroker } from "../support/http-broker.ts";
import { temporaryDirectory } from "../support/broker-process.ts";
import { startConsumer } from "../support/consumer.ts";
import type { Consumer } from "../support/consumer.ts";

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let consumer: Consumer;
before(async () => {
  directory = await temporaryDirectory();
  consumer = await startConsumer();
});
after(async () => {
  await consumer[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

function start(): Promise<HttpBroker> {
  const dataDir = directory.path;
  const keyDirectory = `${dataDir}-config/keys`;
  const config = { engine: "embedded", dataDir, keyDirectory, allowPrivateSinks: true } as const;
  return startHttpBroker({ config });
}

async function getJson(broker: HttpBroker, path: string): Promise<unknown> {
  const answer = await broker.fetch("GET", path);
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

test("buses, subscriptions, events and their ETags survive a restart; what was deleted stays so", async () => {
  const first = await start();
  await first.fetch("PUT", "/v1/buses/kept", {
    body: { description: "d", retention: { maxAge: "1h" } },
  });
  await first.fetch("PUT", "/v1/buses/gone", { body: {} });
  await first.fetch("POST", "/v1/buses/gone/events", { headers: binaryHeaders(), body: "x" });
  const body = { bus: "kept", protocol: "HTTP", sink: consumer.url, config: { start: "earliest" } };
  const made = await first.fetch("PUT", "/v1/subscriptions/sub", { body });
  assert.equal(made.status, 201, made.text);
  await first.fetch("PUT", "/v1/subscriptions/temporary", { body });
  await first.fetch("POST", "/v1/buses/kept/events", { headers: binaryHeaders(), body: "x" });
  await first.fetch("DELETE", "/v1/subscriptions/temporary");
  await first.fetch("DELETE", "/v1/buses/gone?cascade=true");
  const paths = ["/v1/buses/kept", "/v1/subscriptions/sub", "/v1/buses/kept/events"];
  const before = await Promise.all(paths.map((path) => getJson(first, path)));
  const etag = (await first.fetch("GET", "/v1/subscriptions/sub")).headers.get("etag");
  await first.stop();

  const second = await start();
  try {
    const now = await Promise.all(paths.map((path) => getJson(second, path)));
    assert.deepEqual(now, before);
    const found = await second.fetch("GET", "/v1/subscriptions/sub");
    assert.equal(found.headers.get("etag"), etag);
    assertProblem(await second.fetch("GET", "/v1/buses/gone"), 404, "bus_not_found");
    const gone = await second.fetch("GET", "/v1/subscriptions/temporary");
    assertProblem(gone, 404, "subscription_not_found");
    await second.fetch("PUT", "/v1/buses/gone", { body: {} });
    assert.deepEqual(await getJson(second, "/v1/buses/gone/events"), []);
    const answer = await second.fetch("POST", "/v1/buses/kept/events", {
      headers: binaryHeaders(),
      body: "y",
    });
    assert.equal(answer.headers.get("millrace-offset"), "1");
  } finally {
    await second.stop();
  }
});
