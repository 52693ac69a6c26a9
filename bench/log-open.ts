/**
 * Open time and memory by the size of the log. The sealed segments are sparse: their headers are
 * real, what lies behind is a hole, which opening does not look at. The last one is real and full.
 *
 *   node bench/log-open.ts [gibibytes …]
 */
import { mkdtemp, open as openFile, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { nodeDisk } from "../src/engine/embedded/disk.ts";
import { encodeSegmentHeader } from "../src/engine/embedded/log-format.ts";
import { openLog } from "../src/engine/embedded/log.ts";
import { segmentName } from "../src/engine/embedded/segments.ts";
import type { EncodedRecord } from "../src/engine/engine.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLogger } from "../src/kernel/logger.ts";
import { limits } from "../src/kernel/limits.ts";

const sizes = process.argv.slice(2).map(Number);
const gibibytes = sizes.length > 0 ? sizes : [0.0625, 1, 5, 10];
const EVENTS_PER_SEGMENT = 190_000;
const record: EncodedRecord = { payload: Buffer.alloc(300, "a"), hops: 0, facts: undefined };
const records = Array.from({ length: 1000 }, () => record);

console.log(`${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(2)}`);
const parent = await mkdtemp(join(tmpdir(), "millrace-bench-open-"));
try {
  for (const size of gibibytes) console.log(await measure(size));
} finally {
  await rm(parent, { recursive: true, force: true });
}

async function measure(size: number): Promise<string> {
  const directory = join(parent, `log-${size}`);
  await nodeDisk.makeDirectory(directory);
  const sealed = Math.round((size * 2 ** 30) / limits.segmentBytesMax) - 1;
  const logId = Buffer.alloc(16, 7);
  for (let number = 0; number <= sealed; number++) {
    const first = number * EVENTS_PER_SEGMENT;
    const header = { number, first, previousNext: first, previousTime: 1, created: 1, logId };
    const file = await openFile(join(directory, segmentName(first, number)), "w");
    await file.write(encodeSegmentHeader({ ...header, previousBytes: limits.segmentBytesMax }));
    if (number < sealed) await file.truncate(limits.segmentBytesMax);
    await file.close();
  }
  const options = {
    directory,
    bus: "bench",
    disk: nodeDisk,
    clock: systemClock,
    logger: silentLogger,
    fsync: "never" as const,
  };
  const filling = await openLog(options);
  for (let events = 0; events < EVENTS_PER_SEGMENT; events += records.length) {
    await new Promise((resolve) => filling.append(records, resolve));
  }
  await filling.close();
  globalThis.gc?.();
  const before = process.memoryUsage();
  const times: number[] = [];
  let kept = 0;
  for (let round = 0; round < 3; round++) {
    const startedAt = performance.now();
    const log = await openLog(options);
    times.push(performance.now() - startedAt);
    globalThis.gc?.();
    const after = process.memoryUsage();
    kept = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    await log.close();
  }
  times.sort((a, b) => a - b);
  const segments = `${sealed + 1} segments`;
  const memory = `kept ${(kept / 1024).toFixed(0)} KiB${globalThis.gc === undefined ? " (run with --expose-gc)" : ""}`;
  return `${size} GiB, ${segments}: open ${times.map((ms) => ms.toFixed(0)).join(", ")} ms, ${memory}, rss ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`;
}
