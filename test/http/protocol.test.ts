import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { errorCodes } from "../../src/kernel/error-codes.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { createMemoryEngine } from "../../src/engine/engines.ts";
import type { Engine, EngineHealth, EventLog } from "../../src/engine/engine.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { assertProblem, binaryHeaders, startHttpBroker } from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({ buses: ["default"] });
});
after(() => broker.stop());

test("an unknown path is 404 as problem details", async () => {
  assertProblem(await broker.fetch("GET", "/nowhere"), 404, "not_found");
  assertProblem(await broker.fetch("GET", "/v1/buses/default/"), 404, "not_found");
  assertProblem(await broker.fetch("GET", "/v1/buses/%ff"), 404, "not_found");
});

test("a wrong method is 405 with every method the path takes", async () => {
  const answer = await broker.fetch("POST", "/v1/buses/default", { body: {} });
  assertProblem(answer, 405, "method_not_allowed");
  assert.equal(answer.headers.get("allow"), "DELETE, GET, HEAD, PUT");
});

test("bodies need their exact content type", async () => {
  for (const type of ["text/plain", "text/json", "application/xml", "application/jsonx"]) {
    const headers = { "content-type": type };
    const answer = await broker.fetch("PUT", "/v1/buses/typed", { headers, body: "{}" });
    assertProblem(answer, 415, "unsupported_content_type");
  }
  const patch = { "content-type": "application/merge-patch+json" };
  const answer = await broker.fetch("PUT", "/v1/buses/typed", { headers: patch, body: "{}" });
  assertProblem(answer, 415, "unsupported_content_type");
  assertProblem(await broker.fetch("GET", "/v1/buses/typed"), 404, "bus_not_found");
});

test("malformed JSON is 400 and says where", async () => {
  const headers = { "content-type": "application/json" };
  for (const body of ['{"description": }', "{", "[1,]", '{"a":1} x', "\ufeff{}", "NaN"]) {
    const answer = await broker.fetch("PUT", "/v1/buses/typed", { headers, body });
    assert.match(assertProblem(answer, 400, "invalid_json").detail, /line 1, column \d+/);
  }
});

test("JSON nested a million deep is refused without harm", async () => {
  const headers = { "content-type": "application/json" };
  const body = "[".repeat(500_000);
  assertProblem(
    await broker.fetch("PUT", "/v1/buses/deep", { headers, body }),
    400,
    "invalid_json",
  );
});

test("a member that is there twice is refused with its path, in events it stays", async () => {
  const headers = { "content-type": "application/json" };
  const body = '{"sink":"http://127.0.0.1:1/","filters":[{"exact":{"type":"a","type":"b"}}]}';
  const refused = await broker.fetch("POST", "/v1/subscriptions", { headers, body });
  assert.match(assertProblem(refused, 400, "invalid_json").detail, /filters\[0\]\.exact\.type/);
  const event = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1,"a":2}}';
  const tried = { headers, body: `{"events":[${event}]}` };
  assert.equal((await broker.fetch("POST", "/v1/playground", tried)).status, 200);
});

test("an admin body over 1 MiB is 413", async () => {
  const body = { description: "x".repeat(1 << 20) };
  assertProblem(await broker.fetch("PUT", "/v1/buses/large", { body }), 413, "request_too_large");
});

test("__proto__ in a body is an unknown member and changes nothing", async () => {
  const headers = { "content-type": "application/json" };
  const body = '{"__proto__": {"description": "polluted"}}';
  const answer = await broker.fetch("PUT", "/v1/buses/proto", { headers, body });
  assertProblem(answer, 400, "invalid_resource");
  assert.equal(({} as Record<string, unknown>)["description"], undefined);
});

test("unknown and repeated query parameters are refused by name", async () => {
  for (const query of ["limitt=1", "limit=1&limit=2", "limit=0", "limit=1001", "limit=ten"]) {
    const answer = await broker.fetch("GET", `/v1/buses?${query}`);
    assertProblem(answer, 400, "invalid_request");
  }
});

