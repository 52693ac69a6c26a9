import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createSinkContext, findSinkKind } from "../../../src/connector/sinks.ts";
import type { OpenSink } from "../../../src/connector/sink.ts";
import { createBusDelivery } from "../../../src/delivery/delivery.ts";
import type { BusDelivery, SubscriptionPlan } from "../../../src/delivery/delivery.ts";
import { createMemoryEngine } from "../../../src/engine/memory/memory-engine.ts";
import type { EventLog } from "../../../src/engine/engine.ts";
import { encodeEvent } from "../../../src/event/stored-form.ts";
import { systemClock } from "../../../src/kernel/clock.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { systemRandom } from "../../../src/kernel/random.ts";
import { bus, event, everything } from "../../delivery/harness.ts";

const subscriptions = 1000;
const concurrency = 4;
const events = 20;
const intervalMs = 1000;

interface Measured {
  readonly p99Ms: number;
  readonly delivered: number;
  readonly hangingSockets: number;
  readonly heapBytes: number;
}

const pause = (delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    systemClock.after(delayMs, resolve);
  });

/** A name server that never answers, as c-ares sees it: two seconds, and then nothing. */
const resolver = {
  resolve: async (name: string) => {
    if (!name.startsWith("nameless")) return [{ address: "127.0.0.1", family: 4 as const }];
    await pause(limits.dnsTimeoutMs);
    throw Object.assign(new Error("no answer"), { code: "ETIMEOUT" });
  },
};

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function measure(bad: { readonly each: number }): Promise<Measured> {
  const good = createServer((request, response) => {
    request.resume();
    response.writeHead(204).end();
  });
  const hanging = createServer((request) => request.resume());
  let hangingSockets = 0;
  hanging.on("connection", () => {
    hangingSockets += 1;
  });
  const [goodPort, hangingPort] = [await listen(good), await listen(hanging)];
  const engine = createMemoryEngine({ clock: systemClock });
  await engine.open();
  const log = await engine.log(bus);
  const lease = await engine.leases.acquire(bus, new AbortController().signal);
  const published: number[] = [];
  const latencies: number[] = [];
  const delivery = createBusDelivery({
    bus,
    log,
    lease,
    consumerState: engine.consumerState,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    onGone: () => undefined,
    onAttempt: ({ subscription, attempt }) => {
      if (Number(subscription.slice(1)) < 2 * bad.each) return;
      if (attempt.outcome !== "delivered") return;
      latencies.push(systemClock.monotonic() - (published[attempt.offset] ?? 0));
    },
  });
  const sinks = openSinks({ goodPort, hangingPort, each: bad.each });
  await delivery.start(sinks.map((sink, index) => planOf(`s${index}`, sink)));
  await publishAll(log, published);
  for (let left = 100; left > 0 && latencies.length < expected(bad.each); left -= 1) {
    await pause(100);
  }
  const { heapUsed } = process.memoryUsage();
  await stop(delivery, sinks);
  await engine.close();
  for (const server of [good, hanging]) {
    server.closeAllConnections();
    server.close();
  }
  latencies.sort((left, right) => left - right);
  const p99Ms = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
  return { p99Ms, delivered: latencies.length, hangingSockets, heapBytes: heapUsed };
}

const expected = (each: number): number => (subscriptions - 2 * each) * events;

function openSinks(where: {
  readonly goodPort: number;
  readonly hangingPort: number;
  readonly each: number;
}): OpenSink[] {
  const context = createSinkContext({
    allowPrivateSinks: true,
    allowSinks: [],
    clock: systemClock,
    logger: silentLogger,
    resolver,
  });
  const kind = findSinkKind("HTTP");
  assert(kind !== undefined);
  return Array.from({ length: subscriptions }, (_, index) => {
    let sink = `http://127.0.0.1:${where.goodPort}/`;
    if (index < where.each) sink = `http://127.0.0.1:${where.hangingPort}/`;
    else if (index < 2 * where.each) sink = `http://nameless-${index}.example/`;
    return kind.open({ sink, protocolsettings: {}, concurrency, timeoutMs: 60_000 }, context);
  });
}

function planOf(id: string, sink: OpenSink): SubscriptionPlan {
  return {
    id,
    revision: 1,
    startOffset: 0,
    filter: everything,
    transformer: undefined,
    sink,
    concurrency,
    rateLimit: 0,
    circuitKey: undefined,
    timeoutMs: 60_000,
    retry: {
      maxAttempts: undefined,
      maxAgeMs: 86_400_000,
      minDelayMs: 1000,
      maxDelayMs: 600_000,
    },
    deadLetter: true,
    paused: false,
  };
}

async function publishAll(log: EventLog, published: number[]): Promise<void> {
  for (let id = 0; id < events; id += 1) {
    published[id] = systemClock.monotonic();
    const payload = encodeEvent(event(String(id), "t"));
    await new Promise((resolve) => {
      log.append([{ payload, hops: 0, facts: undefined }], resolve);
    });
    await pause(intervalMs);
  }
}

async function stop(delivery: BusDelivery, sinks: readonly OpenSink[]): Promise<void> {
  await delivery.stop(100);
  await Promise.all(sinks.map((sink) => sink.close()));
}

test("F10: a hundred hanging sinks and a hundred hanging names among a thousand cost the others nothing (P3)", async () => {
  const runs = { alone: [] as Measured[], beside: [] as Measured[] };
  // In turn, because the machine has moods.
  for (let round = 0; round < 2; round += 1) {
    runs.alone.push(await measure({ each: 0 }));
    runs.beside.push(await measure({ each: 100 }));
  }
  for (const { delivered } of runs.alone) assert.equal(delivered, expected(0));
  for (const { delivered, hangingSockets } of runs.beside) {
    assert.equal(delivered, expected(100), "all of the others' events arrived");
    assert(hangingSockets <= 100 * concurrency, `${hangingSockets} sockets to those who hang`);
  }
  const best = (list: readonly Measured[]): number => Math.min(...list.map((one) => one.p99Ms));
  const [alone, beside] = [best(runs.alone), best(runs.beside)];
  // A few milliseconds are the grain of timers and of the two cores that everybody shares.
  assert(beside <= alone * 1.1 + 5, `p99 ${beside} ms beside ${alone} ms alone`);
  const heap = (list: readonly Measured[]): number => Math.min(...list.map((one) => one.heapBytes));
  const extra = heap(runs.beside) - heap(runs.alone);
  assert(extra <= 200 * 4 * 1024 * 1024, `${extra} bytes more`);
});
