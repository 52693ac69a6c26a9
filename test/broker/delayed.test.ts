/** Delayed events over HTTP on the memory engine, in virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryEngine } from "../../src/engine/engines.ts";
import type { DelayedEvent } from "../../src/api/api.ts";
import type { Engine, EventLog } from "../../src/engine/engine.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import type { ErrorCode } from "../../src/kernel/error-codes.ts";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import {
  assertProblem,
  binaryHeaders,
  startHttpBroker,
  structuredEvent,
} from "../support/http-broker.ts";

const DAY = 86_400_000;

interface World extends AsyncDisposable {
  readonly http: HttpBroker;
  readonly clock: FakeClock;
}

async function start(wrap: (engine: Engine) => Engine = (engine) => engine): Promise<World> {
  const clock = new FakeClock();
  const engine = wrap(createMemoryEngine({ clock }));
  const http = await startHttpBroker({ parts: { clock, engine }, buses: ["b"] });
  return { http, clock, [Symbol.asyncDispose]: () => http.stop() };
}

function publish(
  { http }: World,
  event: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return http.fetch("POST", "/v1/buses/b/events", {
    headers: { "content-type": "application/cloudevents+json", ...headers },
    body: structuredEvent(event),
  });
}

function publishBatch(
  { http }: World,
  events: readonly Readonly<Record<string, unknown>>[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return http.fetch("POST", "/v1/buses/b/events", {
    headers: { "content-type": "application/cloudevents-batch+json", ...headers },
    body: events.map((event) => structuredEvent(event)),
  });
}

async function idsOnBus({ http }: World): Promise<string[]> {
  const answer = await http.fetch("GET", "/v1/buses/b/events?limit=1000");
  return answer.json<{ id: string }[]>().map(({ id }) => id);
}

async function waiting({ http }: World, query = ""): Promise<DelayedEvent[]> {
  const answer = await http.fetch("GET", `/v1/buses/b/delayed${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json<DelayedEvent[]>();
}

/** Lets everything that is due run; real turns of the event loop, no real time. */
async function pass({ clock }: World, durationMs: number): Promise<void> {
  await clock.advanceAsync(durationMs);
  for (let turn = 0; turn < 20; turn++) await clock.advanceAsync(0);
}

function at({ clock }: World, afterMs: number): string {
  return new Date(clock.now() + afterMs).toISOString();
}

for (const name of ["deliverytime", "xvanusdeliverytime"]) {
  test(`P9: an event with ${name} is appended at that time, unchanged`, async () => {
    await using world = await start();
    const deliveryTime = at(world, 10_000);
    const answer = await publish(world, { id: "later", [name]: deliveryTime, data: { a: 1 } });
    assert.equal(answer.status, 202, answer.text);
    assert.match(answer.headers.get("millrace-delayed") ?? "", /^[0-9a-f-]{38}$/);
    assert.equal(answer.headers.get("millrace-offset"), null);
    await pass(world, 9_999);
    assert.deepEqual(await idsOnBus(world), []);
    await pass(world, 1);
    const read = await world.http.fetch("GET", "/v1/buses/b/events/0");
    assert.deepEqual(read.json(), {
      ...structuredEvent({ id: "later" }),
      [name]: deliveryTime,
      data: { a: 1 },
    });
    assert.deepEqual(await waiting(world), []);
  });
}

test("the header millrace-delay holds for all three content modes", async () => {
  await using world = await start();
  const delay = { "millrace-delay": "PT10S" };
  const binary = await world.http.fetch("POST", "/v1/buses/b/events", {
    headers: binaryHeaders({ "ce-id": "binary", ...delay }),
    body: "x",
  });
  const structured = await publish(world, { id: "structured" }, delay);
  const batch = await publishBatch(world, [{ id: "one" }, { id: "two" }], delay);
  for (const answer of [binary, structured]) assert.equal(answer.status, 202, answer.text);
  assert.equal(batch.status, 200, batch.text);
  const body = batch.json<{ offsets: null[]; duplicates: number[]; delayed: string[] }>();
  assert.deepEqual({ ...body, delayed: 0 }, { offsets: [null, null], duplicates: [], delayed: 0 });
  await pass(world, 10_000);
  assert.deepEqual(await idsOnBus(world), ["binary", "structured", "one", "two"]);
});

