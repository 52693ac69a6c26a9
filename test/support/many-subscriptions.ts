/** A broker process with very many subscriptions on one bus: what it takes, and what it still does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import type { Subscription, SubscriptionStatus } from "../../src/api/api.ts";
import { eventually, startBrokerProcess, temporaryDirectory } from "./broker-process.ts";
import type { BrokerProcess } from "./broker-process.ts";
import type { Consumer } from "./consumer.ts";
import { startConsumer } from "./consumer.ts";

export interface ManyOptions {
  readonly subscriptions: number;
  /** Of these, how many wait for a type that is published. */
  readonly matching: number;
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

export interface ManyFigures {
  readonly createMs: number;
  /** The median of some, while events flow. */
  readonly addMs: number;
  readonly removeMs: number;
  readonly listPageMsMax: number;
  readonly rssBytes: number;
  readonly restartMs: number;
  readonly deleteBusMs: number;
}

const connections = 32;

/** Runs it and checks that every event reached the one who wants it, and nobody else. */
export async function withManySubscriptions(options: ManyOptions): Promise<ManyFigures> {
  await using directory = await temporaryDirectory();
  await using consumer = await startConsumer();
  const agent = new Agent({ connections });
  // Apart, so that a request is not measured as it waits behind those of the publisher.
  const publisher = new Agent({ connections });
  const process = { dataDir: directory.path, flags: ["--allow-private-sinks"] };
  let broker = await startBrokerProcess(process);
  const api = new Api(() => broker.url, agent, publisher);
  try {
    const createMs = await timed(() => createAll(api, consumer, options));
    const publishing = publish(api, options);
    const one = await addAndRemove(api, consumer);
    const listPageMsMax = await listAll(api, options.subscriptions);
    const ids = await publishing;
    await eventually(
      () => consumer.idCounts.size >= ids.length,
      () => `${consumer.idCounts.size} of ${ids.length} events were delivered`,
    );
    for (const id of ids) assert(consumer.idCounts.has(id), `event ${id} arrived`);
    assert.equal(consumer.idCounts.size, ids.length, "nobody got what he does not want");
    const rssBytes = rssOf(broker);
    assert.equal(await broker.stop(), 0);
    const restartMs = await timed(async () => {
      broker = await startBrokerProcess(process);
    });
    await assertAccounted(api, options, ids.length);
    const deleteBusMs = await timed(() => api.call("DELETE", "/v1/buses/many?cascade=true"));
    assert.deepEqual(await api.call("GET", "/v1/subscriptions"), []);
    return { createMs, ...one, listPageMsMax, rssBytes, restartMs, deleteBusMs };
  } finally {
    await broker.stop();
    await Promise.all([agent.destroy(), publisher.destroy()]);
  }
}

class Api {
  readonly #url: () => string;
  readonly #agent: Agent;
  readonly #publisher: Agent;

  constructor(url: () => string, agent: Agent, publisher: Agent) {
    this.#url = url;
    this.#agent = agent;
    this.#publisher = publisher;
  }

  async call(
    method: "DELETE" | "GET" | "POST" | "PUT",
    path: string,
    body?: unknown,
  ): Promise<unknown> {
    const answer = await request(`${this.#url()}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.body.text();
    assert(answer.statusCode < 300, `${method} ${path}: ${answer.statusCode} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  publish(event: { readonly id: string; readonly type: string }): Promise<unknown> {
    return request(`${this.#url()}/v1/buses/many/events`, {
      method: "POST",
      dispatcher: this.#publisher,
      headers: {
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-source": "/test",
        "ce-type": event.type,
        "content-type": "text/plain",
      },
      body: "x",
    }).then(async (answer) => {
      await answer.body.dump();
      assert.equal(answer.statusCode, 202);
    });
  }
}

function subscription(type: string, consumer: Consumer): object {
  const filters = [{ exact: { type } }];
  return { bus: "many", protocol: "HTTP", sink: consumer.url, filters };
}

async function createAll(api: Api, consumer: Consumer, options: ManyOptions): Promise<void> {
  await api.call("PUT", "/v1/buses/many", {});
  let next = 0;
  const createSome = async (): Promise<void> => {
    while (next < options.subscriptions) {
      const type = `kind${next}`;
      next += 1;
      await api.call("POST", "/v1/subscriptions", subscription(type, consumer));
    }
  };
  await Promise.all(Array.from({ length: connections }, createSome));
}

/** Answers the ids of what was published; a tenth of a second's worth at a time. */
async function publish(api: Api, options: ManyOptions): Promise<readonly string[]> {
  const ids: string[] = [];
  const inStep = Math.ceil(options.eventsPerSecond / 10);
  const start = performance.now();
  for (let step = 0; step < options.seconds * 10; step += 1) {
    const events = Array.from({ length: inStep }, () => {
      const id = String(ids.length);
      ids.push(id);
      return { id, type: `kind${ids.length % options.matching}` };
    });
    await Promise.all(events.map((event) => api.publish(event)));
    const waitMs = start + (step + 1) * 100 - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return ids;
}

async function addAndRemove(
  api: Api,
  consumer: Consumer,
): Promise<{ readonly addMs: number; readonly removeMs: number }> {
  const adds: number[] = [];
  const removes: number[] = [];
  for (let turn = 0; turn < 9; turn += 1) {
    let added: Subscription | undefined;
    adds.push(
      await timed(async () => {
        const body = subscription("of-its-own", consumer);
        added = (await api.call("POST", "/v1/subscriptions", body)) as Subscription;
      }),
    );
    removes.push(await timed(() => api.call("DELETE", `/v1/subscriptions/${added?.id}`)));
  }
  return { addMs: median(adds), removeMs: median(removes) };
}

async function listAll(api: Api, expected: number): Promise<number> {
  let slowest = 0;
  let after = "";
  let seen = 0;
  for (let isLast = false; !isLast;) {
    const start = performance.now();
    const path = `/v1/subscriptions?limit=100${after === "" ? "" : `&after=${after}`}`;
    const page = (await api.call("GET", path)) as readonly Subscription[];
    slowest = Math.max(slowest, performance.now() - start);
    for (const { id } of page) {
      assert(id > after, "in the order of the ids");
      after = id;
    }
    seen += page.length;
    isLast = page.length < 100;
  }
  assert.equal(seen, expected);
  return slowest;
}

/** P2 after the restart, over the first page. */
async function assertAccounted(api: Api, options: ManyOptions, events: number): Promise<void> {
  const page = (await api.call("GET", "/v1/subscriptions?limit=100")) as readonly Subscription[];
  for (const { id, filters } of page) {
    const status = (await api.call("GET", `/v1/subscriptions/${id}/status`)) as SubscriptionStatus;
    const number = Number(/kind(\d+)/.exec(JSON.stringify(filters))?.[1]);
    const wanted = expectedOf(number, options.matching, events);
    assert.equal(status.counters.delivered, wanted, `kind${number}`);
    assert.equal(status.counters.filtered, events - wanted, `kind${number}`);
  }
}

/** Of events numbered from 1 whose type is the rest of their number. */
function expectedOf(kind: number, matching: number, events: number): number {
  if (kind >= matching) return 0;
  const first = kind === 0 ? matching : kind;
  return first > events ? 0 : Math.floor((events - first) / matching) + 1;
}

function rssOf(broker: BrokerProcess): number {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${broker.pid}/status`, "utf8"));
  return Number(found?.[1] ?? Number.NaN) * 1024;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
}
