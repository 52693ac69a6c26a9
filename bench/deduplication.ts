import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { writeKey } from "../src/broker/deduplication-key.ts";
import { Deduplicator } from "../src/broker/deduplicator.ts";
import { KeyWindow } from "../src/broker/key-window.ts";
import { nodeDisk } from "../src/engine/embedded/disk.ts";
import type { SegmentedLog } from "../src/engine/embedded/log.ts";
import { openLog } from "../src/engine/embedded/log.ts";
import { KEY_BYTES } from "../src/engine/record-facts.ts";
import type { CloudEvent } from "../src/event/event.ts";
import { noExtensions } from "../src/event/event.ts";
import { encodeEvent } from "../src/event/stored-form.ts";
import { asBuffer } from "../src/kernel/bytes.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLogger } from "../src/kernel/logger.ts";
import { systemRandom } from "../src/kernel/random.ts";

/**
 * What deduplication costs: the publish rate with and without it, interleaved, for 256 callers that
 * each publish again when the last event is durable; memory a key; reading the keys back.
 */
const RUN_MS = Number(process.argv[2] ?? 1500);
const ROUNDS = 5;
const CALLERS = 256;
const KEYS = 1_000_000;
const data = Buffer.alloc(200, "a");
let published = 0;

console.log(`${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(2)}`);
reportKeys();
reportWindow();
const parent = await mkdtemp(join(tmpdir(), "millrace-bench-deduplication-"));
try {
  await reportPublishing();
  await reportReading();
} finally {
  await rm(parent, { recursive: true, force: true });
}

function eventOf(number: number): CloudEvent {
  return {
    id: `event-${number}`,
    source: "https://example.com/bench",
    type: "com.example.bench",
    subject: undefined,
    time: "2026-01-01T00:00:00Z",
    datacontenttype: "application/json",
    dataschema: undefined,
    extensions: noExtensions,
    data,
    dataIsImpliedJson: false,
  };
}

function reportKeys(): void {
  const key = Buffer.alloc(KEY_BYTES);
  const startedAt = performance.now();
  for (let number = 0; number < 200_000; number++) writeKey(eventOf(number), key, 0);
  const microseconds = ((performance.now() - startedAt) * 1000) / 200_000;
  console.log(`key of an event of ${data.length} bytes of data: ${microseconds.toFixed(2)} µs`);
}

function reportWindow(): void {
  const keys = asBuffer(systemRandom.bytes(KEYS * KEY_BYTES));
  const before = process.memoryUsage().arrayBuffers;
  const window = new KeyWindow(KEYS, 1);
  let slowestMs = 0;
  const startedAt = performance.now();
  let last = startedAt;
  for (let index = 0; index < KEYS; index++) {
    window.add(keys, index * KEY_BYTES, { offset: index, time: index });
    const now = performance.now();
    slowestMs = Math.max(slowestMs, now - last);
    last = now;
  }
  const addedAt = performance.now();
  let found = 0;
  for (let index = 0; index < KEYS; index++) {
    if (window.find(keys, index * KEY_BYTES, 0) !== undefined) found += 1;
  }
  const bytes = process.memoryUsage().arrayBuffers - before;
  console.log(
    `${found} keys: ${(bytes / 2 ** 20).toFixed(0)} MiB, add ${(addedAt - startedAt).toFixed(0)} ms ` +
      `(slowest, where the table grows: ${slowestMs.toFixed(1)} ms), ` +
      `find ${(performance.now() - addedAt).toFixed(0)} ms`,
  );
}

function open(name: string): Promise<SegmentedLog> {
  return openLog({
    directory: join(parent, name),
    bus: "bench",
    disk: nodeDisk,
    clock: systemClock,
    logger: silentLogger,
    fsync: "always",
  });
}

async function doorOf(log: SegmentedLog): Promise<Deduplicator> {
  const door = new Deduplicator({
    bus: "bench",
    log,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    budget: { keys: 0, keysMax: 20_000_000 },
  });
  await door.change({ windowMs: 3_600_000, maxKeys: 10_000_000 }, () => Promise.resolve());
  return door;
}

async function reportPublishing(): Promise<void> {
  const rates: Record<"off" | "on", number[]> = { off: [], on: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const mode of ["off", "on"] as const) {
      const log = await open(`${mode}-${round}`);
      const door = mode === "on" ? await doorOf(log) : undefined;
      rates[mode].push(await measure(log, door));
      door?.close();
      await log.close();
    }
  }
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const [off, on] = [median(rates.off), median(rates.on)];
  console.log(
    `publish, ${CALLERS} callers: off ${Math.round(off)}/s, on ${Math.round(on)}/s, ` +
      `ratio ${(on / off).toFixed(2)}, ${(1e6 / on - 1e6 / off).toFixed(2)} µs an event`,
  );
}

function measure(log: SegmentedLog, door: Deduplicator | undefined): Promise<number> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let durable = 0;
    let running = CALLERS;
    const settled = (failure: Error | undefined): void => {
      if (failure !== undefined) throw failure;
      durable += 1;
      if (performance.now() - startedAt < RUN_MS) return publish();
      running -= 1;
      if (running === 0) resolve((durable * 1000) / (performance.now() - startedAt));
    };
    const publish = (): void => {
      const event = eventOf(published++);
      const record = { event, payload: encodeEvent(event), hops: 0, facts: undefined };
      if (door === undefined) log.append([record], settled);
      else door.publish([record], settled);
    };
    for (let caller = 0; caller < CALLERS; caller++) publish();
  });
}

/** Only short events, so that a million of them fit where the bench runs. */
async function reportReading(): Promise<void> {
  const log = await open("reading");
  const door = await doorOf(log);
  const payload = Buffer.alloc(100);
  for (let number = 0; number < KEYS; number += 1000) {
    const records = Array.from({ length: 1000 }, (_, index) => {
      const event = eventOf(number + index);
      return { event, payload, hops: 0 };
    });
    await new Promise<void>((resolve) => door.publish(records, () => resolve()));
  }
  door.close();
  await log.close();
  const opened = await open("reading");
  const startedAt = performance.now();
  const again = await doorOf(opened);
  const elapsed = performance.now() - startedAt;
  console.log(`reading ${again.counts.keys} keys back from the log: ${elapsed.toFixed(0)} ms`);
  again.close();
  await opened.close();
}
