import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";
import { limits } from "../kernel/limits.ts";
import type { Buses } from "./buses.ts";

const delayedMetrics = [
  ["millrace_delayed_events", "Events that wait for their time", "waiting"],
  ["millrace_delayed_bytes", "Bytes of the events that wait for their time", "bytes"],
  ["millrace_delayed_appended_total", "Delayed events whose time has come", "fired"],
  [
    "millrace_delayed_duplicates_total",
    "Delayed events dropped when their time came: the bus had them already",
    "duplicates",
  ],
] as const;

/** Buses that have, or had since the start, delayed events. Beyond `metricsBusesMax` summed up. */
export function registerDelayed(buses: Buses, registers: Registry[], otherBuses: string): void {
  for (const [name, help, member] of delayedMetrics) {
    const Kind = name.endsWith("_total") ? Counter : Gauge;
    const metric: Counter<"bus"> | Gauge<"bus"> = new Kind<"bus">({
      name,
      help,
      labelNames: ["bus"],
      registers,
      collect() {
        metric.reset();
        let labels = 0;
        for (const { name: bus, delayed } of buses.all()) {
          const { counts } = delayed;
          if (counts.waiting === 0 && counts.fired === 0) continue;
          labels += 1;
          const label = labels <= limits.metricsBusesMax ? bus : otherBuses;
          metric.inc({ bus: label }, counts[member]);
        }
      },
    });
  }
}
