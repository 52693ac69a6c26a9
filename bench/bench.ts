/**
 * `npm run bench [-- --only NAME --rounds 7 --seconds 3]`: where the broker stands against the
 * goals of the design. Each line is a ratio within one interleaved run; absolute rates are shown
 * only to judge the ratio by.
 */
import { parseArgs } from "node:util";
import { setTimeout as wait } from "node:timers/promises";
import type { Running } from "./harness.ts";
import {
  describeMachine,
  interleave,
  load,
  rate,
  ratio,
  startBroker,
  startScript,
} from "./harness.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "3" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

const eventHeaders = {
  "ce-specversion": "1.0",
  "ce-id": "6e1b3f0c-9a55-4a39-8f27-4b1f6f4f6f10",
  "ce-source": "https://api.github.com/repos/octocat/millrace",
  "ce-type": "com.github.star.created",
  "ce-time": "2026-11-23T10:00:00Z",
  "content-type": "application/json",
};
const eventBody = JSON.stringify({
  action: "created",
  repository: { name: "millrace", stargazers_count: 1234 },
  sender: { login: "octocat" },
});
const articleFilters = [{ exact: { type: "com.github.star.created" } }];
const articleTransformer = {
  define: {
    star_count: "$.data.repository.stargazers_count",
    repo: "$.data.repository.name",
    sender: "$.data.sender.login",
  },
  template:
    '{"slackMsg":  "GitHub user<${sender}> just stared your repo<${repo}>. Current number of stars: ${star_count}."}',
};