test("events are appended in the order of due time, those of one instant as published", async () => {
  await using world = await start();
  const due = [30, 10, 20, 10, 20, 10];
  const batch = due.map((seconds, index) => ({
    id: `${seconds}-${index}`,
    deliverytime: at(world, seconds * 1000),
  }));
  assert.equal((await publishBatch(world, batch)).status, 200);
  const listed = (await waiting(world)).map(({ event }) => (event as { id: string }).id);
  const order = ["10-1", "10-3", "10-5", "20-2", "20-4", "30-0"];
  assert.deepEqual(listed, order);
  await pass(world, 60_000);
  assert.deepEqual(await idsOnBus(world), order);
});

test("a time that has passed, and a delay of nothing, mean now", async () => {
  await using world = await start();
  const past = await publish(world, { id: "past", deliverytime: "1999-12-31T23:59:60Z" });
  const none = await publish(world, { id: "none" }, { "millrace-delay": "0s" });
  assert.equal(past.headers.get("millrace-offset"), "0", past.text);
  assert.equal(none.headers.get("millrace-offset"), "1", none.text);
});

test("the attribute wins over the header: it is the event's own", async () => {
  await using world = await start();
  const events = [{ id: "own", deliverytime: at(world, 1000) }, { id: "header" }];
  await publishBatch(world, events, { "millrace-delay": "5s" });
  await pass(world, 1000);
  assert.deepEqual(await idsOnBus(world), ["own"]);
  await pass(world, 4000);
  assert.deepEqual(await idsOnBus(world), ["own", "header"]);
});

for (const [what, event, headers, code, path] of [
  [
    "an attribute that is no time",
    { deliverytime: "tomorrow" },
    {},
    "invalid_event",
    "deliverytime",
  ],
  ["an attribute that is no text", { deliverytime: 5 }, {}, "invalid_event", "deliverytime"],
  [
    "Vanus's that is no time",
    { xvanusdeliverytime: "x" },
    {},
    "invalid_event",
    "xvanusdeliverytime",
  ],
  [
    "a header that is no duration",
    {},
    { "millrace-delay": "soon" },
    "invalid_request",
    "millrace-delay",
  ],
  ["more than 366 days", {}, { "millrace-delay": "367d" }, "invalid_request", "millrace-delay"],
  ["a year too far", { deliverytime: "2400-01-01T00:00:00Z" }, {}, "invalid_event", "deliverytime"],
  [
    "two attributes that contradict each other",
    { deliverytime: "2026-02-01T00:00:00Z", xvanusdeliverytime: "2026-02-02T00:00:00Z" },
    {},
    "invalid_event",
    "xvanusdeliverytime",
  ],
] as const) {
  test(`${what}: 400 naming it, and nothing is stored`, async () => {
    await using world = await start();
    const answers = [await publish(world, event, headers)];
    answers.push(await publishBatch(world, [{ id: "fine" }, event], headers));
    for (const [index, answer] of answers.entries()) {
      const [error] = assertProblem(answer, 400, code).errors;
      assert.equal(error?.path, path);
      const isOfBatch = index === 1 && path !== "millrace-delay";
      assert.equal(error?.index, isOfBatch ? 1 : undefined);
    }
    world.clock.jumpWall(400 * DAY);
    await pass(world, 2000);
    assert.deepEqual([await waiting(world), await idsOnBus(world)], [[], []]);
  });
}

test("366 days are allowed, and longer than a timer can be", async () => {
  await using world = await start();
  const answer = await publish(world, { id: "far" }, { "millrace-delay": "366d" });
  assert.equal(answer.status, 202, answer.text);
  const [event] = await waiting(world);
  assert.equal(event?.due, new Date(world.clock.now() + 366 * DAY).toISOString());
  // A wall clock that is set forward is noticed, though no timer is due.
  world.clock.jumpWall(366 * DAY);
  await pass(world, limits.delayedTimerMsMax);
  assert.deepEqual(await idsOnBus(world), ["far"]);
});

test("a wall clock set back appends late, and once", async () => {
  await using world = await start();
  await publish(world, { id: "x" }, { "millrace-delay": "10s" });
  await pass(world, 9000);
  world.clock.jumpWall(-60_000);
  await pass(world, 60_000);
  assert.deepEqual(await idsOnBus(world), []);
  await pass(world, 1000);
  world.clock.jumpWall(-60_000);
  await pass(world, 120_000);
  assert.deepEqual(await idsOnBus(world), ["x"]);
});

test("a mixed batch appends what is due now at once and keeps the rest", async () => {
  await using world = await start();
  const soon = at(world, 5000);
  const batch = [{ id: "a" }, { id: "b", deliverytime: soon }, { id: "c" }];
  const answer = await publishBatch(world, batch);
  assert.equal(answer.status, 200, answer.text);
  const { offsets, delayed } = answer.json<{ offsets: unknown[]; delayed: unknown[] }>();
  assert.deepEqual(offsets, [0, null, 1]);
  assert.deepEqual(
    delayed.map((id) => typeof id === "string"),
    [false, true, false],
  );
  assert.deepEqual(await idsOnBus(world), ["a", "c"]);
  await pass(world, 5000);
  assert.deepEqual(await idsOnBus(world), ["a", "c", "b"]);
});

