/** P1, P2, P7 and F8 on a real process and a real file system that is filled to the last byte. */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fillUp, smallFileSystem } from "../engine/embedded/small-file-system.ts";
import type { BrokerProcess } from "../support/broker-process.ts";
import { eventually, sendJson, startBrokerProcess } from "../support/broker-process.ts";
import { startConsumer } from "../support/consumer.ts";

const EVENT_BYTES = 100_000;
const PUBLISHERS = 8;
const REFUSED_WITHIN_MS = 1000;
const RECOVERED_WITHIN_MS = 5000;
/** For what else the machine is busy with. */
const MARGIN_MS = 1500;
const bus = "/v1/buses/full";

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: string | null;
}

class Publishers {
  readonly acknowledged: Map<number, string> = new Map();
  #sent = 0;

  async publish(url: string, bytes = EVENT_BYTES): Promise<Answer> {
    const id = `event-${this.#sent++}`;
    const answer = await fetch(`${url}${bus}/events`, {
      method: "POST",
      headers: {
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-source": "/full-disk",
        "ce-type": "com.example.filler",
        "content-type": "text/plain",
      },
      body: "x".repeat(bytes),
    });
    const text = await answer.text();
    const { status, headers } = answer;
    if (status === 202) this.acknowledged.set(Number(headers.get("millrace-offset")), id);
    const code = text === "" ? undefined : (JSON.parse(text) as { code: string }).code;
    return { status, code, retryAfter: headers.get("retry-after") };
  }

  /** Publishes from several sides until each of them is refused; returns the refusals. */
  async untilRefused(url: string): Promise<readonly Answer[]> {
    const one = async (): Promise<Answer> => {
      let answer = await this.publish(url);
      while (answer.status === 202) answer = await this.publish(url);
      return answer;
    };
    return Promise.all(Array.from({ length: PUBLISHERS }, one));
  }
}

function assertFull(answer: Answer): void {
  assert.deepEqual(answer, { status: 507, code: "disk_full", retryAfter: "1" });
}

async function idsFrom(url: string): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (let from = 0; ;) {
    const answer = await fetch(`${url}${bus}/events?from=${from}&limit=50`);
    assert.equal(answer.status, 200, await answer.clone().text());
    const events = (await answer.json()) as { id: string }[];
    const offsets = (answer.headers.get("millrace-offsets") ?? "").split(",").map(Number);
    events.forEach((event, index) => found.set(offsets[index] ?? -1, event.id));
    const next = Number(answer.headers.get("millrace-next-offset"));
    if (next === from) return found;
    from = next;
  }
}

async function statusOf(
  broker: BrokerProcess,
  id: string,
): Promise<{ start: number; next: number; counters: Record<string, number> }> {
  return (await sendJson("GET", `${broker.url}/v1/subscriptions/${id}/status`)) as never;
}

test("P1, P2, F8: on a full disk publishing is 507 at once, all else goes on, also after a restart", async (context) => {
  const mount = await smallFileSystem(context, 48);
  if (mount === undefined) return;
  await using consumer = await startConsumer();
  const publishers = new Publishers();
  const options = { dataDir: join(mount, "data"), flags: ["--allow-private-sinks"] };
  let broker = await startBrokerProcess(options);
  context.after(() => broker.kill());
  await sendJson("PUT", `${broker.url}${bus}`, {});
  const { id } = (await sendJson("POST", `${broker.url}/v1/subscriptions`, {
    bus: "full",
    protocol: "HTTP",
    sink: consumer.url,
    config: { retry: { minDelayMs: 50, maxDelayMs: 200 } },
  })) as { id: string };

  // The broker stops by itself before the disk is full.
  await eventually(
    async () => (await statusOf(broker, id)).counters["delivered"] === publishers.acknowledged.size,
    () => "nothing was delivered",
  );
  await sendJson("POST", `${broker.url}/v1/subscriptions/${id}/pause`);
  for (const refusal of await publishers.untilRefused(broker.url)) assertFull(refusal);
  const ready = await fetch(`${broker.url}/health/ready`);
  assert.equal(ready.status, 503);
  const health = (await ready.json()) as { writable: boolean; freeBytes: number };
  assert.equal(health.writable, false);
  assert(health.freeBytes > 0, "there is headroom");

  // Somebody else fills the rest: nothing but the reserve is left.
  await fillUp(join(mount, "others"));
  await sendJson("POST", `${broker.url}/v1/subscriptions/${id}/resume`);
  const count = publishers.acknowledged.size;
  await eventually(
    async () => (await statusOf(broker, id)).counters["delivered"] === count,
    () => `${consumer.idCounts.size} of ${count} delivered\n${broker.output()}`,
  );
  await broker.kill();

  // What the reserve gave back is taken too before the restart.
  await fillUp(join(mount, "more"));
  broker = await startBrokerProcess(options);
  assertFull(await publishers.publish(broker.url));
  const stored = await idsFrom(broker.url);
  for (const [offset, event] of publishers.acknowledged) assert.equal(stored.get(offset), event);
  const { counters, next, start } = await statusOf(broker, id);
  const sum = Object.values(counters).reduce((total, each) => total + each, 0);
  assert.equal(sum, next - start, JSON.stringify(counters));

  // Room appears, and without a restart it is used.
  await rm(join(mount, "others"));
  await rm(join(mount, "more"));
  // What the broker itself keeps fills most of the disk, so retention has to help.
  await sendJson("PUT", `${broker.url}${bus}`, { retention: { maxAge: "1s" } });
  const began = performance.now();
  await eventually(
    async () => (await publishers.publish(broker.url, 100)).status === 202,
    () => broker.output(),
    2 * RECOVERED_WITHIN_MS,
  );
  const tookMs = performance.now() - began;
  context.diagnostic(`${count} acknowledged, recovered in ${Math.round(tookMs)} ms`);
  assert(tookMs < RECOVERED_WITHIN_MS + MARGIN_MS, `${tookMs} ms`);
  assert.equal(await broker.stop(), 0);
});

test("F8: another's file that fills the disk makes publishing 507 within a second, and its removal ends it", async (context) => {
  const mount = await smallFileSystem(context, 48);
  if (mount === undefined) return;
  const publishers = new Publishers();
  const broker = await startBrokerProcess({ dataDir: join(mount, "data") });
  context.after(() => broker.kill());
  await sendJson("PUT", `${broker.url}${bus}`, {});
  assert.equal((await publishers.publish(broker.url)).status, 202);
  await fillUp(join(mount, "others"));
  const full = performance.now();
  let answer = await publishers.publish(broker.url);
  while (answer.status === 202) answer = await publishers.publish(broker.url);
  assertFull(answer);
  assert(performance.now() - full < REFUSED_WITHIN_MS + MARGIN_MS);
  // Nothing changes for as long as it is full.
  for (let round = 0; round < 20; round++) assertFull(await publishers.publish(broker.url));
  await rm(join(mount, "others"));
  const freed = performance.now();
  await eventually(
    async () => (await publishers.publish(broker.url)).status === 202,
    () => broker.output(),
  );
  assert(performance.now() - freed < RECOVERED_WITHIN_MS + MARGIN_MS);
  const stored = await idsFrom(broker.url);
  assert.deepEqual([...stored], [...publishers.acknowledged]);
  assert.equal(await broker.stop(), 0);
});
