import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Attempt } from "../api/api.ts";
import type { EngineHealth, ScrubFacts } from "../engine/engine.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { Clock } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Buses } from "./buses.ts";
import { registerDeadLetters } from "./dead-letter-metrics.ts";
import { registerDelayed } from "./delayed-metrics.ts";
import { registerLogs } from "./log-metrics.ts";
import type { Subscriptions } from "./subscriptions.ts";

export interface MetricsSources {
  readonly buses: Buses;
  readonly subscriptions: Subscriptions;
  readonly clock: Clock;
  readonly health: () => EngineHealth;
  readonly scrub: () => ScrubFacts | undefined;
}

/** What lies beyond metricsBusesMax is summed up under this name: labels are bounded. */
const OTHER_BUSES = "(other)";

/** Counted where it happens, in plain numbers; turned into Prometheus text only when asked. */
export class Metrics {
  readonly #registry: Registry = new Registry();
  readonly #clock: Clock;
  readonly #attempts: Counter<"outcome">;
  readonly #failures: Counter<"code">;
  readonly #latency: Histogram;
  #events = 0;
  #bytes = 0;

  constructor(sources: MetricsSources) {
    this.#clock = sources.clock;
    const registers = [this.#registry];
    this.#attempts = new Counter({
      name: "millrace_delivery_attempts_total",
      help: "Delivery attempts by what they came to",
      labelNames: ["outcome"],
      registers,
    });
    this.#failures = new Counter({
      name: "millrace_publish_failures_total",
      help: "Publishes that were not stored, by error code",
      labelNames: ["code"],
      registers,
    });
    this.#latency = new Histogram({
      name: "millrace_append_seconds",
      help: "From a complete request to its durable append",
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    });
    this.#registerTotals(registers);
    registerGauges(sources, registers);
    registerDeduplication(sources, registers);
    registerDelayed(sources.buses, registers, OTHER_BUSES);
    registerLogs(sources, registers, OTHER_BUSES);
    registerDeadLetters(sources, registers, OTHER_BUSES);
  }

  /** On the hot path: additions, and one step through the buckets. */
  published(
    failure: BrokerError | undefined,
    events: number,
    bytes: number,
    startedAt: number,
  ): void {
    if (failure !== undefined) {
      this.#failures.inc({ code: failure.code });
      return;
    }
    this.#events += events;
    this.#bytes += bytes;
    this.#latency.observe((this.#clock.monotonic() - startedAt) / 1000);
  }

  attempted(attempt: Attempt): void {
    this.#attempts.inc({ outcome: attempt.outcome });
  }

  async expose(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #registerTotals(registers: Registry[]): void {
    const events = new Counter({
      name: "millrace_events_published_total",
      help: "Events stored",
      registers,
      collect: () => {
        events.reset();
        events.inc(this.#events);
      },
    });
    const bytes = new Counter({
      name: "millrace_bytes_published_total",
      help: "Bytes of the request bodies stored",
      registers,
      collect: () => {
        bytes.reset();
        bytes.inc(this.#bytes);
      },
    });
  }
}

function registerGauges(sources: MetricsSources, registers: Registry[]): void {
  const lag = new Gauge({
    name: "millrace_bus_lag_events",
    help: "Events not yet settled, of the subscription of the bus that is furthest behind",
    labelNames: ["bus"],
    registers,
    collect() {
      lag.reset();
      for (const [bus, events] of lagByBus(sources)) lag.set({ bus }, events);
    },
  });
  const writable = new Gauge({
    name: "millrace_storage_writable",
    help: "1 while storage takes events; durability says what an acknowledgement survives",
    labelNames: ["engine", "durability", "fsync"],
    registers,
    collect() {
      const { engine, durability, fsync, writable: isWritable } = sources.health();
      writable.reset();
      writable.set({ engine, durability, fsync }, isWritable ? 1 : 0);
    },
  });
  const free = new Gauge({
    name: "millrace_storage_free_bytes",
    help: "What the file system of the data directory can still take",
    registers,
    collect() {
      const { freeBytes } = sources.health();
      free.reset();
      if (freeBytes !== undefined) free.set(freeBytes);
    },
  });
  for (const [name, help, count] of [
    ["millrace_subscriptions", "Subscriptions", () => sources.subscriptions.count()],
    ["millrace_buses", "Buses", () => [...sources.buses.all()].length],
  ] as const) {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(count()) });
  }
}

const deduplicationMetrics = [
  ["millrace_duplicates_total", "Events that the bus had already", "duplicates"],
  [
    "millrace_deduplication_keys_evicted_total",
    "Keys forgotten before their window was over, for want of room",
    "evicted",
  ],
  ["millrace_deduplication_keys", "Keys of events that would be recognised", "keys"],
] as const;

/** Of buses with deduplication; it counts from when it was switched on. */
function registerDeduplication({ buses }: MetricsSources, registers: Registry[]): void {
  for (const [name, help, member] of deduplicationMetrics) {
    const Kind = member === "keys" ? Gauge : Counter;
    const metric: Counter<"bus"> | Gauge<"bus"> = new Kind<"bus">({
      name,
      help,
      labelNames: ["bus"],
      registers,
      collect() {
        metric.reset();
        let labels = 0;
        for (const { name: bus, deduplicator } of buses.all()) {
          if (deduplicator === undefined) continue;
          labels += 1;
          const label = labels <= limits.metricsBusesMax ? bus : OTHER_BUSES;
          metric.inc({ bus: label }, deduplicator.counts[member]);
        }
      },
    });
  }
}

function lagByBus({ buses }: MetricsSources): Map<string, number> {
  const lags = new Map<string, number>();
  for (const { name, delivery } of buses.all()) {
    const lag = delivery.lagEventsMax();
    if (lag === undefined) continue;
    const label = lags.size < limits.metricsBusesMax ? name : OTHER_BUSES;
    lags.set(label, Math.max(lag, lags.get(label) ?? 0));
  }
  return lags;
}
