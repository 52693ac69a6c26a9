import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { EventExplanation, Subscription, SubscriptionStatus } from "../../src/api/api.ts";
import { assertProblem, startHttpBroker, structuredEvent } from "../support/http-broker.ts";
import type { HttpBroker } from "../support/http-broker.ts";

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly ids: readonly string[];
}

/** A consumer over real HTTP; `answer` says what it makes of each request. */
class Sink implements AsyncDisposable {
  readonly requests: Received[] = [];
  answer: (received: Received) => { readonly status: number; readonly body?: unknown } = () => ({
    status: 204,
  });
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Sink> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body: unknown = JSON.parse(Buffer.concat(chunks).toString() || "null");
        const ids = Array.isArray(body)
          ? body.map((one: { id: string }) => one.id)
          : [String(request.headers["ce-id"])];
        const received = { headers: request.headers, ids };
        sink.requests.push(received);
        const { status, body: answer } = sink.answer(received);
        response.writeHead(status, { "content-type": "application/json" });
        response.end(answer === undefined ? undefined : JSON.stringify(answer));
      });
    });
    const sink = new Sink(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  get ids(): string[] {
    return this.requests.flatMap(({ ids }) => ids);
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
  members: Readonly<Record<string, unknown>>,
): Promise<Subscription> {
  const body = { bus: "default", protocol: "HTTP", sink: sink.url, ...members };
  const answer = await broker.fetch("PUT", "/v1/subscriptions/s", { body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json<Subscription>();
}

async function publish(broker: HttpBroker, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, index) =>
    structuredEvent({ id: `e${index}`, data: { customer: index % 2 } }),
  );
  const answer = await broker.fetch("POST", "/v1/buses/default/events", {
    body: events,
    headers: { "content-type": "application/cloudevents-batch+json" },
  });
  assert.equal(answer.status, 200, answer.text);
}

async function status(broker: HttpBroker): Promise<SubscriptionStatus> {
  const answer = await broker.fetch("GET", "/v1/subscriptions/s/status");
  assert.equal(answer.status, 200, answer.text);
  return answer.json<SubscriptionStatus>();
}

async function until(
  broker: HttpBroker,
  isSo: (now: SubscriptionStatus) => boolean,
): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  for (let now = await status(broker); !isSo(now); now = await status(broker)) {
    assert(performance.now() < giveUpAt, `it never came to be: ${JSON.stringify(now)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a batch over HTTP: per-event failures are tried again, the others are not", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await subscribe(broker, sink, {
    protocolsettings: { format: "batch", batch: { maxEvents: 5, lingerMs: 20 } },
    config: {
      start: "earliest",
      concurrency: 1,
      retry: { minDelayMs: 20, maxDelayMs: 40 },
    },
  });
  sink.answer = ({ ids }) =>
    sink.requests.length > 1
      ? { status: 204 }
      : { status: 200, body: { failures: [{ index: 1 }, { index: ids.length - 1 }] } };
  await publish(broker, 12);
  await until(broker, ({ counters }) => counters.delivered === 12);
  const [first] = sink.requests;
  assert.equal(first?.headers["content-type"], "application/cloudevents-batch+json; charset=utf-8");
  assert(first.ids.length <= 5);
  assert.equal(first.headers["millrace-offsets"], first.ids.map((id) => id.slice(1)).join(","));
  const failed = [first.ids[1], first.ids.at(-1)];
  for (let index = 0; index < 12; index += 1) {
    const times = sink.ids.filter((id) => id === `e${index}`).length;
    assert.equal(times, failed.includes(`e${index}`) ? 2 : 1, `e${index}`);
  }
});

test("P5 over HTTP: a blocked key is shown, and moved by an operator", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  const made = await subscribe(broker, sink, {
    config: { start: "earliest", ordering: { by: "data.customer", onFailure: "block" } },
  });
  assert.deepEqual(made.config.ordering, { by: "data.customer", onFailure: "block" });
  sink.answer = ({ ids }) => ({ status: ids[0] === "e2" ? 422 : 204 });
  await publish(broker, 8);
  await until(broker, ({ counters }) => counters.delivered === 5 && counters.parked === 3);
  const { blocked, state, reason } = await status(broker);
  assert.equal(blocked.count, 1);
  assert.deepEqual(blocked.heads[0], {
    offset: 2,
    key: "0",
    reason: "rejected",
    since: blocked.heads[0]?.since,
    behind: 2,
  });
  assert.equal(state, "backing-off");
  assert.match(reason ?? "", /key '0' is blocked by offset 2/);
  const post = (path: string): ReturnType<HttpBroker["fetch"]> =>
    broker.fetch("POST", `/v1/subscriptions/s/blocked/${path}`);
  assertProblem(await post("4/skip"), 409, "not_blocked");
  assertProblem(await post("2/explode"), 400, "invalid_request");
  assertProblem(await post("two/skip"), 400, "invalid_request");
  const moved = await post("2/dead-letter");
  assert.equal(moved.status, 200, moved.text);
  assert.equal(moved.json<SubscriptionStatus>().blocked.count, 0);
  await until(broker, ({ counters }) => counters.delivered === 7 && counters.dead === 1);
  const even = sink.ids.filter((id) => Number(id.slice(1)) % 2 === 0);
  assert.deepEqual(even, ["e0", "e2", "e4", "e6"]);
  const letters = await broker.fetch("GET", "/v1/subscriptions/s/dead-letters");
  assert.deepEqual(
    letters.json<{ offset: number; reason: string }[]>().map(({ offset }) => offset),
    [2],
  );
});

test("an event that an operator skipped is explained as skipped", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  await subscribe(broker, sink, {
    config: { start: "earliest", ordering: { by: "data.customer", onFailure: "block" } },
  });
  sink.answer = ({ ids }) => ({ status: ids[0] === "e2" ? 422 : 204 });
  await publish(broker, 6);
  await until(broker, ({ blocked }) => blocked.count === 1);
  await broker.fetch("POST", "/v1/subscriptions/s/blocked/2/skip");
  await until(broker, ({ counters }) => counters.delivered === 5 && counters.skipped === 1);
  const answer = await broker.fetch("GET", "/v1/buses/default/events/2/explain");
  const [s] = answer.json<EventExplanation>().subscriptions;
  assert.deepEqual([s?.state, s?.attempts.length], ["skipped", 1]);
});

const wrong: readonly (readonly [unknown, string])[] = [
  [{}, "config.ordering.by"],
  [{ by: "data..x" }, "config.ordering.by"],
  [{ by: "Subject!" }, "config.ordering.by"],
  [{ by: "subject.x" }, "config.ordering.by"],
  [{ by: "data.items[*]" }, "config.ordering.by"],
  [{ by: 5 }, "config.ordering.by"],
  [{ by: "x".repeat(501) }, "config.ordering.by"],
  [{ by: "subject", onFailure: "panic" }, "config.ordering.onFailure"],
  [{ by: "subject", keys: 5 }, "config.ordering.keys"],
  ["subject", "config.ordering"],
];

test("an ordering that cannot be is refused at creation, naming the member", async () => {
  await using broker = await start();
  await using sink = await Sink.start();
  for (const [ordering, path] of wrong) {
    const body = { bus: "default", protocol: "HTTP", sink: sink.url, config: { ordering } };
    const answer = await broker.fetch("POST", "/v1/subscriptions", { body });
    const problem = assertProblem(answer, 400, "invalid_resource");
    assert(
      problem.errors.some((error) => error.path === path),
      `${JSON.stringify(ordering)}: ${JSON.stringify(problem.errors)}`,
    );
  }
});
