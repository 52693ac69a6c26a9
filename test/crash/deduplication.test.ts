/** P1 on a real process with deduplication: whoever repeats everything after kill -9 doubles nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { BrokerProcess } from "../support/broker-process.ts";
import { sendJson, startBrokerProcess, temporaryDirectory } from "../support/broker-process.ts";

const ROUNDS = Number(process.env["MILLRACE_CRASH_ROUNDS"] ?? 2);
const PUBLISHERS = 16;

interface Accepted {
  readonly offset: number;
  readonly isDuplicate: boolean;
}

async function publish(broker: BrokerProcess, id: string): Promise<Accepted | undefined> {
  try {
    const answer = await fetch(`${broker.url}/v1/buses/once/events`, {
      method: "POST",
      headers: {
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-source": "/crash-test",
        "ce-type": "com.example.once",
        // A publisher that builds its events anew for each attempt.
        "ce-time": new Date().toISOString(),
        "content-type": "text/plain",
      },
      body: `data of ${id}`,
    });
    const text = await answer.text();
    assert.equal(answer.status, 202, text);
    return {
      offset: Number(answer.headers.get("millrace-offset")),
      isDuplicate: answer.headers.get("millrace-duplicate") === "true",
    };
  } catch (thrown) {
    // The broker was killed: nothing is known of this event. An assertion is another matter.
    if (thrown instanceof assert.AssertionError) throw thrown;
    return undefined;
  }
}

test(`P1: after kill -9, ${ROUNDS} times, everything that is published again is recognised`, async (t) => {
  await using directory = await temporaryDirectory();
  const options = { dataDir: directory.path };
  const offsets = new Map<string, number>();
  const sent: string[] = [];

  for (let round = 0; round < ROUNDS; round++) {
    const broker = await startBrokerProcess(options);
    await sendJson("PUT", `${broker.url}/v1/buses/once`, { deduplication: { window: "1h" } });
    let isOver = false;
    const publishers = Array.from({ length: PUBLISHERS }, async () => {
      while (!isOver) {
        // Half of what is sent was sent before, by this process or one that was killed.
        const isRepeat = sent.length > 0 && sent.length % 2 === 0;
        const id = isRepeat ? (sent[Math.floor(sent.length / 3)] ?? "") : `event-${sent.length}`;
        sent.push(id);
        const accepted = await publish(broker, id);
        if (accepted === undefined) return;
        assert.equal(accepted.offset, offsets.get(id) ?? accepted.offset);
        offsets.set(id, accepted.offset);
      }
    });
    await wait(300 + round * 150);
    await broker.kill();
    isOver = true;
    await Promise.all(publishers);
  }

  const broker = await startBrokerProcess(options);
  try {
    for (const id of new Set(sent)) {
      const known = offsets.get(id);
      const accepted = await publish(broker, id);
      assert.ok(accepted !== undefined);
      if (known === undefined) continue;
      assert.ok(accepted.isDuplicate, `${id} was acknowledged with offset ${known}`);
      assert.equal(accepted.offset, known);
    }
    const ids = await readIds(broker.url);
    assert.equal(new Set(ids).size, ids.length, "no event is stored twice");
    assert.equal(ids.length, new Set(sent).size, "every event is stored");
    t.diagnostic(`${sent.length} sent, ${offsets.size} acknowledged, ${ids.length} stored`);
  } finally {
    assert.equal(await broker.stop(), 0);
  }
});

async function readIds(url: string): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; ;) {
    const answer = await fetch(`${url}/v1/buses/once/events?from=${from}&limit=1000`);
    for (const { id } of (await answer.json()) as { id: string }[]) ids.push(id);
    const next = Number(answer.headers.get("millrace-next-offset"));
    if (next === from) return ids;
    from = next;
  }
}