test("every error code is documented in one row", async () => {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(new URL("../../docs/reference/errors.md", import.meta.url), "utf8");
  for (const [code, { status }] of Object.entries(errorCodes)) {
    assert.equal(text.split(`| \`${code}\` | ${status} |`).length, 2, code);
  }
});

test("liveness, readiness and metrics answer", async () => {
  const live = await broker.fetch("GET", "/health/live");
  assert.deepEqual(live.json(), { status: "live" });
  const ready = await broker.fetch("GET", "/health/ready");
  assert.equal(ready.status, 200);
  assert.equal(ready.json()["durability"], "memory");
  await broker.fetch("POST", "/v1/buses/default/events", {
    headers: binaryHeaders(),
    body: "12345",
  });
  const { text } = await broker.fetch("GET", "/metrics");
  assert.match(text, /^millrace_events_published_total [1-9]/m);
  assert.match(
    text,
    /^millrace_storage_writable\{engine="memory",durability="memory",fsync="never"\} 1$/m,
  );
});

/** A real memory engine whose log refuses, as a full or failing disk makes it. */
function failingEngine(failure: BrokerError): {
  engine: Engine;
  report: (health: EngineHealth) => void;
} {
  const engine = createMemoryEngine({ clock: systemClock });
  const listeners = new Set<(health: EngineHealth) => void>();
  const log = async (bus: string): Promise<EventLog> => {
    const real = await engine.log(bus);
    return new Proxy(real, {
      get(target, name) {
        if (name === "append") {
          return (_records: unknown, settled: (failure: BrokerError, first: number) => void) => {
            queueMicrotask(() => settled(failure, 0));
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  return {
    engine: {
      open: () => engine.open(),
      log,
      deleteLog: (bus) => engine.deleteLog(bus),
      resources: engine.resources,
      consumerState: engine.consumerState,
      delayed: engine.delayed,
      leases: engine.leases,
      onHealth(listener) {
        listeners.add(listener);
        return { dispose: () => listeners.delete(listener) };
      },
      close: () => engine.close(),
    },
    report: (health) => listeners.forEach((listener) => listener(health)),
  };
}

for (const [code, status] of [
  ["disk_full", 507],
  ["storage_unavailable", 503],
  ["outcome_unknown", 503],
  ["overloaded", 429],
] as const) {
  test(`a log that answers ${code} becomes ${status} with Retry-After`, async () => {
    const { engine } = failingEngine(new BrokerError(code, "as the engine says"));
    await using failing = await startHttpBroker({ parts: { engine }, buses: ["default"] });
    const path = "/v1/buses/default/events";
    const answer = await failing.fetch("POST", path, { headers: binaryHeaders(), body: "x" });
    assertProblem(answer, status, code);
    assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
  });
}

test("readiness is 503 with the reason while storage takes nothing, and recovers", async () => {
  const { engine, report } = failingEngine(new BrokerError("disk_full", "full"));
  await using failing = await startHttpBroker({ parts: { engine } });
  const health = {
    engine: "memory",
    durability: "disk",
    fsync: "always",
    writable: false,
    reason: "the disk is full",
  } as const;
  report(health);
  const answer = await failing.fetch("GET", "/health/ready");
  const { detail } = assertProblem(answer, 503, "storage_unavailable");
  assert.equal(detail, "the disk is full");
  assert.equal(answer.json()["durability"], "disk");
  assert.equal((await failing.fetch("GET", "/health/live")).status, 200);
  report({ ...health, writable: true, reason: undefined });
  assert.equal((await failing.fetch("GET", "/health/ready")).status, 200);
});

test("closing answers what is under way and a long poll at once", async () => {
  const closing = await startHttpBroker({ buses: ["default"] });
  const poll = closing.fetch("GET", "/v1/buses/default/events?from=latest&waitMs=20000");
  await closing.fetch("GET", "/health/live");
  const started = performance.now();
  await closing.stop();
  const answer = await poll;
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json(), []);
  assert.ok(performance.now() - started < 15_000, "it did not wait for the poll's time");
});
