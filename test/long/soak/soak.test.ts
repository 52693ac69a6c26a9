/** F26 and the soak: MILLRACE_SOAK_MINUTES (10) at MILLRACE_SOAK_RATE events a second (200). */
import assert from "node:assert/strict";
import { readFile, readdir, rm } from "node:fs/promises";
import { test } from "node:test";
import type { DeadLetter, SubscriptionStatus } from "../../../src/api/api.ts";
import {
  eventually,
  sendJson,
  startBrokerProcess,
  temporaryDirectory,
} from "../../support/broker-process.ts";
import type { BrokerProcess } from "../../support/broker-process.ts";
import type { ProbeLine } from "../../support/process-probe.ts";
import { FarEnd, kinds } from "./far-ends.ts";
import { Publisher } from "./publisher.ts";

const minutes = Number(process.env["MILLRACE_SOAK_MINUTES"] ?? 10);
const perSecond = Number(process.env["MILLRACE_SOAK_RATE"] ?? 200);
const sampleMs = 5000;
const drainMsMax = 600_000;
const probe = new URL("../../support/process-probe.ts", import.meta.url).href;

const pause = (delayMs: number): Promise<void> =>
  new Promise((done) => {
    setTimeout(done, delayMs);
  });

function settingsOf({ kind }: FarEnd, sink: string): unknown {
  return {
    bus: "default",
    protocol: "HTTP",
    sink,
    ...kind.settings,
    config: {
      start: "earliest",
      timeoutMs: 1500,
      retry: { minDelayMs: 200, maxDelayMs: 5000 },
      ...kind.config,
    },
  };
}

/** Subscriptions that come, take something and go again (F26). */
async function churn(url: string, sink: string, number: number): Promise<void> {
  const path = `${url}/v1/subscriptions/churn-${number}`;
  await sendJson("PUT", path, { bus: "default", protocol: "HTTP", sink });
  const isServed = async (): Promise<boolean> =>
    (await statusOf(url, `churn-${number}`)).counters.delivered > 0;
  await eventually(isServed, () => `churn-${number} gets something`);
  await sendJson("DELETE", path);
}

async function statusOf(url: string, id: string): Promise<SubscriptionStatus> {
  return (await sendJson("GET", `${url}/v1/subscriptions/${id}/status`)) as SubscriptionStatus;
}

async function lettersOf(url: string, id: string): Promise<Set<number>> {
  const offsets = new Set<number>();
  let next: string | undefined = `/v1/subscriptions/${id}/dead-letters?limit=500`;
  while (next !== undefined) {
    const answer: Response = await fetch(`${url}${next}`);
    for (const { offset } of (await answer.json()) as DeadLetter[]) offsets.add(offset);
    next = /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    next = next?.replace(url, "");
  }
  return offsets;
}

/** P2 and "zero lost", from the books of those who published and those who received. */
async function judge(url: string, farEnd: FarEnd, { acknowledged }: Publisher): Promise<void> {
  const { name, isPoison } = farEnd.kind;
  const { counters, start, next } = await statusOf(url, name);
  const sum = Object.values(counters).reduce((total, count) => total + count, 0);
  assert.equal(sum, next - start, `${name}: the nine numbers add up (P2)`);
  const letters = await lettersOf(url, name);
  assert.equal(counters.dead, letters.size, `${name}: each letter can be found (P2)`);
  const wrong: number[] = [];
  for (const [offset, id] of acknowledged) {
    const isDead = isPoison?.(offset, id) ?? false;
    if (letters.has(offset) !== isDead || (!isDead && !farEnd.taken.has(offset)))
      wrong.push(offset);
  }
  assert.deepEqual(wrong.slice(0, 20), [], `${name}: ${wrong.length} lost or buried wrongly`);
  assert.equal(counters.delivered, acknowledged.size - letters.size, `${name}: delivered (P2)`);
  assert.deepEqual(farEnd.outOfOrder.slice(0, 20), [], `${name}: in the order of keys (P5)`);
}

interface Sample {
  readonly fds: number;
  readonly goodLag: number;
}

