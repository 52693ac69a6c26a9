/**
 * Loaded into a broker's process with `--import`: writes a line of JSON every PROBE_INTERVAL_MS to the
 * file PROBE_FILE, what the process holds after a collection of garbage and how its loop ran.
 */
import { appendFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

export interface ProbeLine {
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Buffers, outside the heap. */
  readonly externalBytes: number;
  readonly timers: number;
  /** Of the event loop, since the last line and without the collection that it makes. */
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
}

const file = process.env["PROBE_FILE"];

if (isMainThread && file !== undefined) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const timer = setInterval(
    () => {
      const delayP99Ms = delay.percentile(99) / 1e6;
      const delayMaxMs = delay.max / 1e6;
      delay.disable();
      collect();
      const { rss, heapUsed, external } = process.memoryUsage();
      const timers = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
      const line: ProbeLine = {
        rssBytes: rss,
        heapBytes: heapUsed,
        externalBytes: external,
        timers,
        delayP99Ms,
        delayMaxMs,
      };
      appendFileSync(file, `${JSON.stringify(line)}\n`);
      delay.reset();
      delay.enable();
    },
    Number(process.env["PROBE_INTERVAL_MS"] ?? 5000),
  );
  timer.unref();
}
