import assert from "node:assert/strict";
import { test } from "node:test";
import { createBroker } from "../../src/broker/broker.ts";
import type { Engine, Lease } from "../../src/engine/engine.ts";
import { createMemoryEngine } from "../../src/engine/memory/memory-engine.ts";
import { limits } from "../../src/kernel/limits.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";

/** A real memory engine of which several parts never finish when they are told to stop. */
function hangingEngine(clock: FakeClock): Engine {
  const engine = createMemoryEngine({ clock });
  const never = (): Promise<never> => new Promise(() => undefined);
  const leases = {
    ...engine.leases,
    acquire: async (bus: string, signal: AbortSignal): Promise<Lease> => {
      const lease = await engine.leases.acquire(bus, signal);
      return new Proxy(lease, {
        get: (target, name) => {
          if (name === "release") return never;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
  return new Proxy(engine, {
    get: (target, name) => {
      if (name === "close") return never;
      if (name === "leases") return leases;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("P7: a stop ends within one time for all parts together, however many of them hang", async () => {
  const clock = new FakeClock();
  const engine = hangingEngine(clock);
  const broker = await createBroker({ engine: "memory" }, { clock, engine, logger: silentLogger });
  await broker.buses.put("default", {}, {});
  let outcome = "running";
  const stopping = broker.stop().then(
    () => (outcome = "clean"),
    (error: unknown) => (outcome = error instanceof AggregateError ? "late parts" : String(error)),
  );
  await clock.advanceAsync(limits.stopTimeoutMs - limits.stopEngineMsMin - 1);
  assert.equal(outcome, "running");
  await clock.advanceAsync(limits.stopEngineMsMin + 1);
  await stopping;
  assert.equal(outcome, "late parts");
});

test("the whole stop of a process, door and broker and exit, is planned within 10 s", () => {
  const { stopAnswersMs, stopTimeoutMs, stopExitMs, stopDrainMs, stopEngineMsMin } = limits;
  assert.ok(stopAnswersMs + stopTimeoutMs + stopExitMs < 10_000);
  // Delivery drains, and then has as long again to commit what came of it.
  assert.ok(2 * stopDrainMs + stopEngineMsMin < stopTimeoutMs);
});
