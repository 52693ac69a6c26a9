import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Attempt } from "../api/api.ts";
import type { EngineHealth } from "../engine/engine.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { Clock } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Buses } from "./buses.ts";
import type { Subscriptions } from "./subscriptions.ts";

export interface MetricsSources {
  readonly buses: Buses;
  readonly subscriptions: Subscriptions;
  readonly clock: Clock;
  readonly health: () => EngineHealth;
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
      const { engine, durability, writable: isWritable } = sources.health();
      writable.reset();
      writable.set({ engine, durability, fsync: fsyncMode(durability) }, isWritable ? 1 : 0);
    },
  });
  for (const [name, help, count] of [
    ["millrace_subscriptions", "Subscriptions", () => sources.subscriptions.count()],
    ["millrace_buses", "Buses", () => [...sources.buses.all()].length],
  ] as const) {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: () => gauge.set(count()) });
  }
}

/** This version syncs every group; `interval` and `never` come with their setting. */
export function fsyncMode(durability: EngineHealth["durability"]): string {
  return durability === "disk" ? "always" : "never";
}

function lagByBus({ buses, subscriptions }: MetricsSources): Map<string, number> {
  const lags = new Map<string, number>();
  for (const { id, bus } of subscriptions.all()) {
    const lag = buses.running(bus)?.delivery.status(id).lag.events ?? 0;
    const label = lags.has(bus) || lags.size < limits.metricsBusesMax ? bus : OTHER_BUSES;
    lags.set(label, Math.max(lag, lags.get(label) ?? 0));
  }
  return lags;
}
