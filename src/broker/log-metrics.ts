import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";
import type { ScrubFacts } from "../engine/engine.ts";
import { limits } from "../kernel/limits.ts";
import type { Buses } from "./buses.ts";

export interface LogMetricsSources {
  readonly buses: Buses;
  readonly scrub: () => ScrubFacts | undefined;
}

/** What was found damaged in the logs, and how far the background scrub has come. */
export function registerLogs(
  { buses, scrub }: LogMetricsSources,
  registers: Registry[],
  otherBuses: string,
): void {
  const damaged = new Gauge({
    name: "millrace_log_damaged_events",
    help: "Events found unreadable, or cut off, since the start",
    labelNames: ["bus"],
    registers,
    collect() {
      damaged.reset();
      for (const [bus, events] of damagedByBus(buses, otherBuses)) damaged.set({ bus }, events);
    },
  });
  const read = new Counter({
    name: "millrace_log_scrubbed_bytes_total",
    help: "Bytes of logs that the background scrub has read again",
    registers,
    collect() {
      read.reset();
      read.inc(scrub()?.bytes ?? 0);
    },
  });
  const found: Gauge = new Gauge({
    name: "millrace_log_scrub_damages",
    help: "Damages that the pass of the scrub that runs, or ran last, has met",
    registers,
    collect: () => found.set(scrub()?.damages ?? 0),
  });
  const finished: Gauge = new Gauge({
    name: "millrace_log_scrub_finished_timestamp_seconds",
    help: "When the last whole pass of the scrub ended; 0 before the first",
    registers,
    collect: () => finished.set((scrub()?.finishedAt ?? 0) / 1000),
  });
}

function damagedByBus(buses: Buses, otherBuses: string): Map<string, number> {
  const events = new Map<string, number>();
  for (const { name, log } of buses.all()) {
    const count = log.damages().reduce((sum, { from, to }) => sum + Math.max(0, to - from + 1), 0);
    const label = events.has(name) || events.size < limits.metricsBusesMax ? name : otherBuses;
    events.set(label, count + (events.get(label) ?? 0));
  }
  return events;
}
