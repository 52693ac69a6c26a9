import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type {
  Attempt,
  DeadLetter,
  EventExplanation,
  Replay,
  SubscriptionStatus,
} from "../../src/api/api.ts";
import { assertProblem, startHttpBroker, structuredEvent } from "../support/http-broker.ts";
import type { HttpBroker } from "../support/http-broker.ts";

/** A consumer that answers what it is told to, and remembers which offsets came. */
class Sink implements AsyncDisposable {
  readonly offsets: number[] = [];
  readonly headers: (string | undefined)[] = [];
  status = 200;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Sink> {
    const server = createServer((request, response) => {
      const { status } = sink;
      sink.offsets.push(Number(request.headers["millrace-offset"]));
      sink.headers.push(request.headers["x-key"] as string | undefined);
      request.resume().on("end", () => response.writeHead(status).end(`answer ${status}`));
    });
    const sink = new Sink(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function start(): Promise<HttpBroker> {
  return startHttpBroker({ buses: ["default"], config: { allowPrivateSinks: true } });
}

async function subscribe(
  broker: HttpBroker,
  sink: Sink,
  members: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const body = {
    bus: "default",
    protocol: "HTTP",
    sink: sink.url,
    config: { start: "earliest", concurrency: 1 },
    ...members,
  };
  const answer = await broker.fetch("PUT", "/v1/subscriptions/s", { body });
  assert.equal(answer.status, 201, answer.text);
}

async function publish(broker: HttpBroker, ...types: readonly string[]): Promise<void> {
  for (const [index, type] of types.entries()) {
    const answer = await broker.fetch("POST", "/v1/buses/default/events", {
      body: structuredEvent({ id: `e${index}`, type, data: { n: index } }),
      headers: { "content-type": "application/cloudevents+json" },
    });
    assert.equal(answer.status, 202, answer.text);
  }
}

async function get<Value>(broker: HttpBroker, path: string): Promise<Value> {
  const answer = await broker.fetch("GET", path);
  assert.equal(answer.status, 200, answer.text);
  return answer.json<Value>();
}

/** Asks until it is so; a broker works in its own time. */
async function until<Value>(
  ask: () => Promise<Value>,
  isSo: (value: Value) => boolean,
): Promise<Value> {
  const giveUpAt = performance.now() + 30_000;
  for (;;) {
    const value = await ask();
    if (isSo(value)) return value;
    assert(performance.now() < giveUpAt, `it never came to be: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const letters = "/v1/subscriptions/s/dead-letters";

/** Two letters: offset 1 of type b and offset 2 of type c; offset 0 was delivered. */
async function withTwoLetters(broker: HttpBroker, sink: Sink): Promise<DeadLetter[]> {
  await subscribe(broker, sink);
  await publish(broker, "a");
  await until(
    async () => sink.offsets.length,
    (count) => count === 1,
  );
  sink.status = 400;
  for (const [id, type] of [
    ["e1", "b"],
    ["e2", "c"],
  ]) {
    await broker.fetch("POST", "/v1/buses/default/events", {
      body: structuredEvent({ id, type }),
      headers: { "content-type": "application/cloudevents+json" },
    });
  }
  return until(
    () => get<DeadLetter[]>(broker, letters),
    (list) => list.length === 2,
  );
}

async function finished(broker: HttpBroker, location: string): Promise<Replay> {
  return until(
    () => get<Replay>(broker, location),
    ({ ended }) => ended !== null,
  );
}

async function redrive(broker: HttpBroker, body: unknown): Promise<string> {
  const answer = await broker.fetch("POST", `${letters}/redrive`, { body });
  assert.equal(answer.status, 202, answer.text);
  const location = answer.headers.get("location") ?? "";
  assert.match(location, /^\/v1\/subscriptions\/s\/replays\/.+/);
  return location;
}

function counters(broker: HttpBroker): Promise<SubscriptionStatus> {
  return get<SubscriptionStatus>(broker, "/v1/subscriptions/s/status");
}

test("dead letters are listed by time, reason, type, source and generation", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  const [first, second] = await withTwoLetters(broker, sink);
  const ids = async (query: string): Promise<string[]> =>
    (await get<DeadLetter[]>(broker, `${letters}?${query}`)).map(({ id }) => id);
  assert.deepEqual(await ids("type=b"), [first?.id]);
  assert.deepEqual(await ids("type=nothing"), []);
  assert.deepEqual(await ids("source=/test&reason=rejected"), [first?.id, second?.id]);
  assert.deepEqual(await ids("generation=2"), []);
  assert.deepEqual(await ids("to=2001-01-01T00:00:00Z"), []);
  assert.deepEqual(await ids("from=2001-01-01T00:00:00Z&limit=1"), [first?.id]);
  assert.equal(first?.generation, 1);
  for (const query of ["reason=bored", "from=yesterday", "generation=x", "kind=b"]) {
    const name = query.split("=")[0] ?? "";
    const problem = assertProblem(
      await broker.fetch("GET", `${letters}?${query}`),
      400,
      "invalid_request",
    );
    assert.equal(problem.errors[0]?.path, name);
  }
});

test("an export holds every letter as a line, with its event", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  const listed = await withTwoLetters(broker, sink);
  const answer = await broker.fetch("GET", `${letters}/export`);
  assert.equal(answer.headers.get("content-type"), "application/x-ndjson");
  const lines = answer.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as DeadLetter);
  assert.deepEqual(lines, listed);
  const some = await broker.fetch("GET", `${letters}/export?type=c`);
  assert.equal((JSON.parse(some.text) as DeadLetter).offset, 2);
});

test("a purge counts its letters as discarded (P2), by filter and with a limit", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await withTwoLetters(broker, sink);
  const purge = async (query: string): Promise<unknown> =>
    (await broker.fetch("DELETE", `${letters}${query}`)).json();
  assert.deepEqual(await purge("?type=c"), { purged: 1 });
  const { counters: after, deadLetters } = await counters(broker);
  assert.deepEqual([after.dead, after.discarded, deadLetters.count], [1, 1, 1]);
  assert.deepEqual(await purge("?limit=5"), { purged: 1 });
  assert.deepEqual(await purge(""), { purged: 0 });
});

test("a redrive to the same sink parks the letters and tells how far it is", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  const [first] = await withTwoLetters(broker, sink);
  sink.status = 200;
  const location = await redrive(broker, { letters: [first?.id] });
  const replay = await finished(broker, location);
  assert.equal(replay.state, "done");
  assert.deepEqual(replay.progress, {
    total: 1,
    redriven: 1,
    waiting: 0,
    delivered: 1,
    dead: 0,
    other: 0,
  });
  const status = await counters(broker);
  assert.deepEqual([status.counters.delivered, status.counters.dead], [2, 1]);
  assert.deepEqual(sink.offsets, [0, 1, 2, 1]);
  const rest = await finished(broker, await redrive(broker, { filter: { type: "c" } }));
  assert.deepEqual(rest.selection, {
    filter: { ...("filter" in rest.selection ? rest.selection.filter : {}), type: "c" },
  });
  assert.equal((await counters(broker)).counters.delivered, 3);
  const all = await get<Replay[]>(broker, "/v1/subscriptions/s/replays");
  assert.deepEqual(
    all.map(({ id }) => id),
    [rest.id, replay.id],
  );
});

test("a letter that dies again is a letter again, with the attempts of both lives", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await withTwoLetters(broker, sink);
  const replay = await finished(broker, await redrive(broker, { filter: { type: "b" } }));
  assert.equal(replay.progress.dead, 1);
  const again = await get<DeadLetter[]>(broker, `${letters}?type=b`);
  assert.deepEqual(
    again.map(({ attempts }) => attempts.map(({ attempt }) => attempt)),
    [[1, 1]],
  );
});

test("a redrive to another sink sends no credentials, and the letters go when they arrived", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await using other = await Sink.start();
  await withTwoLetters(broker, sink);
  const body = { all: true, sink: other.url, protocolsettings: { headers: { "x-key": "k" } } };
  const replay = await finished(broker, await redrive(broker, body));
  assert.equal(replay.sink, other.url);
  assert.equal(replay.progress.delivered, 2);
  assert.deepEqual(new Set(other.offsets), new Set([1, 2]));
  assert.deepEqual(other.headers, ["k", "k"]);
  const { counters: after } = await counters(broker);
  assert.deepEqual([after.dead, after.discarded, after.delivered], [0, 2, 1]);
  const told = await until(
    () => get<EventExplanation>(broker, "/v1/buses/default/events/1/explain"),
    ({ subscriptions: [one] }) => one?.attempts.length === 2,
  );
  const [s] = told.subscriptions;
  assert.equal(s?.state, "discarded");
  assert.match(s.reason, /a replay sent its dead letter to another sink/);
});

test("explain tells of the present generation: what an earlier one delivered may be filtered now", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await withTwoLetters(broker, sink);
  const explain = (): Promise<EventExplanation> =>
    get<EventExplanation>(broker, "/v1/buses/default/events/0/explain");
  await until(explain, ({ subscriptions: [one] }) => one?.attempts.length === 1);
  await broker.fetch("PATCH", "/v1/subscriptions/s", {
    body: { filters: [{ exact: { type: "z" } }] },
  });
  await broker.fetch("POST", "/v1/subscriptions/s/seek", { body: { to: "earliest" } });
  await until(
    () => counters(broker),
    (now) => now.counters.filtered === 3,
  );
  const [s] = (await explain()).subscriptions;
  assert.deepEqual([s?.generation, s?.state, s?.attempts.length], [2, "filtered", 1]);
});

test("a letter stays when the other sink refuses it", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await using other = await Sink.start();
  await withTwoLetters(broker, sink);
  other.status = 400;
  const replay = await finished(broker, await redrive(broker, { all: true, sink: other.url }));
  assert.deepEqual([replay.progress.delivered, replay.progress.dead], [0, 2]);
  assert.equal((await counters(broker)).counters.dead, 2);
});

test("the private-network guard judges the sink of a redrive too (P8)", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const body = { bus: "default", protocol: "HTTP", sink: "https://example.com/" };
  await broker.fetch("PUT", "/v1/subscriptions/s", { body });
  const answer = await broker.fetch("POST", `${letters}/redrive`, {
    body: { all: true, sink: "http://127.0.0.1:1/" },
  });
  assert.equal(assertProblem(answer, 400, "invalid_resource").errors[0]?.path, "sink");
});

test("a redrive says exactly which letters, and what is wrong with it", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await subscribe(broker, sink);
  for (const [body, path] of [
    [{}, ""],
    [{ all: true, letters: ["x"] }, ""],
    [{ letters: [] }, "letters"],
    [{ filter: {} }, "filter"],
    [{ filter: { kind: "b" } }, "filter.kind"],
    [{ all: true, ratePerSecond: 0 }, "ratePerSecond"],
    [{ all: true, protocol: "HTTP" }, "protocol"],
    [{ all: true, speed: 1 }, "speed"],
  ] as const) {
    const answer = await broker.fetch("POST", `${letters}/redrive`, { body });
    const problem = assertProblem(answer, 400, "invalid_request");
    assert(
      problem.errors.some((error) => error.path === path),
      answer.text,
    );
  }
  const unknown = await broker.fetch("POST", `${letters}/redrive`, { body: { letters: ["x"] } });
  assertProblem(unknown, 404, "dead_letter_not_found");
  assertProblem(
    await broker.fetch("GET", "/v1/subscriptions/s/replays/x"),
    404,
    "replay_not_found",
  );
  assertProblem(
    await broker.fetch("DELETE", "/v1/subscriptions/s/replays/x"),
    404,
    "replay_not_found",
  );
});

test("a paused subscription pauses its replay; a cancelled one moves nothing more", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await withTwoLetters(broker, sink);
  await broker.fetch("POST", "/v1/subscriptions/s/pause");
  const location = await redrive(broker, { all: true });
  const paused = await get<Replay>(broker, location);
  assert.deepEqual([paused.state, paused.reason], ["paused", "the subscription is paused"]);
  const cancelled = await broker.fetch("DELETE", location);
  assert.equal(cancelled.json<Replay>().state, "cancelled");
  await broker.fetch("POST", "/v1/subscriptions/s/resume");
  assert.equal((await counters(broker)).counters.dead, 2);
});

test("attempts are searched by event, offset, status, outcome and time, newest first, in pages", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await withTwoLetters(broker, sink);
  const path = "/v1/subscriptions/s/attempts";
  const found = async (query: string): Promise<number[]> =>
    (await get<Attempt[]>(broker, `${path}?${query}`)).map(({ offset }) => offset);
  await until(
    () => found(""),
    (list) => list.length === 3,
  );
  assert.deepEqual(await found(""), [2, 1, 0]);
  assert.deepEqual(await found("eventId=e1"), [1]);
  assert.deepEqual(await found("offset=2"), [2]);
  assert.deepEqual(await found("status=4xx"), [2, 1]);
  assert.deepEqual(await found("status=200"), [0]);
  assert.deepEqual(await found("outcome=dead&to=2001-01-01T00:00:00Z"), []);
  const page = await broker.fetch("GET", `${path}?limit=2`);
  const link = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
  const [last] = await get<Attempt[]>(broker, link);
  assert.deepEqual(Object.keys(last ?? {}), [
    "time",
    "offset",
    "eventId",
    "attempt",
    "outcome",
    "status",
    "latencyMs",
    "error",
    "response",
  ]);
  assert.deepEqual([last?.outcome, last?.status, last?.attempt], ["delivered", 200, 1]);
  const [newest] = await get<Attempt[]>(broker, path);
  assert.equal(newest?.response, "answer 400");
  for (const query of ["status=9xx", "after=x", "outcome=lost"]) {
    assertProblem(await broker.fetch("GET", `${path}?${query}`), 400, "invalid_request");
  }
});

test("explain says what became of an event for each subscription, and why", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  const [letter] = await withTwoLetters(broker, sink);
  await broker.fetch("PUT", "/v1/subscriptions/t", {
    body: {
      bus: "default",
      protocol: "HTTP",
      sink: sink.url,
      filters: [{ exact: { type: "z" } }],
      config: { start: "earliest" },
    },
  });
  await broker.fetch("PUT", "/v1/subscriptions/u", {
    body: { bus: "default", protocol: "HTTP", sink: sink.url, config: { paused: true, start: 1 } },
  });
  const explain = (offset: number, query = ""): Promise<EventExplanation> =>
    get<EventExplanation>(broker, `/v1/buses/default/events/${offset}/explain${query}`);
  const dead = await until(
    () => explain(1),
    (told) => told.subscriptions[1]?.state === "filtered",
  );
  assert.deepEqual(dead.event, { id: "e1", source: "/test", type: "b" });
  const [s, t, u] = dead.subscriptions;
  assert.deepEqual([s?.state, s?.deadLetter, s?.attempts.length], ["dead", letter?.id, 1]);
  assert.equal(s?.request?.headers["millrace-offset"], "1");
  assert.equal(t?.filters?.find(({ passed }) => !passed)?.path, "filters[0].exact.type");
  assert.deepEqual([u?.state, u?.until], ["pending", null]);
  assert.match(u?.reason ?? "", /paused/);
  const first = await until(
    () => explain(0, "?subscription=s"),
    ({ subscriptions: [one] }) => one?.attempts.length === 1,
  );
  assert.deepEqual([first.subscriptions.length, first.subscriptions[0]?.state], [1, "delivered"]);
  assert.equal((await explain(0)).subscriptions[2]?.state, "before-start");
  const page = await broker.fetch("GET", "/v1/buses/default/events/0/explain?limit=2");
  assert.match(page.headers.get("link") ?? "", /after=t/);
  assertProblem(
    await broker.fetch("GET", "/v1/buses/default/events/9/explain"),
    404,
    "event_not_found",
  );
  await broker.fetch("DELETE", `${letters}/${letter?.id ?? ""}`);
  assert.equal((await explain(1)).subscriptions[0]?.state, "discarded");
});
