import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { nodeDisk } from "../src/engine/embedded/disk.ts";
import type { SegmentedLog } from "../src/engine/embedded/log.ts";
import { openLog } from "../src/engine/embedded/log.ts";
import type { EncodedRecord } from "../src/engine/engine.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { silentLogger } from "../src/kernel/logger.ts";

/** Append rate by group size: so many callers, each appending again when its last one is durable. */
const EVENT_BYTES = 300;
const RUN_MS = Number(process.argv[2] ?? 1500);
const record: EncodedRecord = {
  payload: Buffer.alloc(EVENT_BYTES, "a"),
  hops: 0,
  facts: undefined,
};

console.log(`${cpus().length} × ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(2)}`);
const parent = await mkdtemp(join(tmpdir(), "millrace-bench-log-"));
try {
  for (const callers of [1, 16, 64, 256, 1024, 4096]) {
    const log = await openLog({
      directory: join(parent, `callers-${callers}`),
      bus: "bench",
      disk: nodeDisk,
      clock: systemClock,
      logger: silentLogger,
      fsync: "always",
    });
    console.log(await measure(log, callers));
    await log.close();
  }
} finally {
  await rm(parent, { recursive: true, force: true });
}

function measure(log: SegmentedLog, callers: number): Promise<string> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    const latencies: number[] = [];
    let appended = 0;
    let groups = 0;
    let running = callers;
    log.onAdvance(() => (groups += 1));
    const append = (): void => {
      const at = performance.now();
      log.append([record], (failure) => {
        if (failure !== undefined) throw failure;
        appended += 1;
        if (appended % 16 === 0) latencies.push(performance.now() - at);
        if (performance.now() - startedAt < RUN_MS) return append();
        running -= 1;
        if (running === 0) resolve(report());
      });
    };
    const report = (): string => {
      const seconds = (performance.now() - startedAt) / 1000;
      const cpu = process.cpuUsage(cpuBefore);
      latencies.sort((a, b) => a - b);
      const p = (q: number): string =>
        (latencies[Math.floor(latencies.length * q)] ?? 0).toFixed(2);
      return [
        `${String(callers).padStart(5)} callers`,
        `${Math.round(appended / seconds)} events/s`.padStart(16),
        `${(appended / groups).toFixed(0)} per group`.padStart(15),
        `p50 ${p(0.5)} ms, p99 ${p(0.99)} ms`,
        `${(((cpu.user + cpu.system) / appended) * 1).toFixed(2)} µs CPU/event`,
        `rss ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`,
      ].join("  ");
    };
    for (let caller = 0; caller < callers; caller++) append();
  });
}
