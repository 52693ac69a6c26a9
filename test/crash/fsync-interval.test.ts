/** Acknowledged before it was synced: a killed process still costs nothing, and nothing is silent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  eventually,
  sendJson,
  startBrokerProcess,
  temporaryDirectory,
} from "../support/broker-process.ts";
import { startConsumer } from "../support/consumer.ts";

interface Status {
  readonly start: number;
  readonly next: number;
  readonly counters: Record<string, number>;
}

async function publish(url: string, id: string): Promise<number> {
  const answer = await fetch(`${url}/v1/buses/loose/events`, {
    method: "POST",
    headers: {
      "ce-specversion": "1.0",
      "ce-id": id,
      "ce-source": "/fsync-test",
      "ce-type": "com.example.wanted",
      "content-type": "text/plain",
    },
    body: id,
  });
  assert.equal(answer.status, 202);
  return Number(answer.headers.get("millrace-offset"));
}

test("P1, P2: with fsync interval a killed broker has every event, gives no offset twice and counts the jump as expired", async () => {
  await using directory = await temporaryDirectory();
  await using consumer = await startConsumer();
  const flags = ["--allow-private-sinks", "--fsync", "interval"];
  const options = { dataDir: directory.path, flags };
  let broker = await startBrokerProcess(options);
  await sendJson("PUT", `${broker.url}/v1/buses/loose`, {});
  const { id } = (await sendJson("POST", `${broker.url}/v1/subscriptions`, {
    bus: "loose",
    protocol: "HTTP",
    sink: consumer.url,
  })) as { id: string };
  const ids = new Map<number, string>();
  for (let round = 0; round < 2; round++) {
    const names = Array.from({ length: 100 }, (_, index) => `event-${round}-${index}`);
    for (const name of names) {
      const offset = await publish(broker.url, name);
      assert(!ids.has(offset) && offset >= ids.size, "no offset is given twice");
      ids.set(offset, name);
    }
    await broker.kill();
    broker = await startBrokerProcess(options);
  }
  try {
    const path = `${broker.url}/v1/subscriptions/${id}/status`;
    let status = {} as Status;
    await eventually(
      async () => {
        status = (await sendJson("GET", path)) as Status;
        return status.counters["delivered"] === ids.size && status.counters["pending"] === 0;
      },
      () => JSON.stringify(status),
    );
    assert.deepEqual([...consumer.idCounts.keys()].toSorted(), [...ids.values()].toSorted());
    const sum = Object.values(status.counters).reduce((total, count) => total + count, 0);
    assert.equal(sum, status.next - status.start);
    assert.equal(status.counters["expired"], status.next - ids.size);
    const gap = await fetch(`${broker.url}/v1/buses/loose/events?from=100&limit=1`);
    assert.match(gap.headers.get("millrace-gap") ?? "", /^100-/);
  } finally {
    assert.equal(await broker.stop(), 0);
  }
});