/** The memory engine with a log that fails appends on demand; of `after` nothing is stored. */
function failingEngine(failure: { code: ErrorCode | undefined; stores: boolean }) {
  return (engine: Engine): Engine =>
    new Proxy(engine, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name === "log")
          return async (bus: string) => failingLog(await target.log(bus), failure);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
}

const failingLogs = new WeakMap<EventLog, EventLog>();

function failingLog(
  log: EventLog,
  failure: { code: ErrorCode | undefined; stores: boolean },
): EventLog {
  const append: EventLog["append"] = (records, settled) => {
    const { code } = failure;
    if (code === undefined) log.append(records, settled);
    else if (failure.stores) log.append(records, () => settled(new BrokerError(code, "test"), 0));
    else setImmediate(() => settled(new BrokerError(code, "test"), 0));
  };
  const known = failingLogs.get(log);
  const made =
    known ??
    new Proxy(log, {
      get(target, name) {
        if (name === "append") return append;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  failingLogs.set(log, made);
  return made;
}

for (const code of ["disk_full", "storage_unavailable", "overloaded"] as const) {
  test(`due events wait while the log answers ${code}, and are appended when it is back`, async () => {
    const failure: { code: ErrorCode | undefined; stores: boolean } = { code, stores: false };
    await using world = await start(failingEngine(failure));
    await publish(world, { id: "x" }, { "millrace-delay": "1s" });
    await pass(world, 60_000);
    assert.equal((await waiting(world)).length, 1, "it waits");
    failure.code = undefined;
    await pass(world, limits.diskRetryMs);
    assert.deepEqual(await idsOnBus(world), ["x"]);
  });

  test(`a mixed batch is taken back whole when the log answers ${code}`, async () => {
    const failure: { code: ErrorCode | undefined; stores: boolean } = { code, stores: false };
    await using world = await start(failingEngine(failure));
    const answer = await publishBatch(world, [
      { id: "a" },
      { id: "b", deliverytime: at(world, 1) },
    ]);
    assert.equal(answer.json<{ code: string }>().code, code, answer.text);
    failure.code = undefined;
    await pass(world, 60_000);
    assert.deepEqual([await waiting(world), await idsOnBus(world)], [[], []]);
  });
}

for (const stores of [true, false]) {
  test(`an append of unknown outcome that ${stores ? "was" : "was not"} stored ends in one record`, async () => {
    const failure: { code: ErrorCode | undefined; stores: boolean } = { code: undefined, stores };
    await using world = await start(failingEngine(failure));
    await publish(world, { id: "x" }, { "millrace-delay": "1s" });
    failure.code = "outcome_unknown";
    await pass(world, 1000);
    failure.code = undefined;
    await pass(world, 10_000);
    assert.deepEqual(await idsOnBus(world), ["x"]);
    assert.deepEqual(await waiting(world), []);
  });
}

test("delayed events are listed page by page, got, and cancelled once", async () => {
  await using world = await start();
  const { http } = world;
  for (const id of ["a", "b", "c"]) await publish(world, { id }, { "millrace-delay": "1m" });
  const first = await http.fetch("GET", "/v1/buses/b/delayed?limit=2");
  const link = /^<([^>]+)>; rel="next"$/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
  const rest = await http.fetch("GET", link);
  const all = [...first.json<DelayedEvent[]>(), ...rest.json<DelayedEvent[]>()];
  assert.deepEqual(
    all.map(({ event }) => (event as { id: string }).id),
    ["a", "b", "c"],
  );
  assert.equal(rest.headers.get("link"), null);
  const b = all[1];
  assert.ok(b !== undefined);
  const path = `/v1/buses/b/delayed/${b.id}`;
  assert.deepEqual((await http.fetch("GET", path)).json(), b);
  const cancelled = await http.fetch("DELETE", path);
  assert.deepEqual([cancelled.status, cancelled.json()], [200, b]);
  assertProblem(await http.fetch("DELETE", path), 404, "delayed_not_found");
  assertProblem(await http.fetch("GET", path), 404, "delayed_not_found");
  // The page goes on behind a place that is gone.
  assert.equal((await waiting(world, `?after=${b.id}`)).length, 1);
  assertProblem(await http.fetch("GET", "/v1/buses/b/delayed?after=x"), 400, "invalid_request");
  assertProblem(await http.fetch("GET", "/v1/buses/none/delayed"), 404, "bus_not_found");
  await pass(world, 60_000);
  assert.deepEqual(await idsOnBus(world), ["a", "c"]);
  assertProblem(
    await http.fetch("DELETE", `/v1/buses/b/delayed/${all[0]?.id}`),
    404,
    "delayed_not_found",
  );
});

test("of cancelling and firing at the same moment one wins", async () => {
  await using world = await start();
  const ids: string[] = [];
  for (let index = 0; index < 50; index++) {
    const answer = await publish(world, { id: `e${index}` }, { "millrace-delay": "1s" });
    ids.push(answer.headers.get("millrace-delayed") ?? "");
  }
  const { delayed } = world.http.broker;
  const cancelling: Promise<string | undefined>[] = ids.slice(0, 25).map((id) =>
    delayed.cancel("b", id).then(
      () => id,
      () => undefined,
    ),
  );
  world.clock.advance(1000);
  cancelling.push(
    ...ids.slice(25).map((id) =>
      delayed.cancel("b", id).then(
        () => id,
        () => undefined,
      ),
    ),
  );
  const cancelled = (await Promise.all(cancelling)).filter((id) => typeof id === "string");
  await pass(world, 1000);
  const appended = await idsOnBus(world);
  assert.equal(new Set(appended).size, appended.length);
  assert.equal(appended.length + cancelled.length, 50);
  for (const id of cancelled) assert.ok(!appended.includes(`e${ids.indexOf(id)}`));
});

test("P7: at delayedEventsMax a publish is refused with 429 and Retry-After", async () => {
  await using world = await start();
  const { delayed } = world.http.broker.buses.require("b");
  const payload = new Uint8Array(1);
  const many = Array.from({ length: limits.delayedEventsMax + 1 }, () => ({
    payload,
    hops: 0,
    dueAt: 1e13,
  }));
  const failure = await new Promise<BrokerError | undefined>((resolve) =>
    delayed.add(many, resolve),
  );
  assert.equal(failure?.code, "overloaded");
  assert.match(failure?.message ?? "", /delayedEventsMax/);
  assert.ok((failure?.retryAfterSeconds ?? 0) > 0);
});

test("more events than the window holds are all appended, in order", async () => {
  await using world = await start();
  const total = limits.delayedWindowEventsMax * 2 + 500;
  for (let from = 0; from < total; from += 1000) {
    const count = Math.min(1000, total - from);
    const batch = Array.from({ length: count }, (_, index) => ({
      id: `${from + index}`,
      deliverytime: at(world, 5000 - (from + index)),
    }));
    assert.equal((await publishBatch(world, batch)).status, 200);
  }
  await pass(world, 5000);
  for (let turn = 0; turn < 50; turn++) await pass(world, 0);
  const { log } = world.http.broker.buses.require("b");
  assert.equal(log.bounds().next, total);
  const first = await world.http.fetch("GET", "/v1/buses/b/events/0");
  assert.equal(first.json<{ id: string }>().id, String(total - 1));
  assert.match(
    (await world.http.fetch("GET", "/metrics")).text,
    /millrace_delayed_appended_total\{bus="b"\} 4500/,
  );
});

test("deleting a bus deletes what waits on it; a bus of that name made later is new", async () => {
  await using world = await start();
  await publish(world, { id: "x" }, { "millrace-delay": "1s" });
  assert.match(
    (await world.http.fetch("GET", "/metrics")).text,
    /millrace_delayed_events\{bus="b"\} 1/,
  );
  await world.http.fetch("DELETE", "/v1/buses/b");
  await world.http.fetch("PUT", "/v1/buses/b", { body: {} });
  await pass(world, 10_000);
  assert.deepEqual([await waiting(world), await idsOnBus(world)], [[], []]);
});

test("a delayed event is judged by deduplication when its time comes", async () => {
  await using world = await start();
  const { http } = world;
  await http.fetch("PUT", "/v1/buses/b", {
    body: { deduplication: { window: "1h", maxKeys: 100 } },
  });
  const deliverytime = at(world, 1000);
  await publish(world, { id: "same", deliverytime });
  await publish(world, { id: "same", deliverytime });
  await pass(world, 2000);
  assert.deepEqual(await idsOnBus(world), ["same"]);
  assert.deepEqual(await waiting(world), []);
  assert.match(
    (await http.fetch("GET", "/metrics")).text,
    /millrace_delayed_duplicates_total\{bus="b"\} 1/,
  );
});
