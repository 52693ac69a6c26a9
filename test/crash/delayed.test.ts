/** P1 on a real process: it is killed while events wait and fire; each is on the bus once. */
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

const ROUNDS = Number(process.env["MILLRACE_CRASH_ROUNDS"] ?? 3);
const PUBLISHERS = 12;
/** A life is as short as its dice say, but on a busy machine not before it had something to lose. */
const ACKNOWLEDGED_EACH = 50;

interface Ledger {
  /** Ids of events whose publish was answered with 202. */
  readonly acknowledged: Set<string>;
  sent: number;
}

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
          "ce-type": "com.example.delayed",
          "content-type": "text/plain",
          "millrace-delay": `${(ledger.sent * 37) % 700}ms`,
        },
        body: id,
      });
      await answer.arrayBuffer();
      if (answer.status === 202) ledger.acknowledged.add(id);
    } catch {
      // The broker was killed: this event was not acknowledged, nothing is owed for it.
      return;
    }
  }
}

async function idsOf(url: string): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; ;) {
    const answer = await fetch(`${url}/v1/buses/crash/events?from=${from}&limit=1000`);
    const events = (await answer.json()) as { id: string }[];
    ids.push(...events.map(({ id }) => id));
    const next = Number(answer.headers.get("millrace-next-offset"));
    if (next === from) return ids;
    from = next;
  }
}

test(`P1: after kill -9 with delayed events in flight, ${ROUNDS} times, each is on the bus once`, async (t) => {
  await using directory = await temporaryDirectory();
  const ledger: Ledger = { acknowledged: new Set(), sent: 0 };
  const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`MILLRACE_SEED=${seed}`);
  let random = seed;
  const options = { dataDir: directory.path };
  for (let round = 0; round < ROUNDS; round++) {
    const broker = await startBrokerProcess(options);
    if (round === 0) await sendJson("PUT", `${broker.url}/v1/buses/crash`, {});
    const publishers = Array.from({ length: PUBLISHERS }, () => publishUntilKilled(broker, ledger));
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    await wait(200 + (random / 2 ** 32) * 600);
    await eventually(
      () => ledger.acknowledged.size > ACKNOWLEDGED_EACH * (round + 1),
      () => `${ledger.acknowledged.size} acknowledged\n${broker.output()}`,
    );
    await broker.kill();
    await Promise.all(publishers);
  }
  const broker = await startBrokerProcess(options);
  try {
    const waiting = `${broker.url}/v1/buses/crash/delayed`;
    await eventually(
      async () => ((await sendJson("GET", waiting)) as unknown[]).length === 0,
      () => broker.output(),
    );
    const ids = await idsOf(broker.url);
    assert.equal(new Set(ids).size, ids.length, "no event twice");
    const there = new Set(ids);
    const lost = [...ledger.acknowledged].filter((id) => !there.has(id));
    assert.deepEqual(lost, [], "every acknowledged event is there");
    t.diagnostic(`${ledger.acknowledged.size} acknowledged, ${ids.length} on the bus`);
  } finally {
    assert.equal(await broker.stop(), 0);
  }
});