async function sampleOf({ pid, url }: BrokerProcess): Promise<Sample> {
  const fds = (await readdir(`/proc/${pid}/fd`)).length;
  return { fds, goodLag: (await statusOf(url, "good")).lag.events };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

/** From the second quarter, when everything has warmed up, to the last one. */
function growth(values: readonly number[]): { readonly from: number; readonly to: number } {
  const quarter = Math.floor(values.length / 4);
  return {
    from: median(values.slice(quarter, 2 * quarter)),
    to: median(values.slice(-quarter)),
  };
}

/** Some twenty of them, to look at. */
function sampled(values: readonly number[]): number[] {
  const step = Math.ceil(values.length / 20);
  return values.filter((_, index) => index % step === 0);
}

test(`P1, P2, P3, P5, F11, F12, F15, F26: ${minutes} minutes with consumers of every kind lose nothing and leave memory flat`, async (t) => {
  await using directory = await temporaryDirectory();
  const probeFile = `${directory.path}-probe`;
  const broker = await startBrokerProcess({
    dataDir: directory.path,
    flags: ["--allow-private-sinks"],
    env: { NODE_OPTIONS: `--import=${probe}`, PROBE_FILE: probeFile },
  });
  const { url } = broker;
  await using ends = new AsyncDisposableStack();
  ends.defer(() => rm(probeFile, { force: true }));
  ends.defer(() => broker.kill());
  const farEnds = kinds.map((kind) => ends.use(new FarEnd(kind)));
  await sendJson("PUT", `${url}/v1/buses/default`, {});
  let goodSink = "";
  for (const farEnd of farEnds) {
    const sink = await farEnd.start();
    if (farEnd.kind.name === "good") goodSink = sink;
    await sendJson("PUT", `${url}/v1/subscriptions/${farEnd.kind.name}`, settingsOf(farEnd, sink));
  }
  const { fds: fdsBefore } = await sampleOf(broker);
  using publisher = new Publisher(url, perSecond);
  publisher.start();
  const samples: Sample[] = [];
  const until = performance.now() + minutes * 60_000;
  for (let round = 0; performance.now() < until; round += 1) {
    const next = performance.now() + sampleMs;
    await churn(url, goodSink, round);
    samples.push(await sampleOf(broker));
    await pause(Math.max(0, next - performance.now()));
  }
  await publisher.stop();
  const probed = (await readFile(probeFile, "utf8")).trim().split("\n");
  const lines = probed.map((line) => JSON.parse(line) as ProbeLine);
  const figures = report(samples, lines, publisher);
  t.diagnostic(JSON.stringify(figures));
  assert.deepEqual(publisher.refused, [], "every publish was taken");

  const healedAt = performance.now();
  for (const farEnd of farEnds) farEnd.heal();
  for (const { kind } of farEnds) {
    const isDrained = async (): Promise<boolean> =>
      (await statusOf(url, kind.name)).lag.events === 0;
    await eventually(isDrained, () => `${kind.name} has everything`, drainMsMax);
  }
  t.diagnostic(`drained in ${Math.round(performance.now() - healedAt)} ms`);
  for (const farEnd of farEnds) await judge(url, farEnd, publisher);
  const left = (await sendJson("GET", `${url}/v1/subscriptions?limit=100`)) as unknown[];
  assert.equal(left.length, kinds.length, "those that came and went are gone");
  // Connections to sinks go poolIdleMs after their last request; what stays open then is a leak.
  const isAtRest = async (): Promise<boolean> => (await sampleOf(broker)).fds <= fdsBefore + 32;
  await eventually(isAtRest, () => `no more than ${fdsBefore} and some files are open`, 90_000);
  assert.equal(await broker.stop(), 0);

  const { rss, heap, external, timers } = figures;
  assert(rss.to <= rss.from * 1.15 + 8e6, `the RSS grew from ${rss.from} to ${rss.to}`);
  assert(heap.to <= heap.from * 1.1 + 8e6, `the heap grew from ${heap.from} to ${heap.to}`);
  assert(
    external.to <= external.from * 1.1 + 8e6,
    `buffers grew from ${external.from} to ${external.to}`,
  );
  assert(timers.to <= timers.from + 32, `timers grew from ${timers.from} to ${timers.to}`);
  assert(figures.goodLagMedian <= perSecond, `the good consumer lags ${figures.goodLagMedian}`);
});

function report(samples: readonly Sample[], lines: readonly ProbeLine[], publisher: Publisher) {
  const latencies = publisher.latenciesMs.toSorted((left, right) => left - right);
  return {
    acknowledged: publisher.acknowledged.size,
    publishP50Ms: latencies[Math.floor(latencies.length / 2)],
    publishP99Ms: latencies[Math.floor(latencies.length * 0.99)],
    rss: growth(lines.map(({ rssBytes }) => rssBytes)),
    heap: growth(lines.map(({ heapBytes }) => heapBytes)),
    external: growth(lines.map(({ externalBytes }) => externalBytes)),
    rssMegabytes: sampled(lines.map(({ rssBytes }) => Math.round(rssBytes / 1e6))),
    timers: growth(lines.map(({ timers }) => timers)),
    fds: growth(samples.map(({ fds }) => fds)),
    loopDelayP99Ms: median(lines.map(({ delayP99Ms }) => delayP99Ms)),
    loopDelayMaxMs: Math.max(...lines.map(({ delayMaxMs }) => delayMaxMs)),
    goodLagMedian: median(samples.map(({ goodLag }) => goodLag)),
  };
}
