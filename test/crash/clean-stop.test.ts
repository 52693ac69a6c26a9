/** F27: SIGTERM under load. Nobody is reset, nothing is lost, nothing settled comes again. */
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { test } from "node:test";
import type { BrokerProcess } from "../support/broker-process.ts";
import {
  eventually,
  sendJson,
  startBrokerProcess,
  temporaryDirectory,
} from "../support/broker-process.ts";
import { startConsumer } from "../support/consumer.ts";

const PUBLISHERS = 32;
const STOP_MS_MAX = 10_000;

interface Tally {
  readonly acknowledged: Set<string>;
  readonly statuses: Map<number, number>;
  /** Requests that were sent on an open connection and got no answer. */
  readonly resets: string[];
  sent: number;
}

interface Outcome {
  readonly status: number | undefined;
  readonly error: NodeJS.ErrnoException | undefined;
  readonly isOnOldConnection: boolean;
}

function publishOne(broker: BrokerProcess, agent: Agent, id: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const sent = request(`${broker.url}/v1/buses/stop/events`, {
      method: "POST",
      agent,
      headers: {
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-source": "/stop-test",
        "ce-type": "com.example.stop",
        "content-type": "text/plain",
      },
    });
    sent.once("error", (error: NodeJS.ErrnoException) =>
      resolve({ status: undefined, error, isOnOldConnection: sent.reusedSocket }),
    );
    sent.once("response", (answer) => {
      answer.resume();
      answer.once("end", () =>
        resolve({
          status: answer.statusCode,
          error: undefined,
          isOnOldConnection: sent.reusedSocket,
        }),
      );
    });
    sent.end(`data of ${id}`);
  });
}

/** One connection, one request after the other, until the broker takes no more. */
async function publishUntilStopped(broker: BrokerProcess, tally: Tally): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (;;) {
    const id = `event-${tally.sent++}`;
    const { status, error } = await publishOne(broker, agent, id);
    if (status === 202) tally.acknowledged.add(id);
    if (status !== undefined) tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
    if (error !== undefined && error.code !== "ECONNREFUSED") {
      tally.resets.push(`${id}: ${error.code} ${error.message}`);
    }
    if (status !== 202) break;
  }
  agent.destroy();
}

test("F27, P1, P2: SIGTERM under the load of 32 publishers resets nobody, loses nothing and repeats nothing settled", async (t) => {
  await using directory = await temporaryDirectory();
  await using consumer = await startConsumer();
  const options = { dataDir: directory.path, flags: ["--allow-private-sinks"] };
  const first = await startBrokerProcess(options);
  await sendJson("PUT", `${first.url}/v1/buses/stop`, {});
  await sendJson("PUT", `${first.url}/v1/subscriptions/stop`, {
    bus: "stop",
    protocol: "HTTP",
    sink: consumer.url,
  });
  const tally: Tally = { acknowledged: new Set(), statuses: new Map(), resets: [], sent: 0 };
  const publishers = Array.from({ length: PUBLISHERS }, () => publishUntilStopped(first, tally));
  await eventually(
    () => tally.acknowledged.size > 1000,
    () => `${tally.acknowledged.size} acknowledged`,
  );
  const started = performance.now();
  assert.equal(await first.stop(), 0, first.output());
  const stopMs = performance.now() - started;
  await Promise.all(publishers);
  t.diagnostic(`stopped in ${Math.round(stopMs)} ms; ${JSON.stringify([...tally.statuses])}`);
  assert.ok(stopMs < STOP_MS_MAX, `the stop took ${stopMs} ms`);
  assert.deepEqual(tally.resets, []);
  const deliveredBefore = new Set(consumer.idCounts.keys());

  const second = await startBrokerProcess(options);
  try {
    await eventually(
      () => [...tally.acknowledged].every((id) => consumer.idCounts.has(id)),
      () => `${consumer.idCounts.size} of ${tally.acknowledged.size} delivered`,
    );
    const repeated = [...consumer.idCounts].filter(
      ([id, count]) => count > 1 && deliveredBefore.has(id),
    );
    assert.deepEqual(repeated, [], "what was delivered and settled is not delivered again");
    assert.equal(
      consumer.idCounts.size,
      tally.acknowledged.size,
      "and what was refused is not there",
    );
    assert.doesNotMatch(second.output(), /not as it was written|torn|cut/);
  } finally {
    await second.stop();
  }
});