async function send(method: string, url: string, body: unknown): Promise<void> {
  const answer = await fetch(url, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
}

async function publishRate(target: Running, path: string, connections: number): Promise<number> {
  const url = `${target.url}${path}`;
  const result = await load({ url, connections, seconds, headers: eventHeaders, body: eventBody });
  if (result.errors > 0) console.log(`  ! ${result.errors} errors at ${url}`);
  return result.requestsPerSecond;
}

async function benchPublish(connections: number, goal: number): Promise<void> {
  const bare = await startScript("bench/targets/no-content-server.ts");
  const broker = await startBroker();
  await send("PUT", `${broker.url}/v1/buses/bench`, {});
  const path = "/v1/buses/bench/events";
  await publishRate(broker, path, connections);
  const results = await interleave(rounds, {
    bare: () => publishRate(bare, "/", connections),
    millrace: () => publishRate(broker, path, connections),
  });
  console.log(
    `publish, ${connections} connections: ${ratio(results.millrace, results.bare)} of node:http 204, ` +
      `goal ≥ ${goal} [${rate(results.millrace)} of ${rate(results.bare)}; broker RSS ${broker.rssMib()} MiB]`,
  );
  await Promise.all([bare.stop(), broker.stop()]);
}

async function benchBatch(): Promise<void> {
  const broker = await startBroker();
  await send("PUT", `${broker.url}/v1/buses/bench`, {});
  const url = `${broker.url}/v1/buses/bench/events`;
  const event = {
    specversion: "1.0",
    id: eventHeaders["ce-id"],
    source: eventHeaders["ce-source"],
    type: eventHeaders["ce-type"],
    time: eventHeaders["ce-time"],
    datacontenttype: "application/json",
    data: JSON.parse(eventBody) as unknown,
  };
  const body = JSON.stringify(Array.from({ length: 100 }, () => event));
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const results = await interleave(rounds, {
    single: () => publishRate(broker, "/v1/buses/bench/events", 64),
    batch: async () =>
      (await load({ url, connections: 16, seconds, headers, body })).requestsPerSecond * 100,
  });
  console.log(
    `publish in batches of 100, events: ${ratio(results.batch, results.single)} of single publish, ` +
      `goal ≥ 10 [${rate(results.batch)} of ${rate(results.single)}; broker RSS ${broker.rssMib()} MiB]`,
  );
  await broker.stop();
}

interface Count {
  readonly count: number;
  readonly lastAt: number;
}

/** Publishes for a while and divides what arrived by the time until the last arrival. */
async function deliveredRate(target: Running, path: string, consumer: Running): Promise<number> {
  const count = async (): Promise<Count> =>
    (await (await fetch(`${consumer.url}/count`)).json()) as Count;
  const before = await count();
  const start = Date.now();
  const url = `${target.url}${path}`;
  const { requests } = await load({
    url,
    connections: 64,
    seconds,
    headers: eventHeaders,
    body: eventBody,
  });
  let now = await count();
  for (let tries = 0; tries < 600 && now.count - before.count < requests; tries++) {
    await wait(50);
    now = await count();
  }
  const arrived = now.count - before.count;
  if (arrived < requests) console.log(`  ! only ${arrived} of ${requests} arrived`);
  return (arrived / (now.lastAt - start)) * 1000;
}

async function benchDelivered(): Promise<void> {
  const consumer = await startScript("bench/targets/consumer.ts");
  const relay = await startScript("bench/targets/relay.ts", [consumer.url]);
  const broker = await startBroker();
  for (const [bus, settings] of [
    ["plain", {}],
    ["article", { filters: articleFilters, transformer: articleTransformer }],
  ] as const) {
    await send("PUT", `${broker.url}/v1/buses/${bus}`, {});
    await send("POST", `${broker.url}/v1/subscriptions`, {
      bus,
      protocol: "HTTP",
      sink: consumer.url,
      ...settings,
    });
  }
  const results = await interleave(rounds, {
    relay: () => deliveredRate(relay, "/", consumer),
    plain: () => deliveredRate(broker, "/v1/buses/plain/events", consumer),
    article: () => deliveredRate(broker, "/v1/buses/article/events", consumer),
  });
  console.log(
    `publish to delivered, no filter: ${ratio(results.plain, results.relay)} of a bare relay ` +
      `[${rate(results.plain)} of ${rate(results.relay)}]`,
  );
  console.log(
    `publish to delivered, the article's filter and transformer: ${ratio(results.article, results.relay)} ` +
      `of a bare relay, goal ≥ 1.0 [${rate(results.article)}; broker RSS ${broker.rssMib()} MiB]`,
  );
  await Promise.all([consumer.stop(), relay.stop(), broker.stop()]);
}

/** Each of its own type, 32 at a time. */
async function subscribeToKinds(
  broker: Running,
  { bus, sink, count }: { readonly bus: string; readonly sink: string; readonly count: number },
): Promise<void> {
  let next = 0;
  const createSome = async (): Promise<void> => {
    while (next < count) {
      const filters = [{ exact: { type: `com.example.kind${next}` } }];
      next += 1;
      await send("POST", `${broker.url}/v1/subscriptions`, {
        bus,
        protocol: "HTTP",
        sink,
        filters,
      });
    }
  };
  await Promise.all(Array.from({ length: 32 }, createSome));
}

async function benchSubscriptions(): Promise<void> {
  const broker = await startBroker();
  const consumer = await startScript("bench/targets/consumer.ts");
  for (const [bus, count] of [
    ["ten", 10],
    ["tenthousand", 10_000],
  ] as const) {
    await send("PUT", `${broker.url}/v1/buses/${bus}`, {});
    const rssMib = broker.rssMib();
    const start = performance.now();
    await subscribeToKinds(broker, { bus, sink: consumer.url, count });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const kib = (((broker.rssMib() - rssMib) * 1024) / count).toFixed(1);
    console.log(`  ${count} subscriptions created in ${seconds} s, ${kib} KiB of RSS each`);
  }
  const results = await interleave(rounds, {
    ten: () => publishRate(broker, "/v1/buses/ten/events", 64),
    tenThousand: () => publishRate(broker, "/v1/buses/tenthousand/events", 64),
  });
  console.log(
    `publish and match, 10 000 subscriptions on distinct types: ` +
      `${ratio(results.tenThousand, results.ten)} of 10 subscriptions, goal ≥ 0.5 ` +
      `[${rate(results.tenThousand)} of ${rate(results.ten)}; broker RSS ${broker.rssMib()} MiB]`,
  );
  await Promise.all([consumer.stop(), broker.stop()]);
}

const benches: Readonly<Record<string, () => Promise<void>>> = {
  "publish-256": () => benchPublish(256, 0.75),
  "publish-64": () => benchPublish(64, 0.55),
  batch: benchBatch,
  delivered: benchDelivered,
  subscriptions: benchSubscriptions,
};

console.log(describeMachine());
console.log(`${rounds} interleaved rounds of ${seconds} s; median ratio (lowest–highest)`);
for (const [name, bench] of Object.entries(benches)) {
  if (values.only === undefined || name === values.only) await bench();
}
