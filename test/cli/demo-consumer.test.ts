import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startDemoConsumer } from "../../src/cli/demo-consumer.ts";

test("a demo port that was asked for and is in use is refused, and the message says the way out", async () => {
  const squatter = createServer().listen(0, "127.0.0.1");
  await once(squatter, "listening");
  const { port } = squatter.address() as AddressInfo;
  try {
    await assert.rejects(
      startDemoConsumer(port, () => undefined),
      { name: "UsageError", message: new RegExp(`--demo-port ${port} is in use.*choose another`) },
    );
  } finally {
    squatter.close();
  }
});

test("when its usual port is in use the demo consumer says where it listens instead", async () => {
  const said: string[] = [];
  // Whoever holds the usual port, the second one here cannot have it.
  const first = await startDemoConsumer(undefined, () => undefined);
  const second = await startDemoConsumer(undefined, (text) => said.push(text));
  try {
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /port 8081 is in use/);
    assert.ok(said[0]?.includes(new URL(second.url).port), said[0]);
    const answer = await fetch(second.url, { method: "POST", body: '{"text": "hello"}' });
    assert.equal(answer.status, 204);
    assert.match(said[1] ?? "", /demo consumer received an event .*\n +hello/);
  } finally {
    await first.close();
    await second.close();
  }
});
