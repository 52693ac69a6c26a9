import assert from "node:assert/strict";
import { test } from "node:test";
import { binaryHeaders, startHttpBroker } from "../support/http-broker.ts";

test("/metrics shows for each bus the lag of whoever is furthest behind, and its dead letters", async () => {
  await using server = await startHttpBroker({
    buses: ["busy", "idle", "nobody"],
    config: { allowPrivateSinks: true },
  });
  const { subscriptions } = server.broker;
  const sink = "http://127.0.0.1:9/";
  const of = (bus: string, filters: readonly unknown[]): object => ({
    bus,
    protocol: "HTTP",
    sink,
    filters,
    config: { paused: bus === "busy" },
  });
  await subscriptions.create(of("idle", [{ exact: { type: "never" } }]));
  await subscriptions.create(of("busy", []));
  for (let count = 0; count < 3; count += 1) {
    for (const bus of ["busy", "idle", "nobody"]) {
      await server.fetch("POST", `/v1/buses/${bus}/events`, {
        headers: binaryHeaders(),
        body: "x",
      });
    }
  }
  await subscriptions.create(of("busy", []));
  const { text } = await server.fetch("GET", "/metrics");
  const lines = text.split("\n").filter((line) => /^millrace_(?:bus_lag|dead_letters)/.test(line));
  assert.deepEqual(lines.toSorted(), [
    'millrace_bus_lag_events{bus="busy"} 3',
    'millrace_bus_lag_events{bus="idle"} 0',
    'millrace_dead_letters_near_limit{bus="busy"} 0',
    'millrace_dead_letters_near_limit{bus="idle"} 0',
    'millrace_dead_letters_near_limit{bus="nobody"} 0',
    'millrace_dead_letters{bus="busy"} 0',
    'millrace_dead_letters{bus="idle"} 0',
    'millrace_dead_letters{bus="nobody"} 0',
  ]);
});
