/** A hundred thousand dead letters: listed, exported, purged and limited in bounded memory. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { DeadLetter, SubscriptionStatus } from "../../src/api/api.ts";
import { createEmbeddedEngine } from "../../src/engine/engines.ts";
import type { DeadLetterState } from "../../src/engine/engine.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { limits } from "../../src/kernel/limits.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { changes } from "../../src/testing/engine-store.ts";
import { startHttpBroker } from "../support/http-broker.ts";
import type { HttpBroker } from "../support/http-broker.ts";

const count = limits.deadLettersMax;
const path = "/v1/subscriptions/s/dead-letters";

function letter(index: number, time: number): DeadLetterState {
  return {
    subscription: "s",
    letter: `letter-${String(index).padStart(6, "0")}`,
    offset: index,
    generation: 1,
    time: time + index,
    reason: "rejected",
    eventType: index % 2 === 0 ? "even" : "odd",
    eventSource: "/test",
    details: JSON.stringify({ attempts: [], request: null, revision: 1, more: "x".repeat(1000) }),
  };
}

/** Written where delivery would have written them: making them by failing takes too long. */
async function fill(dataDir: string, letters: number): Promise<void> {
  const engine = createEmbeddedEngine({ dataDir, clock: systemClock, logger: silentLogger });
  await engine.open();
  await engine.log("default");
  const lease = await engine.leases.acquire("default", new AbortController().signal);
  const time = systemClock.now() - 1_000_000;
  for (let first = 0; first < letters; first += 1000) {
    const deadLetters = Array.from({ length: 1000 }, (_, index) => letter(first + index, time));
    const counters = { delivered: 0, dead: first + 1000, discarded: 0, expired: 0, skipped: 0 };
    const row = { generation: 1, start: 0, position: undefined, unsettled: [], details: "{}" };
    const subscriptions = [{ subscription: "s", ...row, counters }];
    await engine.consumerState.commit(
      "default",
      lease.token,
      changes({ deadLetters, subscriptions, position: letters }),
    );
  }
  await lease.release();
  await engine.close();
}

async function publish(broker: HttpBroker, events: number): Promise<void> {
  for (let sent = 0; sent < events; sent += 1000) {
    const body = Array.from({ length: Math.min(1000, events - sent) }, (_, index) => ({
      specversion: "1.0",
      id: String(sent + index),
      source: "/test",
      type: "t",
    }));
    const headers = { "content-type": "application/cloudevents-batch+json" };
    assert.equal(
      (await broker.fetch("POST", "/v1/buses/default/events", { body, headers })).status,
      200,
    );
  }
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

test("100 000 letters are listed, exported and purged in bounded memory; more are discarded (P2, P7)", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "millrace-letters-"));
  const config = { engine: "embedded", dataDir, allowPrivateSinks: true } as const;
  try {
    const over = 2000;
    {
      await using broker = await startHttpBroker({ config, buses: ["default"] });
      await publish(broker, count + over);
      const body = {
        bus: "default",
        protocol: "HTTP",
        sink: "http://127.0.0.1:1/",
        config: { paused: true },
      };
      assert.equal((await broker.fetch("PUT", "/v1/subscriptions/s", { body })).status, 201);
    }
    await fill(dataDir, count + over);
    await using broker = await startHttpBroker({ config });
    const status = async (): Promise<SubscriptionStatus> =>
      (await broker.fetch("GET", "/v1/subscriptions/s/status")).json<SubscriptionStatus>();
    for (let waited = 0; (await status()).counters.discarded < over && waited < 200; waited += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { counters, deadLetters, warnings } = await status();
    assert.deepEqual([counters.dead, counters.discarded], [count, over]);
    assert.equal(deadLetters.count, count);
    assert.match(warnings[0] ?? "", /deadLettersMax/);

    const before = heapBytes();
    const answer = await fetch(`${broker.url}${path}/export`);
    let bytes = 0;
    let lines = 0;
    let peak = before;
    for await (const chunk of answer.body ?? []) {
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1;
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    assert.equal(lines, count);
    assert(peak - before < 150_000_000, `${peak - before} bytes more while exporting ${bytes}`);

    let listed = 0;
    for (let next: string | undefined = `${path}?limit=1000&type=odd`; next !== undefined;) {
      const page = await broker.fetch("GET", next);
      listed += page.json<DeadLetter[]>().length;
      next = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1];
    }
    assert.equal(listed, count / 2);

    const purged = await broker.fetch("DELETE", `${path}?type=odd`);
    assert.deepEqual(purged.json(), { purged: count / 2 });
    const rest = await broker.fetch("DELETE", path);
    assert.deepEqual(rest.json(), { purged: count / 2 });
    assert.equal((await status()).counters.discarded, count + over);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});
