/** Sequential and random reads of a log on disk, and what its index costs. node bench/log-read.ts [events] */
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { nodeDisk } from "../src/engine/embedded/disk.ts";
import { openLog } from "../src/engine/embedded/log.ts";
import type { SegmentedLog } from "../src/engine/embedded/log.ts";
import { INDEX_INTERVAL_BYTES } from "../src/engine/embedded/sparse-index.ts";
import { encodeFacts } from "../src/engine/record-facts.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLogger } from "../src/kernel/logger.ts";
import { SeededRandom } from "../src/testing/seeded-random.ts";

const events = Number(process.argv[2] ?? 1_000_000);
const payload = Buffer.alloc(300, "a");
const random = new SeededRandom(1);

console.log(`${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(2)}`);
const directory = await mkdtemp(join(tmpdir(), "millrace-bench-read-"));
const options = {
  directory,
  bus: "bench",
  disk: nodeDisk,
  clock: systemClock,
  logger: silentLogger,
  fsync: "never" as const,
};
try {
  const filling = await openLog(options);
  for (let from = 0; from < events; from += 1000) {
    const records = Array.from({ length: 1000 }, (_, index) => {
      const key = Buffer.alloc(24);
      key.writeUInt32LE(from + index);
      return { payload, hops: 0, facts: encodeFacts({ key }) };
    });
    await new Promise((resolve) => filling.append(records, resolve));
  }
  await filling.close();
  const log = await openLog(options);
  console.log(await randomReads(log, "random reads, no index yet"));
  console.log(await sequential(log));
  console.log(await randomReads(log, "random reads, index built"));
  console.log(await keys(log));
  console.log(indexMemory(log));
  await log.close();
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function sequential(log: SegmentedLog): Promise<string> {
  const startedAt = performance.now();
  let next = 0;
  let bytes = 0;
  for (;;) {
    const batch = await log.read(next, { records: 1000, bytes: 8 * 2 ** 20 });
    if (batch.next === next) break;
    ({ next } = batch);
    bytes += batch.count * payload.length;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const rate = `${Math.round(next / seconds)} events/s`;
  return `sequential, 1000 at a time: ${rate}, ${(bytes / seconds / 2 ** 20).toFixed(0)} MiB/s of events`;
}

async function randomReads(log: SegmentedLog, name: string): Promise<string> {
  const times: number[] = [];
  for (let read = 0; read < 500; read++) {
    const from = random.integer(0, events - 1);
    const startedAt = performance.now();
    await log.read(from, { records: 1, bytes: 1 });
    times.push(performance.now() - startedAt);
  }
  times.sort((a, b) => a - b);
  const [p50 = 0, p99 = 0] = [times[250], times[495]];
  return `${name}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
}

async function keys(log: SegmentedLog): Promise<string> {
  const startedAt = performance.now();
  let count = 0;
  for await (const batch of log.keys(0)) count += batch.offsets.length;
  const ms = performance.now() - startedAt;
  return `all ${count} deduplication keys: ${ms.toFixed(0)} ms`;
}

/** Three numbers an entry, one entry a slot. */
function indexMemory(log: SegmentedLog): string {
  const { bytes } = log.bounds();
  const index = Math.ceil(bytes / INDEX_INTERVAL_BYTES) * 24;
  const perMillion = (index / events) * 1_000_000;
  return `index: at most ${(perMillion / 1024).toFixed(0)} KiB per million events of ${payload.length} bytes`;
}
