/** `config.retry` as it comes in and as it is told to delivery. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { DeadLetter } from "../../src/api/api.ts";
import { readRetry } from "../../src/broker/retry-schema.ts";
import { ObjectReader } from "../../src/broker/object-reader.ts";
import { limits } from "../../src/kernel/limits.ts";
import type { Violation } from "../../src/kernel/errors.ts";
import { binaryHeaders, startHttpBroker } from "../support/http-broker.ts";

function read(retry: object): {
  policy: ReturnType<typeof readRetry>;
  violations: readonly Violation[];
} {
  const violations: Violation[] = [];
  const policy = readRetry(new ObjectReader(retry, "config.retry", violations));
  return { policy, violations };
}

test("a list of waits and lists of statuses are taken as they are", () => {
  const given = { delays: ["5s", "PT5M", "2h"], retryOn: [401, "4xx"], failOn: [501] };
  const { policy, violations } = read(given);
  assert.deepEqual(violations, []);
  assert.deepEqual(policy, {
    maxAttempts: null,
    maxAge: "30d",
    minDelayMs: limits.retryMinDelayMsDefault,
    maxDelayMs: limits.retryMaxDelayMsDefault,
    ...given,
  });
});

test("null and absence mean no list", () => {
  for (const retry of [{}, { delays: null, retryOn: null, failOn: null }]) {
    const { policy, violations } = read(retry);
    assert.deepEqual(violations, []);
    assert.deepEqual(Object.keys(policy), ["maxAttempts", "maxAge", "minDelayMs", "maxDelayMs"]);
    assert.equal(policy.maxAge, "1d");
  }
});

const wrong: readonly (readonly [object, string, string, RegExp])[] = [
  [{ delays: "5s" }, "delays", "wrong_type", /list of waits/],
  [{ delays: [] }, "delays", "out_of_range", /maxAttempts to 1/],
  [{ delays: Array(101).fill("1s") }, "delays", "out_of_range", /retryDelaysMax/],
  [{ delays: ["1s", 5] }, "delays[1]", "invalid_duration", /5 is no duration/],
  [{ delays: ["0s"] }, "delays[0]", "out_of_range", /from 1 ms/],
  [{ delays: ["31d"] }, "delays[0]", "out_of_range", /to 2592000000 ms/],
  [{ delays: ["20d", "20d"] }, "delays", "out_of_range", /add up to 40d.*maxAge \(30d\)/],
  [{ delays: ["1h", "1h"], maxAge: "90m" }, "delays", "out_of_range", /add up to 2h/],
  [{ retryOn: [200] }, "retryOn[0]", "invalid_value", /success/],
  [{ retryOn: [500], failOn: [500] }, "failOn[0]", "conflict", /retryOn too/],
  [{ waits: [] }, "waits", "unknown_member", /known: .*delays/],
];
for (const [retry, path, code, message] of wrong) {
  test(`config.retry ${JSON.stringify(retry).slice(0, 60)} is refused at ${path}`, () => {
    const { violations } = read(retry);
    assert.deepEqual(
      violations.map((each) => [each.path, each.code]),
      [[`config.retry.${path}`, code]],
    );
    assert.match(violations[0]?.message ?? "", message);
  });
}

test("a subscription follows its list of waits, and its own statuses, to the dead letter", async () => {
  const times: number[] = [];
  const consumer = createServer((request, response) => {
    times.push(performance.now());
    request.resume();
    response.writeHead(times.length < 3 ? 418 : 404).end();
  });
  await once(consumer.listen(0, "127.0.0.1"), "listening");
  const sink = `http://127.0.0.1:${(consumer.address() as AddressInfo).port}/`;
  await using broker = await startHttpBroker({
    buses: ["default"],
    config: { allowPrivateSinks: true },
  });
  const path = "/v1/subscriptions/listed";
  const retry = { delays: ["20ms", "60ms", "1h"], retryOn: [418], failOn: [404] };
  const body = { bus: "default", protocol: "HTTP", sink, config: { retry } };
  assert.equal((await broker.fetch("PUT", path, { body })).status, 201);
  await broker.fetch("POST", "/v1/buses/default/events", { headers: binaryHeaders(), body: "x" });
  let letters: DeadLetter[] = [];
  const deadline = performance.now() + 30_000;
  while (letters.length === 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    letters = (await broker.fetch("GET", `${path}/dead-letters`)).json<DeadLetter[]>();
  }
  consumer.closeAllConnections();
  consumer.close();
  assert.equal(letters[0]?.reason, "rejected");
  const [first = 0, second = 0, third = 0] = times;
  assert.equal(times.length, 3);
  assert.ok(second - first >= 19 && third - second >= 59, times.join());
});
