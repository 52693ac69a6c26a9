/** P1 and P2 on a real process: it is killed while it works, and owes nothing afterwards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { BrokerProcess } from "../support/broker-process.ts";
import {
  eventually,
  sendJson,
  startBrokerProcess,
  temporaryDirectory,
} from "../support/broker-process.ts";
import { startConsumer } from "../support/consumer.ts";

const ROUNDS = Number(process.env["MILLRACE_CRASH_ROUNDS"] ?? 3);
const PUBLISHERS = 16;
/** In flight (64 a subscription) and what settled in the last 100 ms or one commit may repeat. */
const REPEATS_PER_CRASH_MAX = 3000;

interface Ledger {
  /** Event id by offset, as acknowledged. */
  readonly acknowledged: Map<number, string>;
  sent: number;
}

/** Publishes one event after the other until the broker is gone. */
async function publishUntilKilled(broker: BrokerProcess, ledger: Ledger): Promise<void> {
  for (;;) {
    const id = `event-${ledger.sent++}`;
    try {
      const answer = await fetch(`${broker.url}/v1/buses/crash/events`, {
        method: "POST",
        headers: {
          "ce-specversion": "1.0",
          "ce-id": id,
          "ce-source": "/crash-test",
          "ce-type": ledger.sent % 3 === 0 ? "com.example.other" : "com.example.wanted",
          "content-type": "text/plain",
        },
        body: `data of ${id}`,
      });
      await answer.arrayBuffer();
      if (answer.status === 202) {
        ledger.acknowledged.set(Number(answer.headers.get("millrace-offset")), id);
      }
    } catch {
      // The broker was killed: this event was not acknowledged, nothing is owed for it.
      return;
    }
  }
}

interface ReadPage {
  readonly events: readonly { id: string; type: string }[];
  readonly offsets: readonly number[];
  readonly next: number;
}

async function readPage(url: string, from: number): Promise<ReadPage> {
  const answer = await fetch(`${url}/v1/buses/crash/events?from=${from}&limit=1000`);
  assert.equal(answer.status, 200, await answer.clone().text());
  const offsets = answer.headers.get("millrace-offsets") ?? "";
  return {
    events: (await answer.json()) as { id: string; type: string }[],
    offsets: offsets === "" ? [] : offsets.split(",").map(Number),
    next: Number(answer.headers.get("millrace-next-offset")),
  };
}

async function readAll(url: string): Promise<Map<number, { id: string; type: string }>> {
  const all = new Map<number, { id: string; type: string }>();
  for (let from = 0; ;) {
    const page = await readPage(url, from);
    page.events.forEach((event, index) => all.set(page.offsets[index] ?? -1, event));
    if (page.next === from) return all;
    from = page.next;
  }
}

interface StatusAnswer {
  readonly next: number;
  readonly start: number;
  readonly counters: Record<string, number>;
}

test(`P1, P2: after kill -9 while publishing, ${ROUNDS} times, every acknowledged event is there and delivered`, async (t) => {
  await using directory = await temporaryDirectory();
  await using consumer = await startConsumer();
  const ledger: Ledger = { acknowledged: new Map(), sent: 0 };
  const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`MILLRACE_SEED=${seed}`);
  let random = seed;
  const nextRandom = (): number =>
    (random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
  const options = { dataDir: directory.path, flags: ["--allow-private-sinks"] };
  let subscription = "";

  for (let round = 0; round < ROUNDS; round++) {
    const broker = await startBrokerProcess(options);
    if (round === 0) {
      await sendJson("PUT", `${broker.url}/v1/buses/crash`, {});
      const created = (await sendJson("POST", `${broker.url}/v1/subscriptions`, {
        bus: "crash",
        protocol: "HTTP",
        sink: consumer.url,
        filters: [{ exact: { type: "com.example.wanted" } }],
      })) as { id: string };
      subscription = created.id;
    }
    const publishers = Array.from({ length: PUBLISHERS }, () => publishUntilKilled(broker, ledger));
    await wait(200 + nextRandom() * 800);
    await broker.kill();
    await Promise.all(publishers);
  }

  const broker = await startBrokerProcess(options);
  try {
    const stored = await readAll(broker.url);
    for (const [offset, id] of ledger.acknowledged) {
      assert.equal(stored.get(offset)?.id, id, `offset ${offset} holds the event it was given`);
    }
    const wanted = [...stored.values()].filter(({ type }) => type === "com.example.wanted");
    await eventually(
      () => wanted.every(({ id }) => consumer.idCounts.has(id)),
      () => `${consumer.idCounts.size} of ${wanted.length} delivered\n${broker.output()}`,
    );
    const repeats = consumer.received.length - consumer.idCounts.size;
    assert.ok(repeats <= REPEATS_PER_CRASH_MAX * ROUNDS, `${repeats} repeats`);
    const path = `${broker.url}/v1/subscriptions/${subscription}/status`;
    let status = {} as StatusAnswer;
    await eventually(
      async () => {
        status = (await sendJson("GET", path)) as StatusAnswer;
        return status.counters["pending"] === 0 && status.counters["inFlight"] === 0;
      },
      () => JSON.stringify(status),
    );
    const sum = Object.values(status.counters).reduce((total, count) => total + count, 0);
    assert.equal(sum, status.next - status.start, JSON.stringify(status));
    assert.equal(status.counters["delivered"], wanted.length);
    assert.equal(status.counters["filtered"], stored.size - wanted.length);
    t.diagnostic(`${ledger.acknowledged.size} acknowledged, ${repeats} repeats`);
  } finally {
    assert.equal(await broker.stop(), 0);
  }
});

test("P1, P4: events that waited for a dead consumer when the broker was killed arrive once both are back", async () => {
  await using directory = await temporaryDirectory();
  const port = await freePort();
  const options = { dataDir: directory.path, flags: ["--allow-private-sinks"] };
  const first = await startBrokerProcess(options);
  await sendJson("PUT", `${first.url}/v1/buses/crash`, {});
  const created = (await sendJson("POST", `${first.url}/v1/subscriptions`, {
    bus: "crash",
    protocol: "HTTP",
    sink: `http://127.0.0.1:${port}`,
    config: { retry: { minDelayMs: 50, maxDelayMs: 200 } },
  })) as { id: string };
  const ledger: Ledger = { acknowledged: new Map(), sent: 0 };
  const publisher = publishUntilKilled(first, ledger);
  await eventually(
    async () => {
      const status = (await sendJson(
        "GET",
        `${first.url}/v1/subscriptions/${created.id}/status`,
      )) as StatusAnswer;
      return (status.counters["parked"] ?? 0) > 0;
    },
    () => "nothing was parked",
  );
  await first.kill();
  await publisher;

  const second = await startBrokerProcess(options);
  await using consumer = await startConsumer(port);
  try {
    await eventually(
      () => [...ledger.acknowledged.values()].every((id) => consumer.idCounts.has(id)),
      () => `${consumer.idCounts.size} of ${ledger.acknowledged.size}\n${second.output()}`,
    );
  } finally {
    await second.stop();
  }
});

async function freePort(): Promise<number> {
  const consumer = await startConsumer();
  const port = Number(new URL(consumer.url).port);
  await consumer[Symbol.asyncDispose]();
  return port;
}
